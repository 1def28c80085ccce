package local_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/local"
)

func ExampleParseResources() {
	r, err := local.ParseResources("cpus:8;mem:8192;ports:[31000-31999]")
	fmt.Println(r.CPUs, r.MemMB, r.Ports, err)
	_, err = local.ParseResources("cpus:8;memory:8192")
	fmt.Println(err)
	// Output:
	// 8 8192 [{31000 31999}] <nil>
	// local: resource "memory:8192": unknown name (cpus, mem, disk and ports are known)
}

func TestParseResources(t *testing.T) {
	t.Parallel()
	got, err := local.ParseResources(" cpus:0.5; mem:64;disk:10;ports:[1-2, 5-9] ")
	want := local.Resources{CPUs: 0.5, MemMB: 64, DiskMB: 10, Ports: []chunkdist.PortRange{{Begin: 1, End: 2}, {Begin: 5, End: 9}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{
		"cpus", "cpus:x", "cpus:-1", "cpus:NaN", "cpus:1;cpus:2", "gpus:1", "ports:1-2", "ports:[1]", "ports:[2-1]", "ports:[1-3,2-4]",
		"ports:[1-70000]", "ports:[a-2]", "ports:[1-b]",
	} {
		if r, err := local.ParseResources(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, r)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	agent := local.AgentConfig{IP: "127.0.0.2"}
	for want, cfg := range map[string]local.Config{
		"Config.Dir is required":     {},
		"Config.Listen":              {Dir: t.TempDir(), Listen: "x"},
		"not an IPv4 address":        {Dir: t.TempDir(), Agents: []local.AgentConfig{{IP: "host"}}},
		"two agents at":              {Dir: t.TempDir(), Agents: []local.AgentConfig{{IP: "127.0.0.2", Port: 5051}, {IP: "127.0.0.2", Port: 5051}}},
		"address already in use":     {Dir: t.TempDir(), Listen: taken.Addr().String(), Agents: []local.AgentConfig{agent}},
		"local: listen on 127.0.0.1": {Dir: t.TempDir(), Agents: []local.AgentConfig{agent, {IP: "127.0.0.1", Port: taken.Addr().(*net.TCPAddr).Port}}},
		"a reservation needs a role": {Dir: t.TempDir(), Agents: []local.AgentConfig{{IP: "127.0.0.2", Reserved: []local.Reservation{{}}}}},
		"out of order":               {Dir: t.TempDir(), Agents: []local.AgentConfig{{IP: "127.0.0.2", Ports: ports(9, 8)}}},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		m, err := local.Start(ctx, cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if errors.Is(err, context.Canceled) {
			t.Errorf("nobody interrupted it: %v", err)
		}
		if m != nil {
			t.Errorf("Start returned a value beside the error %v", err)
		}
		cancel()
	}
}

// GET /state shows frameworks, tasks and agents by the names that Mesos uses.
func TestState(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("t1", o, custom("e1")))
	s.status(0, "t1", "TASK_RUNNING")
	for _, path := range []string{"", "/master"} {
		state := getState(t, m.URL()+path)
		agent, framework := at(state, "slaves").([]any)[0], at(state, "frameworks").([]any)[0]
		if at(agent, "resources", "ports") != "[31000-31999]" || at(agent, "used_resources", "cpus") != 0.2 || at(agent, "hostname") != "127.0.0.2" {
			t.Errorf("agent %v", agent)
		}
		tasks := at(framework, "tasks").([]any)
		if at(framework, "name") != "golden" || at(framework, "connected") != true || len(tasks) != 1 ||
			at(tasks[0], "state") != "TASK_RUNNING" || at(tasks[0], "executor_id") != "e1" || at(tasks[0], "slave_id") != at(agent, "id") {
			t.Errorf("framework %v", framework)
		}
	}
	s.call("TEARDOWN", nil)
	state := getState(t, m.URL())
	if n := len(at(state, "frameworks").([]any)); n != 0 {
		t.Errorf("%d frameworks after TEARDOWN", n)
	}
	if done := at(state, "completed_frameworks").([]any); len(done) != 1 || at(done[0], "id") != s.id {
		t.Errorf("completed frameworks %v", done)
	}
}

// Close leaves no process, not even one that ignores everything.
func TestCloseEndsProcesses(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := local.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("t1", o, custom("e1", "stubborn")), task("t2", o, shell("trap '' TERM INT HUP; while :; do sleep 0.1; done")))
	s.status(0, "t1", "TASK_RUNNING")
	s.status(0, "t2", "TASK_RUNNING")
	executors := m.Agents()[0].Executors
	must(t, m.FreezeAgent("127.0.0.2", true)) // and not even when the agent hangs
	m.FreezeMaster(true)
	must(t, m.Close(ctx))
	must(t, m.Close(ctx))
	if len(executors) != 2 {
		t.Fatalf("executors %v", executors)
	}
	for _, e := range executors {
		if state := processState(e.PID); state != "" && state != "Z" {
			t.Errorf("%s is in state %s", e.Executor, state)
		}
	}
}

// The processes die with this one, even when it is killed.
func TestProcessesDieWithTheParent(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "LOCAL_TEST_PARENT="+t.TempDir())
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil || pid <= 0 {
		t.Errorf("the parent told no pid: %v", err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	if pid > 0 {
		eventually(t, "the command died", func() bool {
			state := processState(pid)
			return state == "" || state == "Z"
		})
	}
}

// processState is a process's state letter; "" where there is no such process.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

// runTestParent is the process that TestProcessesDieWithTheParent kills: it launches a
// command, prints its pid and waits.
func runTestParent(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m, err := local.Start(ctx, local.Config{Dir: dir, Agents: []local.AgentConfig{{IP: "127.0.0.2", CPUs: 1, MemMB: 64}}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := launchOne(ctx, m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for ctx.Err() == nil {
		if e := m.Agents()[0].Executors; len(e) == 1 && e[0].PID > 0 {
			fmt.Println(e[0].PID)
			select {}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 1
}
