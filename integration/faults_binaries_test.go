package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/proc"
)

// binaryFaults are about programs that agents cannot run: the job ends in a failed event that
// says so. Each is tried twice, since another host might have had them.
var binaryFaults = []fault{
	{
		name: "the executor is missing", reason: contracts.ReasonLaunchFailed,
		config: broken(func(_ *world, cfg *workerConfig) { cfg.Executor = "/nowhere/clustersmith-executor" }),
	},
	{
		name: "the executor may not be run", reason: contracts.ReasonLaunchFailed,
		config: broken(func(w *world, cfg *workerConfig) { cfg.Executor = w.script(0o600, "exit 0") }),
	},
	{
		name: "the executor ends at once", reason: contracts.ReasonLaunchFailed,
		config: broken(func(w *world, cfg *workerConfig) { cfg.Executor = w.script(0o755, "exit 3") }),
	},
	{
		name: "redis-server is missing", reason: contracts.ReasonStartFailed, says: "/nowhere/redis-server",
		config: broken(func(_ *world, cfg *workerConfig) { cfg.RedisServer = "/nowhere/redis-server" }),
	},
	{
		name: "redis-server is of another version", reason: contracts.ReasonStartFailed, says: "6.0",
		config: broken(func(w *world, cfg *workerConfig) {
			cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] || exec redis-server "$@"
echo 'Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=0'`)
		}),
	},
	{
		name: "redis-server ends at once", reason: contracts.ReasonStartFailed, says: "out of luck",
		config: broken(func(w *world, cfg *workerConfig) {
			cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] && exec redis-server --version; echo "out of luck"; exit 1`)
		}),
	},
	{
		name: "redis-server hangs at its start", reason: contracts.ReasonLaunchFailed, says: "0 of 6 nodes",
		config: broken(func(w *world, cfg *workerConfig) {
			cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] && exec redis-server --version; exec sleep 600`)
			cfg.LaunchTimeout = 2 * time.Second
		}),
	},
}

// broken is a configuration with which no attempt can succeed; the job makes two.
func broken(change func(*world, *workerConfig)) func(*world, *workerConfig) {
	return func(w *world, cfg *workerConfig) {
		cfg.MaxAttempts = 2
		change(w, cfg)
	}
}

// script writes a shell script for the agents to run.
func (w *world) script(mode os.FileMode, text string) (path string) {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.dir, "script-")
	must(w.t, err)
	path = filepath.Join(dir, "program")
	must(w.t, proc.WriteProgram(path, []byte("#!/bin/sh\n"+text+"\n"), mode))
	return path
}

// A port that something outside of Mesos had taken before is offered all the same; the cluster
// gets others.
func TestPortTakenByAStranger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal()
	w.worker(func(cfg *workerConfig) { cfg.MaxAttempts = 5 }) // chaos may let each find one of three strangers, or take one
	taken := 20000
	for _, a := range w.mesos.Agents() {
		w.listen(a.IP, taken)
	}
	h := w.create(request("squeezed", 3, 1))
	for _, n := range w.verified(h).Nodes {
		if n.Port == taken || n.BusPort == taken {
			t.Errorf("node %d is planned on the stranger's port", n.Index)
		}
	}
	w.allWell(h)
	w.emptied()
}

// inNamespace says to a copy of the test that it may mount what it likes.
const inNamespace = "CLUSTERSMITH_TEST_NAMESPACE"

// A disk without a byte left under the sandboxes ends the job in an event that says so.
func TestSandboxFull(t *testing.T) {
	t.Parallel()
	if os.Getenv(inNamespace) == "" {
		again(t)
		return
	}
	full := fault{
		needs:  (*world).needsLocal, // whose sandboxes are on a disk of the test's own
		reason: contracts.ReasonStartFailed, says: "no space left on device", attempts: 2,
		config: broken(func(*world, *workerConfig) {}),
		prepare: func(w *world) {
			disk := filepath.Join(w.dir, "mesos")
			must(w.t, syscall.Mount("none", disk, "tmpfs", 0, "size=1m"))
			file, err := os.Create(filepath.Join(disk, "filler"))
			must(w.t, err)
			defer file.Close() //nolint:errcheck // it is full
			for err == nil {
				_, err = file.Write(make([]byte, 4096))
			}
			w.full = func() { must(w.t, syscall.Unmount(disk, syscall.MNT_DETACH)) }
		},
		mend: func(w *world) { w.full() },
	}
	for _, workers := range []int{1, 2} {
		t.Run([]string{"", "1", "2"}[workers], func(t *testing.T) { full.run(t, "", workers) })
	}
}

// again runs the test in a mount namespace of its own, as root there. What it mounts is gone
// with its last process.
func again(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := proc.Start(cmd); err != nil {
		t.Skipf("this machine lets nobody make a mount namespace, so no disk can be full here: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("in a mount namespace: %v\n%s", err, out.String())
	}
}
