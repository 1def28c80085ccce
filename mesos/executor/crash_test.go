package executor

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// crash kills a node's server and waits until another process runs the node.
func (x *subject) crash(index int) (before, after int) {
	x.t.Helper()
	before = killProcess(x.t, x, index)
	await(x.t, "the restart", func() bool {
		after = serverPID(x.t, x, index)
		return after != 0 && after != before
	})
	return before, after
}

// killProcess kills a node's server.
func killProcess(t *testing.T, x *subject, index int) (pid int) {
	t.Helper()
	if pid = serverPID(t, x, index); pid == 0 {
		t.Fatalf("node %d has no process", index)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	return pid
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A node that dies at the barrier is held there again, with the same nodes.conf.
func TestCrashAtTheBarrier(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 1, 3)
	x := runExecutor(t, nil)
	s := x.boot(plan, data(t, plan, nil))
	path := filepath.Join(x.cfg.Sandbox, "node-0", nodesConf)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// What the server has learnt since its first start.
	before = bytes.Replace(before, []byte("vars currentEpoch 3"), []byte("vars currentEpoch 7"), 1)
	if err := os.WriteFile(path, before, 0o644); err != nil {
		t.Fatal(err)
	}
	_, pid := x.crash(0)
	await(t, "the new server to be stopped", func() bool { return processState(pid) == "T" })
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v, nodes.conf was\n%s\nand is\n%s", err, before, after)
	}
	s.message(bundle.MessageGo)
	s.all(6, mesos.TASK_RUNNING)
	info, err := redis.String(dial(t, plan.Nodes[0]).Do("CLUSTER", "INFO"))
	if err != nil || !strings.Contains(info, "cluster_current_epoch:7") {
		t.Errorf("%v, the node has forgotten:\n%s", err, info)
	}
}

// A node that dies right after GO is started again at once, and so is a replica at any time.
func TestCrashWhileForming(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 1, 3)
	x := runExecutor(t, nil)
	s := x.boot(plan, data(t, plan, func(b *bundle.Bundle) { b.Config["cluster-node-timeout"] = "30000" }))
	s.message(bundle.MessageGo)
	s.all(6, mesos.TASK_RUNNING)
	x.crash(0) // a minute of waiting would be too late for this test
	down, up := s.next(mesos.TASK_RUNNING), s.next(mesos.TASK_RUNNING)
	if down.TaskID.Value != "node-0" || down.GetHealthy() || !strings.Contains(down.GetMessage(), "the server ended (signal: killed)") {
		t.Errorf("when it is down: %v", down)
	}
	if up.TaskID.Value != "node-0" || !up.GetHealthy() || up.GetMessage() != "restarted in place" {
		t.Errorf("when it is up: %v", up)
	}
	awaitOK(t, plan.Nodes[0])
	x.crash(3)
	s.next(mesos.TASK_RUNNING)
	s.next(mesos.TASK_RUNNING)
	awaitOK(t, plan.Nodes[3])
}

// What a master without persistence held survives its crash, because its replica takes over
// before it is back; also if the election is late.
func TestCrashOfAMasterLosesNothing(t *testing.T) {
	const node, replica = 2, 5
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late=%v", late), func(t *testing.T) {
			t.Parallel()
			plan := redistest.Plan(t, 3, 1, 3)
			x := runExecutor(t, nil)
			s := x.boot(plan, data(t, plan, nil)) // cluster-node-timeout 1 s
			s.message(bundle.MessageGo)
			s.all(6, mesos.TASK_RUNNING)
			for _, n := range plan.Nodes {
				awaitOK(t, n)
			}
			const key = "foo" // slot 12182, the third master's
			master, heir := dial(t, plan.Nodes[node]), dial(t, plan.Nodes[replica])
			if _, err := master.Do("SET", key, "bar"); err != nil {
				t.Fatal(err)
			}
			if n, err := redis.Int(master.Do("WAIT", 1, 5000)); err != nil || n != 1 {
				t.Fatalf("%d replicas, %v", n, err)
			}
			wait := 2*time.Second + electionTime
			if late {
				pid := serverPID(t, x, replica)
				syscall.Kill(pid, syscall.SIGSTOP)
				wait += time.Second
				time.AfterFunc(wait, func() { syscall.Kill(pid, syscall.SIGCONT) })
			}
			begin := time.Now()
			x.crash(node)
			if waited := time.Since(begin); waited < wait {
				t.Errorf("restarted after %s, before %s", waited, wait)
			}
			s.next(mesos.TASK_RUNNING) // down
			s.next(mesos.TASK_RUNNING) // up
			former := dial(t, plan.Nodes[node])
			await(t, "the former master to follow", func() bool {
				role, err := redis.Values(former.Do("ROLE"))
				return err == nil && fmt.Sprintf("%s", role[0]) == "slave" && fmt.Sprintf("%s", role[3]) == "connected"
			})
			if got, err := redis.String(heir.Do("GET", key)); err != nil || got != "bar" {
				t.Errorf("the new master has %q, %v", got, err)
			}
		})
	}
}

// A master without persistence comes back empty, whatever snapshot lies in its directory: a replica that
// synchronised long ago may have left one.
func TestStaleDumpIsNotLoaded(t *testing.T) {
	t.Parallel()
	for persistence, keys := range map[string]int{"none": 0, "rdb": 1} {
		t.Run(persistence, func(t *testing.T) {
			t.Parallel()
			plan := redistest.Plan(t, 3, 0, 3)
			x := runExecutor(t, nil)
			s := x.boot(plan, data(t, plan, func(b *bundle.Bundle) { b.Persistence = persistence }))
			s.message(bundle.MessageGo)
			s.all(3, mesos.TASK_RUNNING)
			awaitOK(t, plan.Nodes[2])
			conn := dial(t, plan.Nodes[2])
			if _, err := conn.Do("SET", "foo", "old"); err != nil { // slot 12182
				t.Fatal(err)
			}
			if _, err := conn.Do("SAVE"); err != nil {
				t.Fatal(err)
			}
			x.crash(2)
			s.next(mesos.TASK_RUNNING) // down
			s.next(mesos.TASK_RUNNING) // up
			if n, err := redis.Int(dial(t, plan.Nodes[2]).Do("DBSIZE")); err != nil || n != keys {
				t.Errorf("%d keys, %v; want %d", n, err, keys)
			}
		})
	}
}

// A node that has served is not given up for an obstacle: a server of another version, say. It comes
// back when that is over.
func TestObstacleIsWaitedOut(t *testing.T) {
	t.Parallel()
	good, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, asked := filepath.Join(dir, "server"), filepath.Join(dir, "asked")
	install := func(script string) {
		t.Helper()
		if err := proc.WriteProgram(program+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
	}
	install("exec " + good + ` "$@"`)
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, func(c *Config) {
		c.Server, c.RestartWait, c.RestartWaitMax = program, time.Millisecond, 20*time.Millisecond
	})
	s := x.boot(plan, data(t, plan, nil))
	s.message(bundle.MessageGo)
	s.all(3, mesos.TASK_RUNNING)
	install("echo asked >>" + asked + "; echo Redis server v=9.9.9")
	killProcess(t, x, 1)
	s.next(mesos.TASK_RUNNING) // down
	await(t, "many tries", func() bool {
		text, err := os.ReadFile(asked)
		return err == nil && bytes.Count(text, []byte("\n")) > 2*maxRestarts
	})
	install("exec " + good + ` "$@"`)
	await(t, "the node to be back", func() bool {
		return ping(t.Context(), net.JoinHostPort(plan.Nodes[1].Host, strconv.Itoa(plan.Nodes[1].Port))) == nil
	})
}

// A node that crashes again and again is given up, with its last words.
func TestCrashesWithoutEnd(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, func(c *Config) { c.Server = stubServer(t, "plain") })
	s := x.boot(plan, data(t, plan, nil))
	for range maxRestarts {
		_, pid := x.crash(1)
		await(t, "the new server to be stopped", func() bool { return processState(pid) == "T" })
	}
	killProcess(t, x, 1)
	u := s.next(mesos.TASK_FAILED)
	if want := "more than 5 restarts in 10m0s: the server ended (signal: killed): "; u.TaskID.Value != "node-1" ||
		!strings.HasPrefix(u.GetMessage(), want) || !strings.HasSuffix(u.GetMessage(), "stub is ready") {
		t.Errorf("%s: %s", u.TaskID.Value, u.GetMessage())
	}
	if pid := serverPID(t, x, 1); pid != 0 {
		t.Errorf("process %d is left", pid)
	}
}

func dial(t *testing.T, n chunkdist.Node) redis.Conn {
	t.Helper()
	c, err := redis.Dial("tcp", fmt.Sprintf("%s:%d", n.Host, n.Port), redis.DialReadTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// awaitOK waits until a node says cluster_state:ok and is connected with its master.
func awaitOK(t *testing.T, n chunkdist.Node) {
	t.Helper()
	c := dial(t, n)
	await(t, "the cluster's state to be ok", func() bool {
		info, err := redis.String(c.Do("CLUSTER", "INFO"))
		if err != nil {
			t.Fatal(err)
		}
		replication, err := redis.String(c.Do("INFO", "replication"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(info, "cluster_state:ok") && !strings.Contains(replication, "master_link_status:down")
	})
}

// processState is the letter of a process's state, X if there is none.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "X"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}
