package local_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// One seed draws the same for each name, in whatever order the names come; another seed and
// another turn of the same name draw something else.
func TestChaosIsRepeatable(t *testing.T) {
	t.Parallel()
	one := local.Draws(7, "a", "b", "a", "c")
	other := local.Draws(7, "c", "a", "a", "b")
	if !reflect.DeepEqual(one, other) {
		t.Errorf("the order of the names matters:\n%v\n%v", one, other)
	}
	if one["a"][0] == one["a"][1] || one["a"][0] == one["b"][0] || one["a"][0] == local.Draws(8, "a")["a"][0] {
		t.Errorf("generators are alike: %v", one)
	}
	if a, b := local.NewChaos(3), local.NewChaos(3); *a != *b {
		t.Errorf("%+v and %+v of one seed", a, b)
	}
}

// The offers of one round come one by one and in batches.
func TestChaosOfBatches(t *testing.T) {
	t.Parallel()
	single, several := 0, 0
	for seed := range uint64(20) {
		sum := 0
		for _, n := range local.Batches(seed, 5) {
			if sum += n; n == 1 {
				single++
			} else {
				several++
			}
		}
		if sum != 5 {
			t.Errorf("seed %d: %d offers of 5", seed, sum)
		}
	}
	if single < 10 || several < 10 {
		t.Errorf("of 100 offers, %d events have one and %d several", single, several)
	}
}

// Offers come in several events, and what was declined or left over comes late for some agents
// and is there in the end.
func TestChaosOfOffers(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
	cfg.AllocationInterval = 400 * time.Millisecond
	cfg.Chaos = &local.Chaos{MaxDelay: 20 * time.Millisecond, Seed: 5}
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	ips := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}
	first := s.offers(0, ips...)
	from := s.position()
	s.decline(0.0, first["127.0.0.2"], first["127.0.0.3"], first["127.0.0.4"], first["127.0.0.5"])
	s.offers(from, ips...)
	batches, came := 0, map[any]time.Time{}
	s.mu.Lock()
	for i, e := range s.events {
		offers, ok := lookup(e.body, "offers", "offers")
		if !ok {
			continue
		}
		batches++
		for _, o := range offers.([]any) {
			if i >= from {
				came[at(o, "hostname")] = e.at
			}
		}
	}
	s.mu.Unlock()
	if batches < 3 {
		t.Errorf("%d events bring 8 offers", batches)
	}
	times := []time.Time{}
	for at := range maps.Values(came) {
		times = append(times, at)
	}
	spread := time.Duration(0)
	for _, x := range times {
		for _, y := range times {
			spread = max(spread, x.Sub(y))
		}
	}
	if spread < cfg.Chaos.MaxDelay {
		t.Errorf("all agents were offered again within %v", spread)
	}
	if err := m.CheckBooks(ctxOf(t)); err != nil {
		t.Error(err)
	}
}

// A scheduler that takes its framework over hears updates twice, and each task's in order.
func TestChaosAfterFailover(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.Chaos = &local.Chaos{MaxDelay: 20 * time.Millisecond, Seed: 2}
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	s.autoAck = false
	offer := s.offer(0, "127.0.0.2")
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	var tasks []any
	for _, id := range ids {
		tasks = append(tasks, task(id, offer, shell("sleep 60")))
	}
	s.launch(offer, tasks...)
	for _, id := range ids {
		s.status(0, id, "TASK_STARTING")
	}
	next := subscribe(t, m, map[string]any{"id": value(s.id)})
	for _, id := range ids {
		next.status(0, id, "TASK_RUNNING")
	}
	next.call("TEARDOWN", nil)
	next.end()
	seen, twice := map[any][]any{}, 0
	for i, e := range next.events {
		if first := at(e.body, "type"); (i == 0) != (first == "SUBSCRIBED") {
			t.Errorf("event %d is %v", i, first)
		}
		id, ok := lookup(e.body, "update", "status", "task_id", "value")
		if !ok {
			continue
		}
		state := at(e.body, "update", "status", "state")
		if had := seen[id]; len(had) > 0 && had[len(had)-1] == state {
			twice++
			continue
		}
		seen[id] = append(seen[id], state)
	}
	for _, id := range ids {
		if !reflect.DeepEqual(seen[id], []any{"TASK_STARTING", "TASK_RUNNING"}) {
			t.Errorf("%s: %v", id, seen[id])
		}
	}
	if twice < 3 {
		t.Errorf("%d updates came twice", twice)
	}
}

// Each loss looks as it does in a real Mesos, and hits a framework's name once.
func TestChaosLosses(t *testing.T) {
	t.Parallel()
	const seed = 11
	for kind, states := range map[string][]string{
		"dropped": {"TASK_DROPPED"}, "gone": {"TASK_GONE"}, "launch": {"TASK_DROPPED"}, "unreachable": {"TASK_UNREACHABLE", "TASK_RUNNING"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cfg := quick(t, "127.0.0.2")
			cfg.Chaos = local.NewChaos(seed)
			m := start(t, cfg)
			name := local.FrameworkOf(seed, kind)
			for round := range 2 {
				s := subscribe(t, m, map[string]any{"name": name})
				offer := s.offer(0, "127.0.0.2")
				s.launch(offer, task("a", offer, custom("e")), task("b", offer, custom("e")))
				at := 0
				if round == 0 {
					for _, state := range states {
						_, at = s.await(at, state, func(e map[string]any) bool { return update("a", state)(e) || update("b", state)(e) })
					}
				} else {
					s.status(0, "a", "TASK_RUNNING")
					s.status(0, "b", "TASK_RUNNING")
				}
				s.call("TEARDOWN", nil)
				s.end()
			}
		})
	}
}

// RESCIND never overtakes the OFFERS that it is about, however late they are.
func TestChaosKeepsOffersInOrder(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.AllocationInterval = 10 * time.Millisecond
	cfg.Chaos = &local.Chaos{MaxDelay: 20 * time.Millisecond, Seed: 4}
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	for range 40 {
		if err := m.RescindOffers(ctxOf(t)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(cfg.AllocationInterval)
	}
	s.call("TEARDOWN", nil)
	s.end()
	offered, rescinded := map[any]bool{}, 0
	for _, e := range s.events {
		if offers, ok := lookup(e.body, "offers", "offers"); ok {
			for _, o := range offers.([]any) {
				offered[at(o, "id", "value")] = true
			}
		}
		if id, ok := lookup(e.body, "rescind", "offer_id", "value"); ok {
			if rescinded++; !offered[id] {
				t.Errorf("%v is rescinded before it is offered", id)
			}
		}
	}
	if rescinded < 10 {
		t.Errorf("only %d offers were rescinded", rescinded)
	}
}

// Some executors lose their first stream, after SUBSCRIBED and the tasks that were queued; none loses the second.
func TestChaosOfExecutors(t *testing.T) {
	t.Parallel()
	first, second := local.Carried(3, 60)
	lost := 0
	for _, n := range first {
		if n < 3 || n > 10 && n != 20 {
			t.Errorf("a stream carries %d events", n)
		}
		if n != 20 {
			lost++
		}
	}
	if lost < 8 || lost > 35 {
		t.Errorf("%d of 60 executors lose a stream", lost)
	}
	if slices.Min(second) != 20 {
		t.Errorf("second streams carry %v", second)
	}
}
