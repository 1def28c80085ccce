package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
)

// A create whose workers are all dead, and stay so, leaves nothing in Mesos: the framework's
// failover timeout is short until the cluster is verified. When there are workers again, the job
// goes on to its end.
func TestOrphansAreRemoved(t *testing.T) {
	t.Parallel()
	mortalProgram(t)
	for _, phase := range []contracts.Phase{
		contracts.PhaseAccepted, contracts.PhasePlanned, contracts.PhaseLaunching, contracts.PhaseStarting, contracts.PhaseForming,
	} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(4, 4, 4096), quick)
			w.alone()
			req := request("orphan", 3, 1)
			req.Deadline = contracts.Duration(3 * time.Minute)
			w.publish(contracts.SubjectCreate, req)
			w.killed(func(cfg *workerConfig) { cfg.CreateFailover = 2 * ackWait }, failpoint.Told(phase))
			w.framed()
			w.noProcessLeft()

			w.worker()
			w.allWell(w.await(req.ID))
			w.emptied()
		})
	}
}

// framed waits until these are the frameworks that Mesos shows.
func (w *world) framed(names ...string) {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(20 * time.Millisecond) { // Mesos tells nobody
		now := w.frameworks()
		slices.Sort(now)
		if slices.Equal(now, names) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("after %v Mesos has %v instead of %v", awaitLimit, now, names)
		}
	}
}

// A verified cluster needs no worker: it lives on while there is none, for longer than an
// unfinished one would, also when the master fails over meanwhile, and is still known afterwards.
func TestVerifiedClusterNeedsNoWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(4, 4, 4096), quick)
	w.needsOperator()
	short := func(cfg *workerConfig) { cfg.CreateFailover = 2 * ackWait }
	stop := w.worker(short)
	plan := w.verified(w.create(request("alone", 3, 1)))
	w.settled()
	w.kept("alone")
	stop()

	// An unfinished create shows when the short timeout is over.
	cfg := w.config()
	short(&cfg)
	cfg.Name = "dies"
	dies := w.processWith(cfg)
	other := request("unfinished", 3, 0)
	other.Deadline = contracts.Duration(3 * time.Minute)
	w.publish(contracts.SubjectCreate, other)
	w.at(other.ID, contracts.PhaseLaunching)
	dies.kill()
	w.framed("clustersmith/alone")
	checkedByRedis(t, plan)

	// Mesos knows no timeout of what it hears of from its agents: both stay until a worker is back.
	cfg.Name = "dies-too"
	dies = w.processWith(cfg)
	w.follow(other.ID, func(ev contracts.Event) bool {
		return ev.Data.Attempt == 2 && ev.Data.Phase == contracts.PhaseLaunching || ev.Data.Phase.Terminal()
	})
	must(t, w.operator.StopMaster())
	dies.kill()
	must(t, w.operator.StartMaster(t.Context()))
	w.framed("clustersmith/alone", "clustersmith/unfinished")
	checkedByRedis(t, plan)

	w.worker()
	w.verified(w.await(other.ID))
	again := contracts.VerifyRequest{ID: "7b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "alone"}
	w.publish(contracts.SubjectVerify, again)
	w.verified(w.await(again.ID))
	w.kept("alone")
	w.destroy("unfinished")
	w.destroy("alone")
	allClosed(t, plan)
	w.emptied()
}
