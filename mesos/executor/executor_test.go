package executor

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"go.uber.org/goleak"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

func TestMain(m *testing.M) {
	if os.Getenv(stubVariable) != "" {
		stub()
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "4") // the tests wait more than they compute
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/clustersmith/clustersmith/internal/proc.fork"))
}

// subject is an executor under test, in this process.
type subject struct {
	t       *testing.T
	agent   *scriptedAgent
	cfg     Config
	stop    context.CancelFunc
	done    chan struct{}
	err     error // after done
	logPath string
}

// runExecutor runs an executor against a scripted agent until the test is over.
func runExecutor(t *testing.T, change func(*Config)) *subject {
	t.Helper()
	return runExecutorWith(t, change, func(*scriptedAgent) {})
}

// runExecutorWith lets the test prepare the agent.
func runExecutorWith(t *testing.T, change func(*Config), prepare func(*scriptedAgent)) *subject {
	t.Helper()
	cfg := Config{
		FrameworkID: "framework", ExecutorID: "executor", Sandbox: t.TempDir(),
		ShutdownGrace: 2 * time.Second, Checkpoint: true, RecoveryTimeout: time.Minute, BackoffMax: 200 * time.Millisecond,
		Encoding: Protobuf, StartTimeout: 10 * time.Second, BarrierTimeout: time.Minute, IdleTimeout: time.Minute,
		RestartWait: 20 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	x := &subject{t: t, agent: newAgentScript(t, cfg.Encoding), done: make(chan struct{})}
	prepare(x.agent)
	cfg.AgentEndpoint = x.agent.addr
	x.cfg = cfg
	x.logPath = filepath.Join(cfg.Sandbox, "stderr")
	stderr, err := os.Create(x.logPath)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	x.stop = stop
	go func() {
		defer close(x.done)
		defer stderr.Close()
		x.err = Run(ctx, cfg, slog.New(slog.NewTextHandler(stderr, nil)))
	}()
	t.Cleanup(func() {
		stop()
		x.wait()
		if text, err := os.ReadFile(x.logPath); t.Failed() && err == nil {
			t.Logf("the executor's log:\n%s", text)
		}
	})
	return x
}

// wait waits until Run has returned and gives its error.
func (x *subject) wait() error {
	x.t.Helper()
	select {
	case <-x.done:
		return x.err
	case <-time.After(patience):
		x.t.Fatal("the executor does not end")
		return nil
	}
}

// data encodes the bundle of a plan for Redis 7.0.
func data(t *testing.T, plan chunkdist.Plan, change func(*bundle.Bundle)) []byte {
	t.Helper()
	b := bundle.Bundle{
		Plan: plan, Job: plan.UID, Attempt: 1, Flavor: "redis", Version: "7.0", Persistence: "none",
		Config: map[string]string{"cluster-node-timeout": "1000", "loglevel": "verbose"}, MemoryMB: 128,
	}
	if change != nil {
		change(&b)
	}
	text, err := bundle.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// boot launches all nodes of a plan up to the barrier.
func (x *subject) boot(plan chunkdist.Plan, data []byte) *scriptedStream {
	x.t.Helper()
	s := x.agent.subscription()
	s.subscribed(data)
	for _, n := range plan.Nodes {
		s.launch(bundle.TaskID(n.Index))
	}
	s.all(len(plan.Nodes), mesos.TASK_STARTING)
	return s
}

// serverPIDs finds the processes of the first three nodes; 0 is none.
func serverPIDs(t *testing.T, x *subject, plan chunkdist.Plan) (pids [3]int) {
	t.Helper()
	for i := range pids {
		pids[i] = serverPID(t, x, plan.Nodes[i].Index)
	}
	return pids
}

// serverPID finds the process that runs in a node's directory; 0 is none.
func serverPID(t *testing.T, x *subject, index int) int {
	t.Helper()
	if pids := serversIn(t, x, index); len(pids) > 0 {
		return pids[0]
	}
	return 0
}

// serversIn lists the processes that run in a node's directory.
func serversIn(t *testing.T, x *subject, index int) (pids []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if to, err := os.Readlink(d); err == nil && to == filepath.Join(x.cfg.Sandbox, bundle.TaskID(index)) {
			pid, err := strconv.Atoi(strings.Split(d, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestClusterRuns(t *testing.T) {
	for _, encoding := range []string{Protobuf, JSON} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			plan := redistest.Plan(t, 3, 1, 3)
			x := runExecutor(t, func(c *Config) { c.Encoding = encoding })
			s := x.boot(plan, data(t, plan, nil))
			s.message(bundle.MessageGo)
			s.all(6, mesos.TASK_RUNNING)
			s.message(bundle.MessageGo) // it may come again
			s.shutdown()
			s.all(6, mesos.TASK_KILLED)
			if err := x.wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
