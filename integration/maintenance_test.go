package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// A host for which maintenance is planned gets no nodes: a job that needs it waits, agrees to
// the maintenance, says why it waits, and is placed once the maintenance is called off.
func TestMaintenanceIsAvoided(t *testing.T) {
	t.Parallel()
	list := agents(3, 4, 4096)
	w := newWorld(t, list)
	w.alone()
	host := list[0].IP
	w.after(func(ctx context.Context) error { return w.operator.Maintain(ctx, host, time.Time{}, 0) })
	must(t, w.operator.Maintain(t.Context(), host, time.Now().Add(time.Hour), time.Hour))
	w.worker()
	req := request("kept-off", 3, 1)
	w.publish(contracts.SubjectCreate, req)
	waiting := w.follow(req.ID, func(ev contracts.Event) bool {
		return ev.Data.Phase == contracts.PhaseWaitingResources || ev.Data.Phase.Terminal()
	}).end()
	if waiting.Data.Details == nil {
		t.Fatalf("it is not said what is short: %+v", waiting.Data)
	}
	said := ""
	for _, s := range waiting.Data.Details.Shortages {
		if s.Host == host && s.Dimension == "usable" {
			said = s.Message
		}
	}
	if !strings.Contains(said, "maintenance") || !strings.Contains(waiting.Data.Message, "maintenance") {
		t.Errorf("it is not said that %s is not used for its maintenance: %q, %+v", host, waiting.Data.Message, waiting.Data.Details)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for accepted := false; !accepted; time.Sleep(20 * time.Millisecond) {
		must(t, ctx.Err())
		answers, err := w.operator.InverseAnswers(ctx, host)
		must(t, err)
		for _, answer := range answers {
			if accepted = true; answer != local.InverseAccepted {
				t.Fatalf("the inverse offer was %s", answer)
			}
		}
	}
	must(t, w.operator.Maintain(t.Context(), host, time.Time{}, 0))
	w.verified(w.await(req.ID))
}

// A deactivated agent is no host either, and a running cluster does not mind it.
func TestDeactivatedAgent(t *testing.T) {
	t.Parallel()
	list := agents(4, 4, 4096)
	w := newWorld(t, list)
	if w.remote != nil && !w.remote.deactivates() {
		t.Skip("the master under test cannot deactivate agents: needs Mesos 1.9")
	}
	w.alone()
	must(t, w.operator.Deactivate(t.Context(), list[0].IP, true))
	w.after(func(ctx context.Context) error { return w.operator.Deactivate(ctx, list[0].IP, false) })
	w.worker()
	plan := w.verified(w.create(request("elsewhere", 3, 1)))
	for _, n := range plan.Nodes {
		if n.Host == list[0].IP {
			t.Errorf("node %d is on a deactivated agent", n.Index)
		}
	}
	must(t, w.operator.Deactivate(t.Context(), plan.Nodes[0].Host, true))
	w.after(func(ctx context.Context) error { return w.operator.Deactivate(ctx, plan.Nodes[0].Host, false) })
	checkedByRedis(t, plan)
}

// after undoes something in a Mesos that others use later.
func (w *world) after(undo func(context.Context) error) {
	if w.remote == nil {
		return
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(w.t, undo(ctx))
	})
}
