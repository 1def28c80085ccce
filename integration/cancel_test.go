package integration

import (
	"fmt"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
)

// oneAndTwoWorkers runs a test with one worker and with two, each in a world of its own.
func oneAndTwoWorkers(t *testing.T, test func(w *world)) {
	t.Helper()
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(4, 4, 4096))
			w.workers(n)
			test(w)
		})
	}
}

// A cancelled job leaves nothing, whatever phase it was in.
func TestCancelInEveryPhase(t *testing.T) {
	t.Parallel()
	for _, phase := range every[:len(every)-1] { // after the last one it may well be too late
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			oneAndTwoWorkers(t, func(w *world) {
				req := request("unwanted", 3, 1)
				if phase == contracts.PhaseWaitingResources {
					req.Node.MemoryMB = 65536
				}
				w.publish(contracts.SubjectCreate, req)
				w.at(req.ID, phase)
				w.publish(contracts.SubjectCancel, contracts.CancelRequest{ID: "3b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Job: req.ID})
				h := w.await(req.ID)
				switch kind := h.kind(h.end()); {
				case kind == contracts.EventCancelled:
					w.settled()
					w.silentSince(h)
					w.nothingLeft("unwanted")
				case nearEnd(phase) && kind == contracts.EventVerified:
					w.allWell(h)
				default:
					w.t.Fatalf("%s instead of cancelled\n%s", kind, h)
				}
				w.allWell(w.create(request("unwanted", 3, 0)))
				w.emptied()
			})
		})
	}
}

// A destroy in the middle of a create stops the create; nothing is left of it.
func TestDestroyDuringCreate(t *testing.T) {
	t.Parallel()
	for _, phase := range []contracts.Phase{contracts.PhasePlanned, contracts.PhaseLaunching, contracts.PhaseForming} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			oneAndTwoWorkers(t, func(w *world) {
				req := request("regretted", 3, 1)
				w.publish(contracts.SubjectCreate, req)
				w.at(req.ID, phase)
				gone := w.destroy("regretted")
				if gone.kind(gone.end()) != contracts.EventDestroyed {
					w.t.Fatalf("%s instead of destroyed: %s", gone.end().Type, gone.end().Data.Message)
				}
				h := w.await(req.ID)
				late := phase == contracts.PhaseForming // it may be too late to stop it
				if kind := h.kind(h.end()); kind != contracts.EventCancelled && (!late || kind != contracts.EventVerified) {
					w.t.Errorf("the create ended as %s", kind)
				}
				w.settled()
				w.nothingLeft("regretted")
				w.allWell(w.create(request("regretted", 3, 0)))
				w.emptied()
			})
		})
	}
}

// A create that arrives while the cluster of that name is being destroyed gets its turn.
func TestCreateDuringDestroy(t *testing.T) {
	t.Parallel()
	oneAndTwoWorkers(t, func(w *world) {
		w.verified(w.create(request("phoenix", 3, 0)))
		down := contracts.DestroyRequest{ID: "4b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "phoenix"}
		w.publish(contracts.SubjectDestroy, down)
		w.at(down.ID, contracts.PhaseDestroying)
		again := request("phoenix", 3, 1)
		w.publish(contracts.SubjectCreate, again)
		w.await(down.ID)
		w.allWell(w.await(again.ID))
		w.emptied()
	})
}
