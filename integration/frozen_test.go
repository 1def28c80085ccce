package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
)

// A worker that was frozen until another one had its job does no harm when it wakes: neither
// when it hears at once that it was replaced, nor when its connection to Mesos was lost
// meanwhile, so that it has to subscribe again.
func TestFrozenWorkerDoesNoHarm(t *testing.T) {
	t.Parallel()
	program := mortalProgram(t)
	for _, connection := range []string{"kept", "lost"} {
		for _, phase := range []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming} {
			t.Run(connection+"/"+string(phase), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, agents(4, 4, 4096), quick)
				arm := filepath.Join(w.dir, "arm") // for the first one that comes to the point
				must(t, os.WriteFile(arm, nil, 0o600))
				workers, relays := map[string]*process{}, map[string]*relay{}
				for _, name := range []string{"a", "b"} {
					cfg := w.config()
					cfg.Name = name
					relays[name] = newRelay(t, hostOf(w.masters))
					cfg.Masters = []string{schemeOf(w.masters) + relays[name].address()}
					workers[name] = w.freezing(program, cfg, failpoint.Told(phase), "CLUSTERSMITH_FAILPOINT_ARM="+arm)
				}
				req := request("frozen", 3, 1)
				w.publish(contracts.SubjectCreate, req)
				owner := w.stopped(workers)
				if connection == "lost" {
					relays[owner].lose()
				}
				h := w.await(req.ID)
				if strings.HasSuffix(h.end().Source, "/"+owner) {
					t.Fatalf("the frozen worker finished the job\n%s", h)
				}
				must(t, workers[owner].cmd.Process.Signal(syscall.SIGCONT))
				// It serves again: with the other one gone, the next job is its own.
				for name, p := range workers {
					if name != owner {
						p.kill()
					}
				}
				next := w.create(request("next", 3, 0))
				w.verified(next)
				if !strings.HasSuffix(next.end().Source, "/"+owner) {
					t.Errorf("%s did the next job", next.end().Source)
				}
				w.destroy("next")
				for _, p := range workers {
					p.kill()
				}
				w.worker()
				w.allWell(h)
			})
		}
	}
}

// A worker that was frozen while it destroyed a cluster finds, when it wakes, another cluster of
// that name, which is none of its business.
func TestFrozenDestroyDoesNoHarm(t *testing.T) {
	t.Parallel()
	program := mortalProgram(t)
	w := newWorld(t, agents(4, 4, 4096), quick)
	stop := w.worker() // a create that needs a second attempt comes to that point too
	w.verified(w.create(request("phoenix", 3, 0)))
	stop()
	cfg := w.config()
	cfg.Name = "frozen"
	frozen := w.freezing(program, cfg, failpoint.Gone)
	req := contracts.DestroyRequest{ID: "7b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "phoenix"}
	w.publish(contracts.SubjectDestroy, req)
	w.stopped(map[string]*process{"frozen": frozen})
	w.process("other")
	if h := w.await(req.ID); strings.HasSuffix(h.end().Source, "/frozen") || h.kind(h.end()) != contracts.EventDestroyed {
		t.Fatalf("the destroy ended otherwise\n%s", h)
	}
	h := w.create(request("phoenix", 3, 1))
	w.verified(h)
	must(t, frozen.cmd.Process.Signal(syscall.SIGCONT))
	// Once it has drained, it has done whatever it wanted.
	must(t, frozen.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-frozen.done:
	case <-time.After(awaitLimit):
		t.Fatal("the woken worker does not end")
	}
	w.allWell(h)
	w.emptied()
}

// freezing starts a worker of the build with fail points that is stopped at one, until it gets SIGCONT.
func (w *world) freezing(program string, cfg workerConfig, point failpoint.Point, env ...string) *process {
	w.t.Helper()
	return w.processOf(program, cfg, append(env, "CLUSTERSMITH_FAILPOINT="+string(point), "CLUSTERSMITH_FAILPOINT_FREEZE=1")...)
}

// stopped waits until one of the processes is stopped by a signal, and names it.
func (w *world) stopped(processes map[string]*process) (name string) {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) { // nobody tells
		for name, p := range processes {
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
			must(w.t, err)
			if strings.Contains(string(status), "State:\tT") {
				return name
			}
		}
	}
	w.t.Fatalf("no worker comes to the point within %v", awaitLimit)
	return ""
}
