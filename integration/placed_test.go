package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// A master and its replica are in different fault domains, whichever of Mesos' ways names them.
func TestFaultDomains(t *testing.T) {
	t.Parallel()
	for domain, place := range map[string]func(a *local.AgentConfig, name string){
		"zone":           func(a *local.AgentConfig, name string) { a.Region, a.Zone = "eu", name },
		"region":         func(a *local.AgentConfig, name string) { a.Region, a.Zone = name, "a" },
		"attribute:rack": func(a *local.AgentConfig, name string) { a.Attributes = map[string]string{"rack": name} },
	} {
		t.Run(domain, func(t *testing.T) {
			t.Parallel()
			list := agents(6, 4, 4096)
			domains := map[string]string{}
			for i := range list {
				domains[list[i].IP] = []string{"a", "a", "b", "b", "c", "c"}[i]
				place(&list[i], domains[list[i].IP])
			}
			w := newWorld(t, list)
			w.needsLocal()
			w.worker()
			req := request("apart", 6, 1)
			req.Placement.FaultDomain = domain
			plan := w.verified(w.create(req))
			for _, n := range plan.Nodes {
				if n.Master == nil {
					continue
				}
				if master := plan.Nodes[*n.Master]; domains[n.Host] == domains[master.Host] {
					t.Errorf("replica %d on %s is in the domain of its master on %s", n.Index, n.Host, master.Host)
				}
			}
			w.destroy("apart")
			w.emptied()
		})
	}
}

// Where no agent has a domain, a request that requires one waits and says so; one that prefers it is placed.
func TestFaultDomainThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal()
	w.worker()
	req := request("strict", 3, 0)
	req.Placement.FaultDomain, req.Deadline = "zone", contracts.Duration(12*time.Second)
	if end := w.failed(w.create(req), contracts.ReasonInsufficientResources); !strings.Contains(end.Data.Message, "no fault domain") {
		t.Errorf("the message does not speak of fault domains: %s", end.Data.Message)
	}
	req = request("easy", 3, 0)
	req.Placement.FaultDomain, req.Placement.FaultDomainRule = "zone", "preferred"
	w.verified(w.create(req))
}

// An agent that drains while a cluster starts on it ends the attempt; the next one is elsewhere.
func TestDrainedAgent(t *testing.T) {
	t.Parallel()
	list := agents(4, 4, 4096)
	w := newWorld(t, list)
	w.needsLocal()
	w.worker()
	req := request("moved", 3, 1)
	w.publish(contracts.SubjectCreate, req)
	w.at(req.ID, contracts.PhaseStarting)
	drained := w.busy().IP
	// KILLs that are lost with an executor's stream (chaos) are not repeated: its operator drains it again, also in a
	// later attempt, since chaos may have ended the first one before the agent began to drain.
	for over := false; !over; time.Sleep(100 * time.Millisecond) { // nobody tells that one is lost
		must(t, w.mesos.Drain(t.Context(), drained))
		over = w.events(req.ID).end().Data.Phase.Terminal()
	}
	h := w.await(req.ID)
	plan := w.verified(h)
	if h.end().Data.Attempt < 2 {
		t.Errorf("the first attempt outlived its draining agent\n%s", h)
	}
	for _, n := range plan.Nodes {
		if n.Host == drained {
			t.Errorf("node %d is on %s, which drains", n.Index, drained)
		}
	}
	w.destroy("moved")
	w.emptied()
}

// Tasks run as the user that the workers name.
func TestUserOfTasks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal()
	w.worker(func(c *workerConfig) { c.MesosUser = "caretaker" })
	w.verified(w.create(request("owned", 3, 0)))
	for _, f := range w.inMesos() {
		if f.User != "caretaker" {
			t.Errorf("%s runs as %q", f.Name, f.User)
		}
	}
	w.destroy("owned")
}
