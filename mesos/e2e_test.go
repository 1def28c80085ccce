package mesos_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/mesos/bundle"
	"github.com/clustersmith/clustersmith/mesos/local"
)

const role = "caches"

// rig is a local Mesos with a client of it.
type rig struct {
	t      *testing.T
	mesos  *local.Mesos
	client *mesos.Client
	codec  mesos.Codec
	ports  int // the first port that the agents offer
}

// newRig starts a Mesos with one agent for each of ips.
func newRig(t *testing.T, codec mesos.Codec, change func(*local.Config), ips ...string) *rig {
	t.Helper()
	r := &rig{t: t, codec: codec, ports: freePorts(t)}
	cfg := local.Config{
		Dir: t.TempDir(), AllocationInterval: 50 * time.Millisecond, HeartbeatInterval: time.Second,
		UpdateRetry: 500 * time.Millisecond, AgentReregisterDelay: 100 * time.Millisecond,
		ExecutorReregistrationTimeout: 500 * time.Millisecond,
	}
	for _, ip := range ips {
		cfg.Agents = append(cfg.Agents, local.AgentConfig{
			IP: ip, CPUs: 4, MemMB: 4096, DiskMB: 1024, Ports: []chunkdist.PortRange{{Begin: r.ports, End: r.ports + 39}},
		})
	}
	if change != nil {
		change(&cfg)
	}
	m, err := local.Start(r.context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.mesos = m
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			r.showLogs(cfg.Dir)
		}
	})
	r.client = r.newClient()
	return r
}

func (r *rig) newClient() *mesos.Client {
	r.t.Helper()
	c, err := mesos.NewClient(mesos.Config{
		Masters: []string{r.mesos.URL()}, Codec: r.codec, BackoffMin: 10 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
		CallTimeout: 2 * time.Second, SubscribeTimeout: 2 * time.Second,
		Logger: slog.New(slog.NewTextHandler(logTo{r.t}, nil)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}

type logTo struct{ t *testing.T }

func (l logTo) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// showLogs prints what the executors wrote.
func (r *rig) showLogs(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error { // best effort, for a person
		if err == nil && d.Name() == "stderr" {
			text, _ := os.ReadFile(path)
			r.t.Logf("%s:\n%s", path, text)
		}
		return nil
	})
}

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r.t.Cleanup(cancel)
	return ctx
}

// freePorts finds 40 ports in a row that nobody uses, below the ephemeral ones.
func freePorts(t *testing.T) int {
	t.Helper()
	for begin := 20000 + os.Getpid()%100*100; begin < 32000; begin += 40 {
		if allFree(begin, 40) {
			return begin
		}
	}
	t.Fatal("no 40 free ports in a row")
	return 0
}

func allFree(begin, n int) bool {
	for port := begin; port < begin+n; port++ {
		l, err := net.Listen("tcp", net.JoinHostPort("0.0.0.0", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func (r *rig) framework(id string) mesos.Framework {
	return mesos.Framework{ID: id, Name: "clustersmith/orders", Role: role, FailoverTimeout: time.Minute}
}

func (r *rig) subscribe(id string) *mesos.Session {
	r.t.Helper()
	s, err := r.client.Subscribe(r.context(), r.framework(id))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return s
}

// offers collects offers until n agents are offered.
func (r *rig) offers(s *mesos.Session, n int) []v1.Offer {
	r.t.Helper()
	var all []v1.Offer
	agents := map[string]bool{}
	late := time.After(20 * time.Second)
	for len(agents) < n {
		select {
		case e, ok := <-s.Events():
			if !ok {
				r.t.Fatal(s.Err())
			}
			if o, ok := e.(mesos.Offers); ok {
				for _, offer := range o.Offers {
					all, agents[offer.AgentID.Value] = append(all, offer), true
				}
			}
		case <-late:
			r.t.Fatalf("%d of %d agents were offered", len(agents), n)
		}
	}
	return all
}

// order plans masters × replicas on offers.
func (r *rig) order(s *mesos.Session, offers []v1.Offer, masters, replicas int) mesos.Order {
	r.t.Helper()
	hosts, unusable, err := mesos.HostsOf(offers, mesos.Query{Role: role})
	if err != nil || len(unusable) > 0 {
		r.t.Fatal(err, unusable)
	}
	spec := chunkdist.Spec{
		Cluster: "orders", UID: s.FrameworkID(), Masters: masters, Replicas: replicas,
		Node: chunkdist.Resources{CPUs: 0.1, MemoryMB: 64}, Overhead: chunkdist.Resources{CPUs: 0.1, MemoryMB: 32},
	}
	plan, err := chunkdist.Place(spec, hosts)
	if err != nil {
		r.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	return mesos.Order{
		Framework: s.FrameworkID(), Role: role, Node: spec.Node, Overhead: spec.Overhead,
		Bundle: bundle.Bundle{
			Plan: plan, Job: "job-1", Attempt: 1, Flavor: "redis", Version: "7.0", Persistence: "none", MemoryMB: 64,
		},
		Executor: mesos.Executor{Command: self, Env: map[string]string{asExecutor: "1"}, ShutdownGrace: 3 * time.Second},
	}
}

func quickly() mesos.DeploymentOptions {
	return mesos.DeploymentOptions{RetryMin: 50 * time.Millisecond, RetryMax: 500 * time.Millisecond, GoneAfter: 300 * time.Millisecond}
}

// deploy plans and launches; the deployment is closed with the test.
func (r *rig) deploy(s *mesos.Session, agents, masters, replicas int, change func(*mesos.Order)) (*mesos.Deployment, chunkdist.Plan) {
	r.t.Helper()
	offers := r.offers(s, agents)
	order := r.order(s, offers, masters, replicas)
	if change != nil {
		change(&order)
	}
	launches, rest, err := order.Launches(offers)
	if err != nil {
		r.t.Fatal(err)
	}
	d := mesos.Follow(s, order.Bundle.Plan, quickly())
	r.t.Cleanup(d.Close)
	if err := d.Launch(r.context(), launches, rest); err != nil {
		r.t.Fatal(err)
	}
	return d, order.Bundle.Plan
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// teardown removes the framework and waits until every port of the plan is closed.
func (r *rig) teardown(s *mesos.Session, plan chunkdist.Plan) {
	r.t.Helper()
	r.must(s.Teardown(r.context()))
	deadline := time.Now().Add(20 * time.Second)
	for _, n := range plan.Nodes {
		for {
			c, err := net.DialTimeout("tcp", net.JoinHostPort(n.Host, strconv.Itoa(n.Port)), time.Second)
			if err != nil {
				break
			}
			_ = c.Close()
			if time.Now().After(deadline) {
				r.t.Fatalf("node %d still listens", n.Index)
			}
			time.Sleep(20 * time.Millisecond) // a port cannot be awaited
		}
	}
}

// ping asks a node whether it answers.
func ping(n chunkdist.Node) error {
	c, err := net.DialTimeout("tcp", net.JoinHostPort(n.Host, strconv.Itoa(n.Port)), 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("answered %q", line)
	}
	return err
}

// The whole way: offers, hosts, plan, launch, barrier, running servers, teardown.
func TestDeploy(t *testing.T) {
	for _, codec := range []mesos.Codec{mesos.Protobuf, mesos.JSON} {
		t.Run(string(codec), func(t *testing.T) {
			r := newRig(t, codec, nil, "127.0.0.2", "127.0.0.3", "127.0.0.4")
			r.must(r.client.Ping(r.context()))
			s := r.subscribe("clustersmith-1")
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
			r.must(r.mesos.StartMaster(r.context()))
		},
		"half-open": func(r *rig) {
			r.mesos.FreezeMaster(true)
			time.Sleep(4 * time.Second) // longer than three heartbeats
			r.mesos.FreezeMaster(false)
		},
		"heartbeats stop": func(r *rig) {
			r.must(r.mesos.StopHeartbeats(r.context(), true))
			time.Sleep(3500 * time.Millisecond)
			r.must(r.mesos.StopHeartbeats(r.context(), false))
		},
		"agent restarted": func(r *rig) {
			r.must(r.mesos.CrashAgent(ips[1]))
			r.must(r.mesos.RestartAgent(r.context(), ips[1]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mesos.Protobuf, nil, ips...)
			s := r.subscribe("clustersmith-1")
			d, plan := r.deploy(s, 3, 3, 0, nil)
			fault(r) // during the launch
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
