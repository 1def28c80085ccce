package cli

import (
	"encoding/json"
	"os"
	"reflect"
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
