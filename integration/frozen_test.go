package integration

import (
	"strings"
	"syscall"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
)

// A worker that was frozen until another one had its job does no harm when it wakes: neither
// when it hears at once that it was replaced, nor when its connection to Mesos was lost
// meanwhile, so that it has to subscribe again.
func TestFrozenWorkerDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, connection := range []string{"kept", "lost"} {
		for _, phase := range []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming} {
			t.Run(connection+"/"+string(phase), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, agents(4, 4, 4096), quick)
				workers, relays := map[string]*process{}, map[string]*relay{}
				for _, name := range []string{"a", "b"} {
					cfg := w.config()
					cfg.Name = name
					relays[name] = newRelay(t, strings.TrimPrefix(w.masters, "http://"))
					cfg.Masters = []string{"http://" + relays[name].address()}
					workers[name] = w.processWith(cfg)
				}
				req := request("frozen", 3, 1)
				w.publish(contracts.SubjectCreate, req)
				owner := w.at(req.ID, phase)
				must(t, workers[owner].cmd.Process.Signal(syscall.SIGSTOP))
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
