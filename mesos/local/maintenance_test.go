package local_test

import (
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

func inverseOf(e map[string]any) (id string, ok bool) {
	list, ok := lookup(e, "inverse_offers", "inverse_offers")
	if !ok {
		return "", false
	}
	return at(list.([]any)[0], "id", "value").(string), true
}

// Scheduled maintenance: offers are rescinded and come again with the unavailability, and who
// holds something of the agent is asked for it until it agrees.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	s := subscribe(t, m, nil)
	offers := s.offers(0, "127.0.0.2", "127.0.0.3")
	s.running(offers["127.0.0.2"], "a", "e")
	when := time.Now().Add(time.Hour).Truncate(time.Second)
	from := s.position()
	if err := m.Maintain(ctxOf(t), "127.0.0.3", when, time.Minute); err != nil {
		t.Fatal(err)
	}
	s.await(from, "RESCIND", is("RESCIND"))
	again := s.offer(from, "127.0.0.3")
	if got := at(again, "unavailability", "start", "nanoseconds"); got != float64(when.UnixNano()) {
		t.Errorf("the offer's unavailability starts at %v instead of %v", got, when.UnixNano())
	}
	e, next := s.await(from, "INVERSE_OFFERS", is("INVERSE_OFFERS"))
	id, _ := inverseOf(e.body)
	s.call("DECLINE_INVERSE_OFFERS", obj("inverse_offer_ids", list(value(id)), "filters", obj("refuse_seconds", 0.2)))
	if got, err := m.InverseAnswers(ctxOf(t), "127.0.0.3"); err != nil || got[s.id] != local.InverseDeclined && len(got) > 0 {
		t.Errorf("answers %v, %v", got, err)
	}
	e, next = s.await(next, "second INVERSE_OFFERS", is("INVERSE_OFFERS"))
	id, _ = inverseOf(e.body)
	s.call("ACCEPT_INVERSE_OFFERS", obj("inverse_offer_ids", list(value(id))))
	if got, err := m.InverseAnswers(ctxOf(t), "127.0.0.3"); err != nil || got[s.id] != local.InverseAccepted {
		t.Errorf("answers %v, %v", got, err)
	}
	s.quiet(next, 500*time.Millisecond, "inverse offer after one was accepted", is("INVERSE_OFFERS"))

	// The agent with the task is asked for too; the end of the maintenance takes that back.
	if err := m.Maintain(ctxOf(t), "127.0.0.2", when, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, next = s.await(next, "INVERSE_OFFERS of the agent in use", is("INVERSE_OFFERS"))
	if err := m.Maintain(ctxOf(t), "127.0.0.2", time.Time{}, 0); err != nil {
		t.Fatal(err)
	}
	s.await(next, "RESCIND_INVERSE_OFFER", is("RESCIND_INVERSE_OFFER"))
	if err := m.CheckBooks(ctxOf(t)); err != nil {
		t.Error(err)
	}
}

// A deactivated agent is not offered, and what runs there goes on; a draining one kills it.
func TestDeactivateAndDrain(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	s := subscribe(t, m, nil)
	s.running(s.offer(0, "127.0.0.2"), "a", "e")
	must(t, m.Deactivate(ctxOf(t), "127.0.0.2", true))
	from := s.position()
	s.call("REVIVE", nil)
	s.quiet(from, 400*time.Millisecond, "offer of a deactivated agent", offers("127.0.0.2"))
	s.call("RECONCILE", obj("tasks", list(obj("task_id", value("a")))))
	s.status(from, "a", "TASK_RUNNING")
	must(t, m.Deactivate(ctxOf(t), "127.0.0.2", false))
	s.offer(from, "127.0.0.2")
	from = s.position()
	must(t, m.Drain(ctxOf(t), "127.0.0.2"))
	s.status(from, "a", "TASK_KILLED")
	if err := m.Drain(ctxOf(t), "127.0.0.9"); err == nil {
		t.Error("an unknown agent drains")
	}
}

// An agent that is away is drained as soon as it is back, and not offered until it is activated again.
func TestDrainOutlastsAnAbsence(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.AgentPingTimeout, cfg.AgentMaxPings = 100*time.Millisecond, 3
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	s.running(s.offer(0, "127.0.0.2"), "a", "e")
	from := s.position()
	must(t, m.FreezeAgent("127.0.0.2", true))
	s.status(from, "a", "TASK_UNREACHABLE")
	must(t, m.Drain(ctxOf(t), "127.0.0.2"))
	from = s.position()
	must(t, m.FreezeAgent("127.0.0.2", false))
	s.status(from, "a", "TASK_KILLED")
	s.call("REVIVE", nil)
	s.quiet(from, 400*time.Millisecond, "offer of a draining agent", offers("127.0.0.2"))
	must(t, m.Deactivate(ctxOf(t), "127.0.0.2", false))
	s.offer(from, "127.0.0.2")
}

// offers matches an event whose first offer is of a host.
func offers(host string) func(map[string]any) bool {
	return func(e map[string]any) bool {
		all, ok := lookup(e, "offers", "offers")
		return ok && at(all.([]any)[0], "hostname") == host
	}
}
