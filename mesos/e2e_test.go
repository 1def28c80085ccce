package mesos_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/mesos/bundle"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// The whole way: offers, hosts, plan, launch, barrier, running servers, teardown.
func TestDeploy(t *testing.T) {
	for _, codec := range []mesos.Codec{mesos.Protobuf, mesos.JSON} {
		t.Run(string(codec), func(t *testing.T) {
			r := newRig(t, codec, nil, "127.0.0.2", "127.0.0.3", "127.0.0.4")
			r.must(r.client.Ping(r.context()))
			s := r.subscribe("clustersmith-1")
			var seen progressLog
			r.options.OnProgress = seen.add
			d, plan := r.deploy(s, 3, 3, 1, nil)
			r.must(d.WaitBound(r.context()))
			if p := d.Progress(); p.Bound != 6 || p.Running != 0 {
				t.Errorf("%+v, want 6 bound and none running before GO", p)
			}
			r.must(d.Go(r.context()))
			r.must(d.WaitRunning(r.context()))
			for _, n := range plan.Nodes {
				if err := ping(n); err != nil {
					t.Errorf("node %d: %v", n.Index, err)
				}
			}
			seen.check(t, 6)
			r.must(s.SetFailoverTimeout(r.context(), time.Hour))
			r.teardown(s, plan)
			if err := d.WaitFailed(r.context()); !errors.Is(err, mesos.ErrFrameworkRemoved) {
				t.Errorf("the deployment ended with %v", err)
			}
			if _, err := r.client.Subscribe(r.context(), r.framework("clustersmith-1")); !errors.Is(err, mesos.ErrFrameworkRemoved) {
				t.Errorf("the ID is not refused: %v", err)
			}
		})
	}
}

// progressLog is what OnProgress was told.
type progressLog struct {
	mu   sync.Mutex
	told []mesos.Progress
}

func (l *progressLog) add(p mesos.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, p)
}

// check wants progress that never goes back and ends with every node running.
func (l *progressLog) check(t *testing.T, total int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var last mesos.Progress
	for _, p := range l.told {
		if p.Launched < last.Launched || p.Bound < last.Bound || p.Running < last.Running || p == last {
			t.Errorf("after %+v came %+v", last, p)
		}
		last = p
	}
	if want := (mesos.Progress{Total: total, Launched: total, Bound: total, Running: total}); last != want {
		t.Errorf("ended with %+v, want %+v", last, want)
	}
}

// An executor that the agents fetch, from two agents of one host with reservations.
func TestDeployFetchedOnReservedResources(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	files := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(self))))
	defer files.Close()
	r := newRig(t, mesos.Protobuf, func(c *local.Config) {
		second := c.Agents[0]
		second.Port += len(c.Agents)
		c.Agents = append(c.Agents, second)
		for i := range c.Agents {
			a := &c.Agents[i]
			a.CPUs = 0.15 // less than one node and the executor take
			a.Reserved = []local.Reservation{{Role: role, CPUs: 1, MemMB: 512}, {Role: "others", CPUs: 4, MemMB: 4096}}
		}
		half := c.Agents[0].Ports[0].Begin + 20
		c.Agents[0].Ports = []chunkdist.PortRange{{Begin: half - 20, End: half - 1}}
		c.Agents[3].Ports = []chunkdist.PortRange{{Begin: half, End: half + 19}}
	}, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	s := r.subscribe("clustersmith-1")
	d, plan := r.deploy(s, 4, 3, 1, func(o *mesos.Order) {
		o.Executor.Command = files.URL + "/" + filepath.Base(self)
	})
	r.must(d.WaitBound(r.context()))
	r.must(d.Go(r.context()))
	r.must(d.WaitRunning(r.context()))
	r.teardown(s, plan)
}

// Another worker takes over: before the launch, at the barrier, and when all runs.
func TestResume(t *testing.T) {
	r := newRig(t, mesos.Protobuf, nil, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	first := r.subscribe("clustersmith-1")
	offers := r.offers(first, 3)
	order := r.order(first, offers, 3, 0)
	plan := order.Bundle.Plan

	// The first holder planned and died before it launched.
	second := r.subscribe("clustersmith-1")
	for range first.Events() {
	}
	if err := first.Err(); !errors.Is(err, mesos.ErrFailedOver) {
		t.Fatalf("the first holder learnt %v", err)
	}
	offers = r.offers(second, 3)
	d, found, err := mesos.Resume(r.context(), second, plan, quickly())
	r.must(err)
	if found != mesos.FoundNone {
		t.Fatalf("found: %s", found)
	}
	launches, rest, err := order.Launches(offers)
	r.must(err)
	r.must(d.Launch(r.context(), launches, rest))
	r.must(d.WaitBound(r.context()))
	d.Close()
	second.Close()

	// The second died at the barrier.
	third := r.subscribe("clustersmith-1")
	d, found, err = mesos.Resume(r.context(), third, plan, quickly())
	r.must(err)
	if p := d.Progress(); found != mesos.FoundAll || p.Bound != 3 {
		t.Fatalf("found: %s, %+v", found, p)
	}
	r.must(d.Go(r.context()))
	r.must(d.WaitRunning(r.context()))
	r.must(third.Shutdown(r.context(), bundle.ExecutorID("orders"), plan.Nodes[1].Agent))
	var failed *mesos.TaskError
	if err := d.WaitFailed(r.context()); !errors.As(err, &failed) || failed.Node != 1 {
		t.Fatalf("after a SHUTDOWN: %v", err)
	}
	d.Close()
	third.Close()

	// The third died with one node gone.
	fourth := r.subscribe("clustersmith-1")
	d, found, err = mesos.Resume(r.context(), fourth, plan, quickly())
	r.must(err)
	defer d.Close()
	if p := d.Progress(); found == mesos.FoundNone || p.Running != 2 || p.Failed != 1 {
		t.Fatalf("found: %s, %+v", found, p)
	}
	r.teardown(fourth, plan)
}

// Faults between launch and the end of the barrier; the deployment goes on.
func TestDeploySurvives(t *testing.T) {
	ips := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}
	for name, fault := range map[string]func(*rig){
		"streams cut": func(r *rig) { r.must(r.mesos.CutStreams(r.context())) },
		"master restarted": func(r *rig) {
			r.mesos.StopMaster()
			r.again(func() error { return r.mesos.StartMaster(r.context()) })
		},
		"half-open": func(r *rig) {
			r.mesos.FreezeMaster(true)
			time.Sleep(3500 * time.Millisecond) // longer than three heartbeats and two SUBSCRIBEs
			r.mesos.FreezeMaster(false)
		},
		"heartbeats stop": func(r *rig) {
			r.must(r.mesos.StopHeartbeats(r.context(), true))
			time.Sleep(1200 * time.Millisecond)
			r.must(r.mesos.StopHeartbeats(r.context(), false))
		},
		"agent restarted": func(r *rig) {
			r.must(r.mesos.CrashAgent(ips[1]))
			r.again(func() error { return r.mesos.RestartAgent(r.context(), ips[1]) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mesos.Protobuf, func(c *local.Config) {
				c.Chaos = &local.Chaos{MaxDelay: 20 * time.Millisecond, Seed: rand.Uint64()}
				t.Logf("seed %d", c.Chaos.Seed)
			}, ips...)
			s := r.subscribe("clustersmith-1")
			d, plan := r.deploy(s, 3, 3, 0, nil)
			if name != "agent restarted" { // which ends executors that have not registered yet
				fault(r) // during the launch
			}
			r.must(d.WaitBound(r.context()))
			fault(r) // at the barrier
			r.must(d.Go(r.context()))
			r.must(d.WaitRunning(r.context()))
			r.teardown(s, plan)
		})
	}
}

// What cannot go on is a TaskError that says what and why.
func TestDeployFails(t *testing.T) {
	ips := []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}
	for name, c := range map[string]struct {
		order         func(*mesos.Order)
		fault         func(*rig, *mesos.Session)
		state, reason string
	}{
		"executor missing": {
			order: func(o *mesos.Order) { o.Executor.Command = "/nonexistent/executor" },
			state: "TASK_FAILED",
		},
		"executor killed": {
			fault: func(r *rig, s *mesos.Session) {
				r.must(r.mesos.KillExecutor(s.FrameworkID(), bundle.ExecutorID("orders"), syscall.SIGKILL))
			},
			state: "TASK_FAILED", reason: "REASON_EXECUTOR_TERMINATED",
		},
		"wrong server version": {
			order: func(o *mesos.Order) { o.Bundle.Version = "9.9" },
			state: "TASK_FAILED",
		},
		"agent lost": {
			fault: func(r *rig, _ *mesos.Session) { r.must(r.mesos.CrashAgent(ips[0])) },
			state: "TASK_UNREACHABLE", reason: "REASON_AGENT_REMOVED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mesos.Protobuf, func(c *local.Config) { c.AgentPingTimeout, c.AgentMaxPings = 200*time.Millisecond, 2 }, ips...)
			s := r.subscribe("clustersmith-1")
			d, plan := r.deploy(s, 3, 3, 0, c.order)
			if c.fault != nil {
				r.must(d.WaitBound(r.context()))
				c.fault(r, s)
			}
			var failed *mesos.TaskError
			if err := d.WaitRunning(r.context()); !errors.As(err, &failed) {
				t.Fatalf("got %v, want a TaskError", err)
			}
			t.Log(failed)
			if failed.State != c.state || failed.Reason != cmp.Or(c.reason, failed.Reason) || failed.Message == "" {
				t.Errorf("got %+v, want %s %s with a message", failed.TaskFailure, c.state, c.reason)
			}
			if failed.Host == "" || failed.Task != bundle.TaskID(failed.Node) || !strings.Contains(failed.Sandbox, failed.Agent) {
				t.Errorf("got %+v, want its host, task and sandbox", failed.TaskFailure)
			}
			r.teardown(s, chunkdist.Plan{})
			_ = plan
		})
	}
}

// Offers that are rescinded between plan and ACCEPT are dropped tasks, not a hang.
func TestDeployRescinded(t *testing.T) {
	r := newRig(t, mesos.Protobuf, nil, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	s := r.subscribe("clustersmith-1")
	offers := r.offers(s, 3)
	order := r.order(s, offers, 3, 0)
	launches, rest, err := order.Launches(offers)
	r.must(err)
	r.must(r.mesos.RescindOffers(r.context()))
	d := mesos.Follow(s, order.Bundle.Plan, quickly())
	defer d.Close()
	r.must(d.Launch(r.context(), launches, rest))
	var failed *mesos.TaskError
	if err := d.WaitBound(r.context()); !errors.As(err, &failed) || failed.State != "TASK_DROPPED" {
		t.Fatalf("got %v, want TASK_DROPPED", err)
	}
	r.must(s.Teardown(r.context()))
}
