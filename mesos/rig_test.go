package mesos_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
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
	// options are those of the deployments.
	options mesos.DeploymentOptions
}

// newRig starts a Mesos with one agent for each of ips.
func newRig(t *testing.T, codec mesos.Codec, change func(*local.Config), ips ...string) *rig {
	t.Helper()
	r := &rig{t: t, codec: codec, ports: freePorts(t), options: quickly()}
	cfg := local.Config{
		Dir: t.TempDir(), AllocationInterval: 50 * time.Millisecond, HeartbeatInterval: 300 * time.Millisecond,
		UpdateRetry: 500 * time.Millisecond, AgentReregisterDelay: 100 * time.Millisecond,
		ExecutorReregistrationTimeout: 500 * time.Millisecond,
	}
	for i, ip := range ips {
		cfg.Agents = append(cfg.Agents, local.AgentConfig{
			// Not an ephemeral port: while an agent is down, a connection might take it.
			IP: ip, Port: r.ports + nodePorts + i, CPUs: 4, MemMB: 4096, DiskMB: 1024, Ports: []chunkdist.PortRange{{Begin: r.ports, End: r.ports + nodePorts - 1}},
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
		CallTimeout: 2 * time.Second, SubscribeTimeout: time.Second,
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

// nodePorts are for nodes; agents listen on the ones behind them.
const nodePorts, agentPorts = 40, 8

// freePorts finds ports in a row that nobody uses, below those that other packages' tests and
// ephemeral connections take, and starts anywhere so that two runs rarely meet.
func freePorts(t *testing.T) int {
	t.Helper()
	const first, span = 7000, 4800
	offset := rand.N(span)
	for i := 0; i < span; i += nodePorts + agentPorts {
		if begin := first + (offset+i)%span; allFree(begin, nodePorts+agentPorts) {
			return begin
		}
	}
	t.Fatalf("no %d free ports in a row", nodePorts+agentPorts)
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
	return mesos.Framework{ID: id, Name: "clustersmith/orders", Role: role, FailoverTimeout: time.Minute,
		Guard: func(context.Context) error { return nil }}
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
	d := mesos.Follow(s, order.Bundle.Plan, r.options)
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

// again starts something again on the address that it had. A child that was forked just then
// may hold the old listener until its exec.
func (r *rig) again(start func() error) {
	r.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := start()
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			r.must(err)
			return
		}
		time.Sleep(10 * time.Millisecond) // a port cannot be awaited
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
