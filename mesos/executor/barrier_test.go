package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// The point of the barrier: all nodes find all their peers bound.
func TestNoConnectionIsRefused(t *testing.T) {
	plan := redistest.Plan(t, 15, 1, 5)
	x := runExecutor(t, nil)
	begin := time.Now()
	s := x.boot(plan, data(t, plan, func(b *bundle.Bundle) { b.Config["loglevel"] = "debug" }))
	t.Logf("%d nodes bound after %s", len(plan.Nodes), time.Since(begin).Round(time.Millisecond))
	s.message(bundle.MessageGo)
	s.all(len(plan.Nodes), mesos.TASK_RUNNING)
	for _, n := range plan.Nodes {
		awaitLinks(t, n, len(plan.Nodes))
	}
	if text, err := os.ReadFile(x.logPath); err != nil || strings.Contains(string(text), "stopped late") {
		t.Skipf("this machine does not let a process trace its children (%v)", err)
	}
	refused := 0
	logs, err := filepath.Glob(filepath.Join(x.cfg.Sandbox, "node-*", logName))
	if err != nil || len(logs) != len(plan.Nodes) {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused += strings.Count(string(text), "Connection refused")
	}
	if refused > 0 {
		t.Errorf("%d connections were refused", refused)
	}
}

// In waves, later nodes run later, and all run.
func TestWaves(t *testing.T) {
	t.Parallel()
	const gap = 200 * time.Millisecond
	plan := redistest.Plan(t, 5, 0, 3)
	x := runExecutor(t, func(c *Config) { c.WaveSize, c.WaveGap = 2, gap })
	s := x.boot(plan, data(t, plan, nil))
	begin := time.Now()
	s.message(bundle.MessageGo)
	for i := range plan.Nodes {
		s.next(mesos.TASK_RUNNING)
		if wave, at := time.Duration(i/2), time.Since(begin); at < wave*gap {
			t.Errorf("node number %d of wave %d runs after %s", i+1, wave+1, at)
		}
	}
}

// awaitLinks waits until a node is connected with all its peers.
func awaitLinks(t *testing.T, n chunkdist.Node, nodes int) {
	t.Helper()
	conn, err := redis.Dial("tcp", fmt.Sprintf("%s:%d", n.Host, n.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		view, err := redis.String(conn.Do("CLUSTER", "NODES"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(view, " connected") == nodes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("node %d is not connected with all:\n%s", n.Index, view)
		}
	}
}
