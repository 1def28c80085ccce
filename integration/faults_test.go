package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// needsLocal skips what has to break the master or an agent where they are not ours to break.
func (w *world) needsLocal() {
	w.t.Helper()
	if w.mesos == nil {
		w.t.Skip("breaks the Mesos under test, which is not ours: runs on mesos/local only")
	}
}

// at waits until a job has come to a phase and returns the worker that told of it.
func (w *world) at(job string, phase contracts.Phase) (owner string) {
	w.t.Helper()
	seen := w.follow(job, func(ev contracts.Event) bool { return ev.Data.Phase == phase || ev.Data.Phase.Terminal() })
	if got := seen.end().Data.Phase; got != phase {
		w.t.Fatalf("the job was %s before the test could act in %s\n%s", got, phase, seen)
	}
	return seen.end().Source[strings.LastIndex(seen.end().Source, "/")+1:]
}

// allWell checks that the cluster is there and as planned, destroys it, and checks that
// nothing of it is left.
func (w *world) allWell(h history) {
	w.t.Helper()
	plan := w.verified(h)
	checkedByRedis(w.t, plan)
	w.settled()
	if got := w.events(h.end().Data.Job); len(got) != len(h) {
		w.t.Errorf("events after the terminal one:\n%s", got)
	}
	w.destroy(plan.Cluster)
	allClosed(w.t, plan)
	w.nothingLeft(plan.Cluster)
}

// nothingLeft checks that neither Mesos, nor the records, nor the process table know of a cluster.
func (w *world) nothingLeft(cluster string) {
	w.t.Helper()
	w.noRecord(cluster)
	if w.mesos == nil {
		return
	}
	if names := w.frameworks(); len(names) != 0 {
		w.t.Errorf("frameworks left in Mesos: %v", names)
	}
	w.noProcessLeft()
}

// What happens to Mesos, NATS and the processes while a cluster is being created.
func TestFaultsDuringCreate(t *testing.T) {
	quick := func(c *local.Config) {
		c.HeartbeatInterval, c.AgentPingTimeout, c.AgentMaxPings = 400*time.Millisecond, 300*time.Millisecond, 3
	}
	later := func(w *world, d time.Duration, do func() error) {
		w.t.Helper()
		done := make(chan error, 1)
		time.AfterFunc(d, func() { done <- do() })
		must(w.t, <-done)
	}
	agent := func(w *world) string { return w.mesos.Agents()[0].IP }
	for _, c := range []struct {
		name   string
		phases []contracts.Phase
		fault  func(w *world, job string)
		mend   func(w *world) // what the fault leaves broken, once the job has ended
	}{
		{"the master is restarted", []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming}, func(w *world, _ string) {
			w.mesos.StopMaster()
			must(w.t, w.mesos.StartMaster(w.t.Context()))
		}, nil},
		{"connections to the master are cut", []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming}, func(w *world, _ string) {
			must(w.t, w.mesos.CutStreams(w.t.Context()))
		}, nil},
		{"the master is silent for 3 s", []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming}, func(w *world, _ string) {
			w.mesos.FreezeMaster(true)
			later(w, 3*time.Second, func() error { w.mesos.FreezeMaster(false); return nil })
		}, nil},
		{"heartbeats stop", []contracts.Phase{contracts.PhaseLaunching}, func(w *world, _ string) {
			must(w.t, w.mesos.StopHeartbeats(w.t.Context(), true))
			later(w, 2*time.Second, func() error { return w.mesos.StopHeartbeats(w.t.Context(), false) })
		}, nil},
		{"offers are taken back again and again", []contracts.Phase{contracts.PhaseAccepted}, func(w *world, _ string) {
			for range 20 {
				must(w.t, w.mesos.RescindOffers(w.t.Context()))
			}
		}, nil},
		{"an agent is restarted", []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming}, func(w *world, _ string) {
			must(w.t, w.mesos.CrashAgent(agent(w)))
			must(w.t, w.mesos.RestartAgent(w.t.Context(), agent(w)))
		}, nil},
		{"an agent is gone", []contracts.Phase{contracts.PhaseLaunching}, func(w *world, _ string) {
			must(w.t, w.mesos.FreezeAgent(agent(w), true))
		}, func(w *world) { must(w.t, w.mesos.FreezeAgent(agent(w), false)) }},
		{"an executor is killed", []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseStarting, contracts.PhaseForming}, func(w *world, job string) {
			err := w.mesos.KillExecutor("clustersmith-"+job+"-1", "clustersmith-faulty", syscall.SIGKILL)
			if err != nil {
				w.t.Logf("not running yet: %v", err)
			}
		}, nil},
		{"a redis-server is killed", []contracts.Phase{contracts.PhaseForming}, func(w *world, _ string) {
			for _, p := range processesIn(filepath.Join(w.dir, "mesos")) {
				if pid := 0; strings.Contains(p, "redis-server") {
					_, err := fmt.Sscan(p, &pid)
					must(w.t, err)
					must(w.t, syscall.Kill(pid, syscall.SIGKILL))
					return
				}
			}
			w.t.Error("there was no redis-server to kill")
		}, nil},
		{"NATS is restarted", []contracts.Phase{contracts.PhaseAccepted, contracts.PhaseLaunching, contracts.PhaseForming, contracts.PhaseVerifying}, func(w *world, _ string) {
			w.restartNATS(0)
		}, nil},
		{"NATS is away for 5 s", []contracts.Phase{contracts.PhaseForming}, func(w *world, _ string) {
			w.restartNATS(5 * time.Second)
		}, nil},
	} {
		for _, phase := range c.phases {
			t.Run(fmt.Sprintf("%s in %s", c.name, phase), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, agents(4, 4, 4096), quick)
				w.needsLocal()
				w.worker(named("a"))
				w.worker(named("b"))
				req := request("faulty", 3, 1)
				w.publish(contracts.SubjectCreate, req)
				w.at(req.ID, phase)
				c.fault(w, req.ID)
				h := w.await(req.ID)
				if c.mend != nil {
					c.mend(w)
				}
				w.allWell(h)
			})
		}
	}
}

// A worker that was frozen until another one had its job does no harm when it wakes.
func TestFrozenWorkerDoesNoHarm(t *testing.T) {
	for _, phase := range []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(4, 4, 4096))
			workers := map[string]*process{"a": w.process("a"), "b": w.process("b")}
			req := request("frozen", 3, 1)
			w.publish(contracts.SubjectCreate, req)
			owner := w.at(req.ID, phase)
			must(t, workers[owner].cmd.Process.Signal(syscall.SIGSTOP))
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

// A port that something outside of Mesos has taken is offered all the same; the cluster gets others.
func TestPortTakenByAStranger(t *testing.T) {
	t.Parallel()
	list := agents(3, 4, 4096)
	w := newWorld(t, list)
	w.needsLocal()
	w.worker()
	for _, a := range list {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", a.IP, a.Ports[0].Begin))
		must(t, err)
		defer l.Close()
	}
	plan := w.verified(w.create(request("squeezed", 3, 1)))
	for _, n := range plan.Nodes {
		if n.Port == list[0].Ports[0].Begin || n.BusPort == list[0].Ports[0].Begin {
			t.Errorf("node %d is planned on the stranger's port", n.Index)
		}
	}
}

// What agents cannot run ends in a failed event that says so, and leaves nothing.
func TestBrokenBinaries(t *testing.T) {
	script := func(t *testing.T, mode os.FileMode, text string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "program")
		must(t, os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), mode))
		return file
	}
	for _, c := range []struct {
		name   string
		config func(t *testing.T, cfg *workerConfig)
		reason contracts.Reason
		says   string
	}{
		{"no executor", func(_ *testing.T, cfg *workerConfig) { cfg.Executor = "/nowhere/clustersmith-executor" }, contracts.ReasonLaunchFailed, ""},
		{"an executor that may not be run", func(t *testing.T, cfg *workerConfig) { cfg.Executor = script(t, 0o600, "exit 0") }, contracts.ReasonLaunchFailed, ""},
		{"an executor that ends at once", func(t *testing.T, cfg *workerConfig) { cfg.Executor = script(t, 0o755, "exit 3") }, contracts.ReasonLaunchFailed, ""},
		{"no redis-server", func(_ *testing.T, cfg *workerConfig) { cfg.RedisServer = "/nowhere/redis-server" }, contracts.ReasonStartFailed, "/nowhere/redis-server"},
		{"a redis-server of another version", func(t *testing.T, cfg *workerConfig) {
			cfg.RedisServer = script(t, 0o755, "echo 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=0'")
		}, contracts.ReasonStartFailed, "6.0"},
		{"a redis-server that ends at once", func(t *testing.T, cfg *workerConfig) {
			cfg.RedisServer = script(t, 0o755, `[ "$1" = --version ] && exec redis-server --version; echo "no space left"; exit 1`)
		}, contracts.ReasonStartFailed, "no space left"},
		{"a redis-server that hangs", func(t *testing.T, cfg *workerConfig) {
			cfg.RedisServer = script(t, 0o755, `[ "$1" = --version ] && exec redis-server --version; exec sleep 600`)
			cfg.LaunchTimeout = 2 * time.Second
		}, contracts.ReasonLaunchFailed, "0 of 3 nodes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(3, 4, 4096))
			w.needsLocal()
			w.worker(func(cfg *workerConfig) { cfg.MaxAttempts = 2; c.config(t, cfg) })
			end := w.failed(w.create(request("broken", 3, 0)), c.reason)
			if !strings.Contains(end.Data.Message, c.says) {
				t.Errorf("the message does not speak of %q: %s", c.says, end.Data.Message)
			}
			if end.Data.Attempt != 2 {
				t.Errorf("%d attempts instead of 2", end.Data.Attempt)
			}
			w.settled()
			w.nothingLeft("broken")
		})
	}
}

// One name, two specifications, at once: one cluster, one refusal.
func TestTwoSpecificationsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(4, 4, 4096))
	w.worker(named("a"))
	w.worker(named("b"))
	one, other := request("contested", 3, 1), request("contested", 3, 0)
	w.publish(contracts.SubjectCreate, one)
	w.publish(contracts.SubjectCreate, other)
	verified := 0
	for _, h := range []history{w.await(one.ID), w.await(other.ID)} {
		if h.kind(h.end()) == contracts.EventVerified {
			verified++
		} else {
			w.failed(h, contracts.ReasonNameConflict)
		}
	}
	if verified != 1 {
		t.Errorf("%d of two specifications for one name were verified", verified)
	}
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
}

// A destroy in the middle of a create stops the create; nothing is left of it.
func TestDestroyDuringCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker(named("a"))
	w.worker(named("b"))
	req := request("regretted", 3, 1)
	w.publish(contracts.SubjectCreate, req)
	w.at(req.ID, contracts.PhaseLaunching)
	gone := w.destroy("regretted")
	if gone.kind(gone.end()) != contracts.EventDestroyed {
		t.Fatalf("%s instead of destroyed: %s", gone.end().Type, gone.end().Data.Message)
	}
	h := w.await(req.ID)
	if kind := h.kind(h.end()); kind != contracts.EventCancelled && kind != contracts.EventVerified {
		t.Errorf("the create ended as %s", kind)
	}
	w.settled()
	w.nothingLeft("regretted")
}

// A create that arrives while the cluster of that name is being destroyed gets its turn.
func TestCreateDuringDestroy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker(named("a"))
	w.worker(named("b"))
	w.verified(w.create(request("phoenix", 3, 0)))
	down := contracts.DestroyRequest{ID: "4b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "phoenix"}
	w.publish(contracts.SubjectDestroy, down)
	w.at(down.ID, contracts.PhaseDestroying)
	again := request("phoenix", 3, 1)
	w.publish(contracts.SubjectCreate, again)
	w.await(down.ID)
	h := w.await(again.ID)
	w.verified(h)
	w.allWell(h)
}

// restartNATS stops the server and starts it again, after a time, at its address and on its files.
func (w *world) restartNATS(after time.Duration) {
	w.t.Helper()
	port := w.nats.Addr().(*net.TCPAddr).Port
	w.nats.Shutdown()
	w.nats.WaitForShutdown()
	if after > 0 {
		ctx, cancel := context.WithTimeout(w.t.Context(), after)
		defer cancel()
		<-ctx.Done() // an outage is a time
	}
	w.runNATS(port)
}

func named(name string) func(*workerConfig) { return func(c *workerConfig) { c.Name = name } }
