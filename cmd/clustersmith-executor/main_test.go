package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"go.uber.org/goleak"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/mesos/bundle"
	"github.com/clustersmith/clustersmith/mesos/local"
)

const patience = 30 * time.Second

// asExecutor makes the test's program the executor, which agents then start.
const asExecutor = "CLUSTERSMITH_TEST_EXECUTOR"

func TestMain(m *testing.M) {
	if os.Getenv(asExecutor) != "" {
		if os.Getenv(withoutTracing) != "" {
			forbidTracing()
		}
		main()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/clustersmith/clustersmith/internal/proc.fork"))
}

// job is a cluster on a local Mesos, up to its start barrier.
type job struct {
	t       *testing.T
	dir     string // of the agents
	mesos   *local.Mesos
	session *mesos.Session
	tasks   *mesos.Deployment
	plan    chunkdist.Plan
}

func launch(t *testing.T, env map[string]string) *job {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	j := &job{t: t, plan: redistest.Plan(t, 3, 1, 3)}
	j.startMesos(ctx)
	client, err := mesos.NewClient(mesos.Config{Masters: []string{j.mesos.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	framework := mesos.Framework{ID: uuid.NewString(), Name: "clustersmith/test", FailoverTimeout: time.Minute}
	if j.session, err = client.Subscribe(ctx, framework); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.session.Close)
	offers := j.offers(ctx)
	env[asExecutor] = "1"
	order := mesos.Order{
		Framework: framework.ID,
		Bundle: bundle.Bundle{Plan: j.plan, Job: "job", Attempt: 1, Flavor: "redis", Version: "7.0",
			Persistence: "none", MemoryMB: 128, Config: map[string]string{"loglevel": "debug"}},
		Node: chunkdist.Resources{CPUs: 0.1, MemoryMB: 128}, Overhead: chunkdist.Resources{CPUs: 0.1, MemoryMB: 32},
		Executor: mesos.Executor{Command: program(t), Env: env},
	}
	launches, rest, err := order.Launches(offers)
	if err != nil {
		t.Fatal(err)
	}
	j.tasks = mesos.Follow(j.session, j.plan, mesos.DeploymentOptions{})
	t.Cleanup(j.tasks.Close)
	if err := j.tasks.Launch(ctx, launches, rest); err != nil {
		t.Fatal(err)
	}
	if err := j.tasks.WaitBound(ctx); err != nil {
		t.Fatal(err)
	}
	return j
}

func program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startMesos starts an agent on every host of the plan.
func (j *job) startMesos(ctx context.Context) {
	j.t.Helper()
	j.dir = j.t.TempDir()
	cfg := local.Config{Dir: j.dir}
	for _, host := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"} {
		cfg.Agents = append(cfg.Agents, local.AgentConfig{
			IP: host, CPUs: 2, MemMB: 2048, DiskMB: 1024,
			Ports: []chunkdist.PortRange{{Begin: 12000, End: 29999}},
		})
	}
	m, err := local.Start(ctx, cfg)
	if err != nil {
		j.t.Fatal(err)
	}
	j.mesos = m
	j.t.Cleanup(func() {
		if j.t.Failed() {
			j.t.Logf("the executors' logs:\n%s", j.logs("stderr"))
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			j.t.Error(err)
		}
	})
}

// logs are what the executors (stderr) or the servers (redis.log) have said.
func (j *job) logs(name string) string {
	var all []byte
	err := filepath.WalkDir(j.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != name {
			return err
		}
		text, err := os.ReadFile(path)
		all = append(all, text...)
		return err
	})
	if err != nil {
		j.t.Error(err)
	}
	return string(all)
}

// offers waits until every host is offered, and fills the agents into the plan.
func (j *job) offers(ctx context.Context) (offers []v1.Offer) {
	j.t.Helper()
	agents := map[string]string{}
	for len(agents) < 3 {
		select {
		case e := <-j.session.Events():
			if o, ok := e.(mesos.Offers); ok {
				for _, offer := range o.Offers {
					offers = append(offers, offer)
					agents[offer.Hostname] = offer.AgentID.Value
				}
			}
		case <-ctx.Done():
			j.t.Fatal("not all agents are offered")
		}
	}
	for i := range j.plan.Nodes {
		j.plan.Nodes[i].Agent = agents[j.plan.Nodes[i].Host]
	}
	return offers
}

// run releases the barrier and waits until all nodes run.
func (j *job) run() {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := j.tasks.Go(ctx); err != nil {
		j.t.Fatal(err)
	}
	if err := j.tasks.WaitRunning(ctx); err != nil {
		j.t.Fatal(err)
	}
}

// kill sends a signal to the executor on a host.
func (j *job) kill(host string, signal syscall.Signal) {
	j.t.Helper()
	pid := j.executor(host)
	if pid == 0 {
		j.t.Fatalf("no executor on %s", host)
	}
	syscall.Kill(pid, signal)
}

// executor finds the process of the executor on a host; 0 is none.
func (j *job) executor(host string) int {
	for _, a := range j.mesos.Agents() {
		if a.IP == host {
			for _, e := range a.Executors {
				return e.PID
			}
		}
	}
	return 0
}

// servers lists the processes of redis-servers on a host.
func (j *job) servers(host string) (pids []int) {
	j.t.Helper()
	for _, n := range j.plan.Nodes {
		if n.Host != host {
			continue
		}
		out, err := exec.Command("redis-cli", "-h", host, "-p", strconv.Itoa(n.Port), "INFO", "server").Output()
		if err != nil {
			continue // nobody there
		}
		_, rest, _ := strings.Cut(string(out), "process_id:")
		pid, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
		if err != nil {
			j.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// awaitLinks waits until every node is connected with all others.
func (j *job) awaitLinks() {
	j.t.Helper()
	for _, n := range j.plan.Nodes {
		await(j.t, "links of node "+strconv.Itoa(n.Index), func() bool {
			out, err := exec.Command("redis-cli", "-h", n.Host, "-p", strconv.Itoa(n.Port), "CLUSTER", "NODES").Output()
			return err == nil && bytes.Count(out, []byte(" connected")) == len(j.plan.Nodes)
		})
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A cluster comes up on three agents, survives an agent's restart, and is torn down; in both
// encodings.
func TestClusterOnMesos(t *testing.T) {
	for _, encoding := range []string{"protobuf", "json"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			j := launch(t, map[string]string{"CLUSTERSMITH_EXECUTOR_ENCODING": encoding})
			j.run()
			before := j.servers("127.0.0.2")
			j.awaitLinks()
			if late, refused := strings.Contains(j.logs("stderr"), "stopped late"), strings.Count(j.logs("redis.log"), "Connection refused"); refused > 0 && !late {
				t.Errorf("%d connections between nodes were refused", refused)
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := j.mesos.CrashAgent("127.0.0.2"); err != nil {
				t.Fatal(err)
			}
			await(t, "the agent to be back", func() bool {
				// A process that is just being forked may hold its old socket for a moment.
				return j.mesos.RestartAgent(ctx, "127.0.0.2") == nil
			})
			await(t, "the executor to be known again", func() bool { return j.executor("127.0.0.2") != 0 })
			if after := j.servers("127.0.0.2"); len(before) != 2 || fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("servers before the agent's restart %v, after it %v", before, after)
			}
			pids := append(before, j.servers("127.0.0.3")...)
			if err := j.session.Teardown(ctx); err != nil {
				t.Fatal(err)
			}
			await(t, "the servers to end", func() bool {
				for _, pid := range pids {
					if alive(pid) {
						return false
					}
				}
				return true
			})
		})
	}
}

// Servers die with their executor, whatever kills it.
func TestServersDieWithTheExecutor(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGKILL": syscall.SIGKILL, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := launch(t, map[string]string{})
			j.run()
			pids := j.servers("127.0.0.3")
			if len(pids) != 2 {
				t.Fatalf("servers %v", pids)
			}
			j.kill("127.0.0.3", signal)
			for _, pid := range pids {
				await(t, "server "+strconv.Itoa(pid)+" to end", func() bool { return !alive(pid) })
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := j.tasks.WaitFailed(ctx); err == nil {
				t.Error("nobody is told")
			}
		})
	}
}

// Held servers die with their executor as well.
func TestHeldServersDieWithTheExecutor(t *testing.T) {
	t.Parallel()
	j := launch(t, map[string]string{})
	j.kill("127.0.0.4", syscall.SIGKILL)
	for _, n := range j.plan.Nodes {
		if n.Host == "127.0.0.4" {
			await(t, "port "+strconv.Itoa(n.Port)+" to be free", func() bool {
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(n.Host, strconv.Itoa(n.Port)), patience)
				if err == nil {
					conn.Close()
				}
				return errors.Is(err, syscall.ECONNREFUSED)
			})
		}
	}
}

func TestWithoutAnAgent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(program(t))
	cmd.Env = []string{asExecutor + "=1"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "MESOS_AGENT_ENDPOINT: not set") {
		t.Errorf("%v: %s", err, out)
	}
}
