package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// The shapes that people ask for, each verified, each judged by Redis' own tool, each destroyed
// without a trace.
func TestCreateShapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ masters, replicas, agents int }{
		{3, 1, 3}, {6, 1, 4}, {30, 1, 6}, {5, 0, 3}, {4, 2, 5},
	} {
		t.Run(fmt.Sprintf("%dx%d on %d", c.masters, c.replicas, c.agents), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(c.agents, 4, 4096))
			w.worker()
			name := fmt.Sprintf("shape-%d-%d", c.masters, c.replicas)
			plan := w.verified(w.create(request(name, c.masters, c.replicas)))
			if len(plan.Nodes) != c.masters*(1+c.replicas) || len(plan.Hosts) > c.agents {
				t.Fatalf("%d nodes on %d hosts", len(plan.Nodes), len(plan.Hosts))
			}
			checkedByRedis(t, plan)
			end := w.destroy(name).end()
			if (history{}).kind(end) != contracts.EventDestroyed {
				t.Fatalf("%s instead of destroyed: %s", end.Type, end.Data.Message)
			}
			allClosed(t, plan)
			w.noRecord(name)
			if left := w.frameworks(); w.mesos != nil && len(left) != 0 {
				t.Errorf("frameworks left in Mesos: %v", left)
			}
			w.settled()
		})
	}
}

// A cluster client of another library accepts the cluster; every write lands on the planned
// master and reaches its replica.
func TestOtherLibrariesAcceptTheCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(4, 4, 4096))
	w.worker()
	plan := w.verified(w.create(request("clients", 3, 1)))
	ctx, cancel := context.WithTimeout(t.Context(), awaitLimit)
	defer cancel()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address(plan.Nodes[0])}})
	defer client.Close()
	node := func(n contracts.Node) *redis.Client {
		return redis.NewClient(&redis.Options{Addr: address(n), Protocol: 2})
	}
	for i := range 60 {
		key := fmt.Sprintf("key-%d", i)
		must(t, client.Set(ctx, key, i, 0).Err())
		slot := int(client.ClusterKeySlot(ctx, key).Val())
		master := masterOf(t, plan, slot)
		direct := node(master)
		if got, err := direct.Get(ctx, key).Int(); err != nil || got != i {
			t.Fatalf("%s (slot %d) is not on its planned master %s: %d, %v", key, slot, address(master), got, err)
		}
		if n := direct.Wait(ctx, 1, 5*time.Second).Val(); n != 1 {
			t.Fatalf("%s was acknowledged by %d replicas", key, n)
		}
		direct.Close()
		for _, r := range plan.Nodes {
			if r.Master == nil || *r.Master != master.Index {
				continue
			}
			replica := node(r)
			conn := replica.Conn()
			must(t, conn.ReadOnly(ctx).Err())
			if got, err := conn.Get(ctx, key).Int(); err != nil || got != i {
				t.Fatalf("%s is not on the planned replica %s: %d, %v", key, address(r), got, err)
			}
			conn.Close()
			replica.Close()
		}
	}
}

func masterOf(t *testing.T, plan contracts.Plan, slot int) contracts.Node {
	t.Helper()
	for _, n := range plan.Nodes {
		for _, s := range n.Slots {
			if s[0] <= slot && slot <= s[1] {
				return n
			}
		}
	}
	t.Fatalf("nobody is planned to own slot %d", slot)
	return contracts.Node{}
}

// A master and its replica never share a host, and a host never holds half of the masters.
func TestPlacementIsSafe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(4, 4, 4096))
	w.worker()
	plan := w.verified(w.create(request("safe", 6, 1)))
	masters := map[string]int{}
	for _, n := range plan.Nodes {
		if n.Master != nil && plan.Nodes[*n.Master].Host == n.Host {
			t.Errorf("node %d and its master %d are both on %s", n.Index, *n.Master, n.Host)
		}
		if n.Role == "master" {
			masters[n.Host]++
		}
	}
	for host, n := range masters {
		if 2*n >= plan.Masters {
			t.Errorf("%s holds %d of %d masters", host, n, plan.Masters)
		}
	}
}

// The same request, ten times at once: one cluster, one history.
func TestSameRequestTenTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker()
	w.worker()
	req := request("ten", 3, 1)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { w.publish(contracts.SubjectCreate, req) })
	}
	all.Wait()
	w.verified(w.await(req.ID))
	w.settled()
	if h := w.await(req.ID); len(w.events(req.ID)) != len(h) {
		t.Errorf("events after the terminal one:\n%s", history(w.events(req.ID)))
	}
	if names := w.frameworks(); w.mesos != nil && len(names) != 1 {
		t.Errorf("frameworks %v instead of one", names)
	}
}

// Ten requests of the same specification under ten IDs, at once: one cluster, and ten times the
// same answer.
func TestSameSpecificationTenTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker()
	w.worker()
	reqs := make([]contracts.CreateRequest, 10)
	for i := range reqs {
		reqs[i] = request("alike", 3, 1)
		w.publish(contracts.SubjectCreate, reqs[i])
	}
	uid := ""
	for _, req := range reqs {
		plan := w.verified(w.await(req.ID))
		if uid != "" && plan.UID != uid {
			t.Errorf("two clusters: %s and %s", uid, plan.UID)
		}
		uid = plan.UID
	}
	if names := w.frameworks(); w.mesos != nil && len(names) != 1 {
		t.Errorf("frameworks %v instead of one", names)
	}
}

// Impossible requests end in one failed event that says why; what comes after is not disturbed.
func TestImpossibleRequests(t *testing.T) {
	t.Parallel()
	list := agents(3, 4, 8192)
	w := newWorld(t, list)
	w.alone() // others might hold every offer for as long as a short deadline lasts
	w.worker()
	short := func(change func(*contracts.CreateRequest)) contracts.CreateRequest {
		req := request("impossible-"+uuid.NewString()[:8], 3, 1)
		req.Deadline = contracts.Duration(8 * time.Second)
		change(&req)
		return req
	}
	for name, c := range map[string]struct {
		req    contracts.CreateRequest
		reason contracts.Reason
		says   string
	}{
		"four masters on three hosts": {short(func(r *contracts.CreateRequest) { r.Masters = 4 }), contracts.ReasonInsufficientResources, "host"},
		"too much memory":             {short(func(r *contracts.CreateRequest) { r.Node.MemoryMB = 65536 }), contracts.ReasonInsufficientResources, "memory"},
		"too many processors":         {short(func(r *contracts.CreateRequest) { r.Node.CPUs = 8 }), contracts.ReasonInsufficientResources, "cpu"},
		"too many ports":              {short(func(r *contracts.CreateRequest) { r.Masters, r.Node.MemoryMB, r.Node.CPUs = 100, 64, 0.001 }), contracts.ReasonInsufficientResources, "port"},
		"too few hosts": {short(func(r *contracts.CreateRequest) {
			r.Placement.ExcludeHosts = []string{list[0].IP, list[1].IP}
		}), contracts.ReasonInsufficientResources, "host"},
		"two masters":                  {short(func(r *contracts.CreateRequest) { r.Masters = 2 }), contracts.ReasonInvalidRequest, "masters"},
		"an unknown version":           {short(func(r *contracts.CreateRequest) { r.Redis.Version = "3.2" }), contracts.ReasonInvalidRequest, "7.0"},
		"memory for less than the bus": {short(func(r *contracts.CreateRequest) { r.Masters, r.Replicas, r.Node.MemoryMB = 800, 1, 256 }), contracts.ReasonInvalidRequest, "node.memory_mb"},
		"no amount of memory":          {short(func(r *contracts.CreateRequest) { r.Redis.Config = map[string]string{"maxmemory": "lots"} }), contracts.ReasonInvalidRequest, "maxmemory"},
		"a smuggled setting":           {short(func(r *contracts.CreateRequest) { r.Redis.Config = map[string]string{"dir": "/tmp"} }), contracts.ReasonInvalidRequest, "dir"},
		"a negative replica":           {short(func(r *contracts.CreateRequest) { r.Replicas = -1 }), contracts.ReasonInvalidRequest, "replicas"},
		"a role out of reach":          {short(func(r *contracts.CreateRequest) { r.Placement.FaultDomain = "colour" }), contracts.ReasonInvalidRequest, "fault_domain"},
	} {
		t.Run(name, func(t *testing.T) {
			if w.remote != nil && c.says == "port" {
				t.Skip("needs agents with few ports")
			}
			w := w.for_(t)
			end := w.failed(w.create(c.req), c.reason)
			if !strings.Contains(strings.ToLower(end.Data.Message), c.says) {
				t.Errorf("the message does not speak of %q: %s", c.says, end.Data.Message)
			}
			if c.reason == contracts.ReasonInsufficientResources && (end.Data.Details == nil || len(end.Data.Details.Shortages) == 0 && end.Data.Details.Nearest == "") {
				t.Errorf("no details of what was short: %+v", end.Data.Details)
			}
			w.noRecord(c.req.Cluster)
		})
	}
	w.verified(w.create(request("possible", 3, 1)))
	w.settled()
}

// What was short is told at the end also where Mesos offers nothing any more by then, be it that all
// agents went between two looks at the offers or in the middle of one.
func TestShortageIsNotForgotten(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"between", "within"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(3, 4, 4096), quick)
			w.needsOperator()
			w.worker()
			req := request("crowded", 4, 1)
			req.Deadline = contracts.Duration(12 * time.Second)
			w.publish(contracts.SubjectCreate, req)
			w.at(req.ID, contracts.PhaseWaitingResources)
			if when == "within" {
				w.looks(req.Cluster, false)
				w.looks(req.Cluster, true)
			}
			for _, a := range w.operator.Agents() {
				must(t, w.operator.CrashAgent(a.IP))
			}
			end := w.failed(w.await(req.ID), contracts.ReasonInsufficientResources)
			if !strings.Contains(end.Data.Message, "4 masters") || end.Data.Details == nil || end.Data.Details.Nearest == "" {
				t.Errorf("what was short is not told: %s %+v", end.Data.Message, end.Data.Details)
			}
		})
	}
}

// looks waits until a job is, or is not, subscribed for offers. Nobody tells of either.
func (w *world) looks(cluster string, subscribed bool) {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(5 * time.Millisecond) {
		now := slices.ContainsFunc(w.inMesos(), func(f framework) bool { return f.Name == "clustersmith/"+cluster && f.Active })
		if now == subscribed {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the job of %s is subscribed: %v", cluster, now)
		}
	}
}

// A name in use by another specification is refused at once; the cluster is not touched.
func TestNameConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker()
	plan := w.verified(w.create(request("taken", 3, 1)))
	end := w.failed(w.create(request("taken", 3, 0)), contracts.ReasonNameConflict)
	if !strings.Contains(end.Data.Message, "taken") {
		t.Errorf("the message does not name the cluster: %s", end.Data.Message)
	}
	checkedByRedis(t, plan)
	if again := w.verified(w.create(request("taken", 3, 1))); again.UID != plan.UID {
		t.Errorf("the same specification made another cluster: %s, was %s", again.UID, plan.UID)
	}
}

// A feasible request is not held up by one that waits for resources.
func TestWaitingJobDoesNotBlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.worker(func(c *workerConfig) { c.Concurrency = 1 })
	large := request("too-large", 3, 1)
	large.Node.MemoryMB, large.Deadline = 65536, contracts.Duration(20*time.Second)
	w.publish(contracts.SubjectCreate, large)
	w.follow(large.ID, func(ev contracts.Event) bool { return ev.Data.Phase == contracts.PhaseWaitingResources })
	w.verified(w.create(request("small", 3, 0)))
	if end := w.events(large.ID).end(); end.Data.Phase.Terminal() {
		t.Errorf("the job that fits had to wait for the other one's end: %s", end.Data.Message)
	}
	w.failed(w.await(large.ID), contracts.ReasonInsufficientResources)
}
