package integration

import (
	"sync"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
)

// One name, two specifications, at once: one cluster, one refusal.
func TestTwoSpecificationsAtOnce(t *testing.T) {
	t.Parallel()
	oneAndTwoWorkers(t, func(w *world) {
		one, other := request("contested", 3, 1), request("contested", 3, 0)
		w.publish(contracts.SubjectCreate, one)
		w.publish(contracts.SubjectCreate, other)
		var winner history
		for _, h := range []history{w.await(one.ID), w.await(other.ID)} {
			if h.kind(h.end()) != contracts.EventVerified {
				w.failed(h, contracts.ReasonNameConflict)
				continue
			}
			if winner != nil {
				w.t.Error("two specifications for one name were verified")
			}
			winner = h
		}
		if winner == nil {
			w.t.Fatal("neither specification was verified")
		}
		w.allWell(winner)
		w.emptied()
	})
}

// The same request a hundred times, at once, to three workers.
func TestSameRequestHundredTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	for _, name := range []string{"a", "b", "c"} {
		w.worker(named(name))
	}
	req := request("hundred", 3, 1)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 10 {
				w.publish(contracts.SubjectCreate, req)
			}
		})
	}
	all.Wait()
	w.allWell(w.await(req.ID))
	w.emptied()
}
