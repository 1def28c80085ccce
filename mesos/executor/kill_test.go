package executor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"golang.org/x/sys/unix"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// TASK_KILLED comes when the process is gone, at the barrier and after it.
func TestKill(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, nil)
	s := x.boot(plan, data(t, plan, nil))
	killed := func(index int) {
		t.Helper()
		u := s.next(mesos.TASK_KILLED)
		if pid := serverPID(t, x, index); pid != 0 || u.TaskID.Value != bundle.TaskID(index) {
			t.Errorf("%s is killed, and process %d is left", u.TaskID.Value, pid)
		}
	}
	if !locked(t, x, 0) {
		t.Error("a server lives, and its directory is not locked")
	}
	begin := time.Now()
	s.kill(bundle.TaskID(0), patience)
	killed(0)
	if locked(t, x, 0) {
		t.Error("no server lives, and its directory is locked")
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("a held server took %s to end", took)
	}
	s.message(bundle.MessageGo)
	s.all(2, mesos.TASK_RUNNING)
	s.kill(bundle.TaskID(1), 0)
	s.kill(bundle.TaskID(1), 0) // twice is once
	killed(1)
	s.kill(bundle.TaskID(0), 0) // ended long ago
	s.kill("node-7", 0)         // never heard of
	s.kill(bundle.TaskID(2), 0)
	killed(2)
}

func locked(t *testing.T, x *subject, index int) bool {
	t.Helper()
	f, err := os.Open(filepath.Join(x.cfg.Sandbox, bundle.TaskID(index), lockName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}

// A server that ignores SIGTERM is killed after the grace; a second KILL can shorten it.
func TestKillOfADeafServer(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, func(c *Config) { c.Server = stubServer(t, "deaf") })
	s := x.boot(plan, data(t, plan, nil))
	s.message(bundle.MessageGo)
	s.all(3, mesos.TASK_RUNNING)
	begin := time.Now()
	s.kill(bundle.TaskID(0), 300*time.Millisecond)
	s.next(mesos.TASK_KILLED)
	if took := time.Since(begin); took < 300*time.Millisecond {
		t.Errorf("killed after %s", took)
	}
	s.kill(bundle.TaskID(1), time.Hour)
	s.kill(bundle.TaskID(1), 10*time.Millisecond)
	s.next(mesos.TASK_KILLED)
}

// What a server has forked, to save its data, ends with it, also when the server dies of itself.
func TestServersChildrenEnd(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, func(c *Config) {
		c.Server = script(t, `[ "$1" = --version ] && exec redis-server --version; sleep 60 & echo $! >>children; exec redis-server "$@"`)
	})
	s := x.boot(plan, data(t, plan, nil))
	child := func(index, start int) int {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(x.cfg.Sandbox, bundle.TaskID(index), "children"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.Fields(string(text))[start])
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	gone := func(pid int) func() bool { return func() bool { return strings.Contains("XZ", processState(pid)) } }
	s.kill(bundle.TaskID(0), 0)
	s.next(mesos.TASK_KILLED)
	await(t, "the end of a killed server's child", gone(child(0, 0)))
	for _, pid := range serversIn(t, x, 1) {
		if pid != child(1, 0) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	await(t, "the end of a crashed server's child", gone(child(1, 0)))
	await(t, "the restart", func() bool { return len(serversIn(t, x, 1)) == 2 })
}

// A KILL that meets a start ends it.
func TestKillWhileStarting(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, func(c *Config) {
		c.Server = script(t, `[ "$1" = --version ] && exec redis-server --version; exec sleep 60`)
	})
	s := x.agent.subscription()
	s.subscribed(data(t, redistest.Plan(t, 3, 0, 3), nil))
	s.launch(bundle.TaskID(0))
	await(t, "the start", func() bool { return serverPID(t, x, 0) != 0 })
	s.kill(bundle.TaskID(0), 0)
	s.next(mesos.TASK_KILLED)
	if pid := serverPID(t, x, 0); pid != 0 {
		t.Errorf("process %d is left", pid)
	}
}

// A KILL that meets a node between two starts ends it without a third.
func TestKillWhileWaiting(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 1, 3)
	x := runExecutor(t, nil)
	s := x.boot(plan, data(t, plan, func(b *bundle.Bundle) { b.Config["cluster-node-timeout"] = "60000" }))
	s.message(bundle.MessageGo)
	s.all(6, mesos.TASK_RUNNING)
	awaitOK(t, plan.Nodes[0])
	killProcess(t, x, 0)
	if u := s.next(mesos.TASK_RUNNING); !strings.HasPrefix(u.GetMessage(), "restarts in 2m2s: ") {
		t.Errorf("a crashed master: %s", u.GetMessage())
	}
	s.kill(bundle.TaskID(0), 0)
	s.next(mesos.TASK_KILLED)
}

// SHUTDOWN ends servers that are deaf as well, within the grace.
func TestShutdown(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	const grace = 4 * time.Second // of which deaf servers get the larger part
	x := runExecutor(t, func(c *Config) {
		c.Server = stubServer(t, "deaf")
		c.ShutdownGrace = grace
	})
	s := x.boot(plan, data(t, plan, nil))
	s.message(bundle.MessageGo)
	s.all(3, mesos.TASK_RUNNING)
	begin := time.Now()
	s.shutdown()
	s.all(3, mesos.TASK_KILLED)
	if err := x.wait(); err != nil || time.Since(begin) > grace {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	if pids := serverPIDs(t, x, plan); pids != [3]int{} {
		t.Errorf("servers are left: %v", pids)
	}
}

// The executor is told to end (SIGTERM) while its nodes wait at the barrier.
func TestInterruptAtTheBarrier(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, nil)
	s := x.boot(plan, data(t, plan, nil))
	x.stop()
	s.all(3, mesos.TASK_KILLED)
	if err := x.wait(); err != nil {
		t.Error(err)
	}
}

// Without GO everything fails, and says why.
func TestBarrierIsNotReleased(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, func(c *Config) { c.BarrierTimeout = 3 * time.Second }) // servers are bound by then
	s := x.agent.subscription()
	s.subscribed(data(t, plan, nil))
	s.launch(bundle.TaskID(0))
	s.launch(bundle.TaskID(1))
	s.all(2, mesos.TASK_STARTING)
	const want = "the start barrier was not released within 3s: no GO came from the worker"
	for range 2 {
		if u := s.next(mesos.TASK_FAILED); u.GetMessage() != want {
			t.Error(u.GetMessage())
		}
	}
	s.launch(bundle.TaskID(2)) // too late
	if u := s.next(mesos.TASK_FAILED); u.GetMessage() != want {
		t.Error(u.GetMessage())
	}
	if pids := serverPIDs(t, x, plan); pids != [3]int{} {
		t.Errorf("servers are left: %v", pids)
	}
}
