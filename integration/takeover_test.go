package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/worker"
)

// process is a worker as its users start it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	kill func()
}

// process starts `clustersmith worker` with a name of its own.
func (w *world) process(name string, env ...string) *process {
	w.t.Helper()
	cfg := w.config()
	cfg.Name = name
	return w.processWith(cfg, env...)
}

// processWith starts `clustersmith worker` with a configuration, and more environment.
func (w *world) processWith(cfg workerConfig, env ...string) *process {
	w.t.Helper()
	return w.processOf(filepath.Join(binDir, "clustersmith"), cfg, env...)
}

// processOf starts a worker of another build of the program.
func (w *world) processOf(program string, cfg workerConfig, env ...string) *process {
	w.t.Helper()
	log, err := os.Create(filepath.Join(w.dir, "worker-"+cfg.Name+".log"))
	must(w.t, err)
	cmd := exec.Command(program, "worker")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(append(os.Environ(), environment(cfg)...), env...)
	must(w.t, proc.Start(cmd))
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait() //nolint:errcheck // most of these processes are killed on purpose
	}()
	p.kill = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it may have ended by itself
		<-p.done
	})
	w.t.Cleanup(func() {
		p.kill()
		log.Close()
		if w.t.Failed() {
			text, err := os.ReadFile(log.Name())
			w.t.Logf("worker %s said (%v):\n%s", cfg.Name, err, text)
		}
	})
	return p
}

// environment is a worker's configuration as its variables; what is zero is left to the default.
func environment(cfg workerConfig) (env []string) {
	v := reflect.ValueOf(cfg)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("env")
		if name == "" || v.Field(i).IsZero() {
			continue
		}
		text := fmt.Sprint(v.Field(i).Interface())
		if list, ok := v.Field(i).Interface().([]string); ok {
			text = strings.Join(list, ",")
		}
		env = append(env, worker.EnvPrefix+name+"="+text)
	}
	return env
}

// The worker that has the job is killed as soon as it has told of a phase; another one, which
// was there all the time, brings the job to its one end.
func TestKilledWorkersJobIsFinished(t *testing.T) {
	t.Parallel()
	for _, phase := range []contracts.Phase{
		contracts.PhaseAccepted, contracts.PhasePlanned, contracts.PhaseLaunching,
		contracts.PhaseStarting, contracts.PhaseForming, contracts.PhaseVerifying,
	} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(4, 4, 4096))
			workers := map[string]*process{"a": w.process("a"), "b": w.process("b")}
			req := request("survivor", 3, 1)
			w.publish(contracts.SubjectCreate, req)
			seen := w.follow(req.ID, func(ev contracts.Event) bool { return ev.Data.Phase == phase || ev.Data.Phase.Terminal() })
			owner := seen.end().Source[strings.LastIndex(seen.end().Source, "/")+1:]
			workers[owner].kill()

			h := w.await(req.ID)
			plan := w.verified(h)
			checkedByRedis(t, plan)
			if !nearEnd(phase) && strings.HasSuffix(h.end().Source, "/"+owner) {
				t.Errorf("the dead worker %s finished the job", owner)
			}
			w.settled()
			if names := w.frameworks(); w.mesos != nil && fmt.Sprint(names) != "[clustersmith/survivor]" {
				t.Errorf("frameworks in Mesos: %v", names)
			}
			w.destroy("survivor")
			allClosed(t, plan)
		})
	}
}

// A worker that is stopped hands its job over: no attempt is lost, and nothing is said twice.
func TestDrainHandsOver(t *testing.T) {
	t.Parallel()
	for _, phase := range []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(4, 4, 4096))
			first := w.process("first", "CLUSTERSMITH_DRAIN_GRACE=1ms")
			req := request("moved", 3, 1)
			w.publish(contracts.SubjectCreate, req)
			w.at(req.ID, phase)
			must(t, first.cmd.Process.Signal(syscall.SIGTERM))
			select {
			case <-first.done:
			case <-time.After(20 * time.Second):
				t.Fatal("the worker does not stop")
			}
			if code := first.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the worker ended with status %d", code)
			}
			w.process("second")
			h := w.await(req.ID)
			w.verified(h)
			if !nearEnd(phase) && !strings.HasSuffix(h.end().Source, "/second") {
				t.Errorf("%s finished the job", h.end().Source)
			}
			if h.end().Data.Attempt != 1 && !underChaos() {
				t.Errorf("the handed-over job took %d attempts", h.end().Data.Attempt)
			}
		})
	}
}

// nearEnd says that, as slow as a machine is under chaos, a create may have ended by the time that a signal or a
// message arrives which was sent in this phase.
func nearEnd(phase contracts.Phase) bool {
	return underChaos() && (phase == contracts.PhaseForming || phase == contracts.PhaseVerifying)
}

// Two workers share the load.
func TestTwoWorkersShareTheLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(4, 8, 8192))
	w.process("a", "CLUSTERSMITH_CONCURRENCY=1")
	w.process("b", "CLUSTERSMITH_CONCURRENCY=1")
	var reqs []contracts.CreateRequest
	for i := range 4 {
		reqs = append(reqs, request(fmt.Sprintf("load-%d", i), 3, 0))
		w.publish(contracts.SubjectCreate, reqs[i])
	}
	by := map[string]int{}
	for _, req := range reqs {
		h := w.await(req.ID)
		w.verified(h)
		by[h.end().Source]++
	}
	if len(by) != 2 {
		t.Errorf("jobs by worker: %v", by)
	}
}
