package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/nodesconf"
	"github.com/clustersmith/clustersmith/worker"
)

var planArgs = []string{"plan", "--id", job, "--cluster", "orders", "--masters", "3", "--cpus", "0.5", "--memory", "512"}

// planned reads a plan that was printed as JSON.
func planned(t *testing.T, r result) chunkdist.Plan {
	t.Helper()
	var plan chunkdist.Plan
	if err := json.Unmarshal([]byte(r.out), &plan); err != nil || r.status != Done {
		t.Fatalf("status %d, %v: %s%s", r.status, err, r.out, r.stderr)
	}
	return plan
}

func TestPlanFromAnOffersFile(t *testing.T) {
	t.Parallel()
	args := append(planArgs, "--offers", "testdata/offers.json")
	r := command(t, t.Context(), append(args, "-o", "json")...)
	plan := planned(t, r)

	text, err := os.ReadFile("testdata/offers.json")
	if err != nil {
		t.Fatal(err)
	}
	offers, err := mesos.ParseOffers(text)
	if err != nil {
		t.Fatal(err)
	}
	hosts, _, err := mesos.HostsOf(offers, mesos.Query{})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := planSpec(contracts.CreateRequest{
		ID: job, Cluster: "orders", Masters: 3, Replicas: 1, Node: contracts.NodeResources{CPUs: 0.5, MemoryMB: 512},
	}.WithDefaults(), worker.Config{}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if err := chunkdist.Check(spec, hosts, plan); err != nil {
		t.Error(err)
	}
	if text := command(t, t.Context(), args...); text.out != chunkdist.Draw(plan) {
		t.Errorf("drawn:\n%s", text.out)
	}
	printsNodesConf(t, r.out, plan)
}

func printsNodesConf(t *testing.T, planText string, plan chunkdist.Plan) {
	t.Helper()
	dialect, err := nodesconf.LookupDialect("valkey", "8.0")
	if err != nil {
		t.Fatal(err)
	}
	want, err := dialect.NodesConf(plan, 4)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"nodesconf", "-f", "-", "--node", "4", "--flavor", "valkey", "--version", "8.0"}
	if r := commandWith(t, t.Context(), planText, args...); r.status != Done || r.out != string(want) {
		t.Errorf("status %d, got\n%s%s\nwant\n%s", r.status, r.out, r.stderr, want)
	}
	var doc nodesconfDoc
	r := commandWith(t, t.Context(), planText, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || doc.NodesConf != string(want) {
		t.Errorf("%v: %s", err, r.out)
	}
	commandWith(t, t.Context(), planText, "nodesconf", "-f", "-", "--node", "6").want(t, BadInput, "", "6")
	commandWith(t, t.Context(), planText, "nodesconf", "-f", "-", "--node", "0", "--version", "1.0").want(t, BadInput, "", "known are")
}

func TestPlanSaysWhyThereIsNone(t *testing.T) {
	t.Parallel()
	args := []string{"plan", "--cluster", "orders", "--masters", "200", "--offers", "testdata/offers.json"}
	command(t, t.Context(), args...).want(t, JobFailed, "10.0.0.4", "")
	r := command(t, t.Context(), append(args, "-o", "json")...)
	var doc planFailure
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatal(err)
	}
	if r.status != JobFailed || doc.Reason != contracts.ReasonInsufficientResources || doc.Message == "" || len(doc.Details.Shortages) < 4 {
		t.Errorf("status %d: %+v", r.status, doc)
	}
}

func TestPlanOnAMesosLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	m := startMesos(t)
	plan := planned(t, command(t, t.Context(), append(planArgs, "--mesos", m.URL(), "-o", "json")...))
	if len(plan.Nodes) != 6 || len(plan.Hosts) < 3 {
		t.Errorf("%d nodes on %d hosts", len(plan.Nodes), len(plan.Hosts))
	}
	// Everything is offered to the next one, which it could not be if the first still held it.
	again := planned(t, command(t, t.Context(), append(planArgs, "--mesos", m.URL(), "-o", "json")...))
	if len(again.Hosts) != len(plan.Hosts) {
		t.Errorf("the second one sees %d hosts", len(again.Hosts))
	}
}

// startMesos starts a local Mesos with three agents, for a test that launches nothing.
func startMesos(t *testing.T) *local.Mesos {
	t.Helper()
	r, err := local.ParseResources("cpus:4;mem:4096;ports:[26400-26499]")
	if err != nil {
		t.Fatal(err)
	}
	var agents []local.AgentConfig
	for _, ip := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		agents = append(agents, local.AgentConfig{IP: ip, CPUs: r.CPUs, MemMB: r.MemMB, Ports: r.Ports})
	}
	m, err := local.Start(t.Context(), local.Config{Agents: agents, Dir: filepath.Join(t.TempDir(), "mesos")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}
