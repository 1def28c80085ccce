package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	command(t, t.Context(), "status", "--nats", b.url).want(t, Done, "There is no cluster.", "")
	command(t, t.Context(), "status", "none", "--nats", b.url).want(t, BadInput, "", `no cluster "none"`)

	text, err := os.ReadFile("show/testdata/plan.json")
	if err != nil {
		t.Fatal(err)
	}
	var plan contracts.Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	request := contracts.CreateRequest{ID: job, Cluster: "orders", Masters: 3, Replicas: 1}.WithDefaults()
	b.put(contracts.BucketClusters, "orders", contracts.ClusterRecord{
		Cluster: "orders", State: contracts.ClusterVerified, Job: job, Request: request, Plan: &plan, Verified: &at,
	})
	request.Cluster = "carts"
	b.put(contracts.BucketClusters, "carts", contracts.ClusterRecord{Cluster: "carts", State: contracts.ClusterCreating, Job: "j2", Request: request})
	end := contracts.NewEvent("w", contracts.EventVerified, contracts.EventData{Job: job, Seq: 1}, at)
	b.put(contracts.BucketJobs, job, contracts.JobRecord{
		Job: job, Kind: contracts.JobCreate, Cluster: "orders", Phase: contracts.PhaseVerified, Attempt: 1, Received: at.Add(-2104 * time.Millisecond), Terminal: &end,
	})
	b.put(contracts.BucketJobs, "j2", contracts.JobRecord{Job: "j2", Kind: contracts.JobCreate, Cluster: "carts", Phase: contracts.PhaseForming, Received: time.Now()})
	b.put(contracts.BucketJobs, contracts.JobPlanKey(job, 1, 2), plan)
	b.put(contracts.BucketJobs, contracts.JobCancelKey(job), "a cancellation")

	r := command(t, t.Context(), "status", "orders", "--nats", b.url)
	if want, err := os.ReadFile("testdata/status-orders.txt"); err != nil || r.out != string(want) {
		t.Errorf("got\n%s\nwant\n%s%v", r.out, want, err)
	}
	var doc statusDoc
	for args, jobs := range map[string]int{"": 1, "-a": 2} {
		line := []string{"status", "-o", "json", "--nats", b.url}
		if args != "" {
			line = append(line, args)
		}
		r = command(t, t.Context(), line...)
		if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Clusters) != 2 || doc.Clusters[0].Cluster != "carts" || len(doc.Jobs) != jobs {
			t.Errorf("status %s: %+v, %v", args, doc, err)
		}
	}
}

// TestStatusPlan: the plan of a cluster of any size is printed as it was planned.
func TestStatusPlan(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for _, nodes := range []int{6, contracts.MaxPlainNodes + 100} {
		plan := contracts.Plan{Cluster: "orders", Nodes: make([]contracts.Node, nodes), Hosts: []contracts.HostLoad{}}
		for i := range plan.Nodes {
			plan.Nodes[i] = contracts.Node{Index: i, Host: "10.0.0.1", Port: 20000 + i, Slots: [][2]int{}}
		}
		b.put(contracts.BucketClusters, "orders", contracts.ClusterRecord{Cluster: "orders", State: contracts.ClusterVerified, Plan: &plan})
		r := command(t, t.Context(), "status", "orders", "--plan", "--nats", b.url)
		var got contracts.Plan
		if err := json.Unmarshal([]byte(r.out), &got); err != nil || !reflect.DeepEqual(got, plan) {
			t.Errorf("%d nodes: status --plan prints %.200s…, %v", nodes, r.out, err)
		}
	}
	b.put(contracts.BucketClusters, "carts", contracts.ClusterRecord{Cluster: "carts", State: contracts.ClusterCreating})
	command(t, t.Context(), "status", "carts", "--plan", "--nats", b.url).want(t, BadInput, "", "no plan")
	command(t, t.Context(), "status", "--plan", "--nats", b.url).want(t, BadInput, "", "needs the name")
}

// TestDocumentedQueries: what docs/operations.md makes of the output of status with jq shows what it says.
func TestDocumentedQueries(t *testing.T) {
	t.Parallel()
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("jq is not installed")
	}
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	b := startBroker(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	end := contracts.NewEvent("w", contracts.EventFailed, contracts.EventData{
		Job: "gone", Seq: 3, Phase: contracts.PhaseFailed, Reason: contracts.ReasonStartFailed, Message: "A node ended.",
	}, at)
	for n, j := range []contracts.JobRecord{
		{Job: "busy", Kind: contracts.JobDestroy, Phase: contracts.PhaseDestroying, Cleanup: true, CleanupTries: 2, Waits: 1, Owner: "w"},
		{Job: "hungry", Kind: contracts.JobCreate, Phase: contracts.PhaseWaitingResources, Short: &contracts.Outcome{
			Message: "Too little.", Details: &contracts.Details{Shortages: []contracts.Shortage{{Host: "10.0.0.1", Dimension: "cpus", Need: 2, Have: 1}}, Nearest: "3x0"},
		}},
		{Job: "gone", Kind: contracts.JobCreate, Phase: contracts.PhaseFailed, Terminal: &end},
	} {
		j.Cluster, j.Received = "orders", at.Add(time.Duration(n)*time.Second)
		b.put(contracts.BucketJobs, j.Job, j)
	}
	want := [][]string{
		{`"job":"busy","kind":"destroy","cluster":"orders","phase":"destroying","cleanup":true,"cleanup_tries":2,"waits":1,"owner":"w"`, `"job":"hungry"`},
		{`"job":"hungry","cluster":"orders","why":"Too little.","shortages":[{"host":"10.0.0.1","dimension":"cpus","need":2,"have":1}],"nearest":"3x0"`},
		{`"job":"gone","kind":"create","cluster":"orders","at":"2026-01-02T03:04:05Z","reason":"start_failed","why":"A node ended."`},
	}
	queries := regexp.MustCompile(`(?m)^clustersmith (status.*) \| jq (?:-c )?'(.*)'$`).FindAllStringSubmatch(string(text), -1)
	if len(queries) != len(want) {
		t.Fatalf("docs/operations.md has %d queries, not %d", len(queries), len(want))
	}
	for i, q := range queries {
		cmd := exec.CommandContext(t.Context(), jq, "-c", q[2])
		cmd.Stdin = strings.NewReader(command(t, t.Context(), append(strings.Fields(q[1]), "--nats", b.url)...).out)
		out, err := cmd.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if err != nil || len(lines) != len(want[i]) {
			t.Errorf("%s: %v\n%s", q[0], err, out)
			continue
		}
		for n, line := range lines {
			if !strings.Contains(line, want[i][n]) {
				t.Errorf("%s shows\n%s\nwithout\n%s", q[0], line, want[i][n])
			}
		}
	}
}
