package local_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Scenario 08: an executor's environment, what it is told, and what it says.
func TestCustomExecutor(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	first := custom("executor-1")
	e := first["executor"].(map[string]any)
	e["data"] = encode64("\x00\x01executor data\xff")
	e["shutdown_grace_period"] = obj("nanoseconds", 3_000_000_000)
	e["labels"] = obj("labels", list(obj("key", "lk", "value", "lv")))
	first["data"] = encode64("task data \x00\xff 1")
	first["labels"] = obj("labels", list(obj("key", "n", "value", "1")))
	from := s.position()
	s.launch(o, task("t1", o, first), task("t2", o, first))
	s.status(0, "t1", "TASK_RUNNING")
	st := s.status(0, "t2", "TASK_RUNNING")
	if at(st, "container_status", "executor_pid") != float64(m.Agents()[0].Executors[0].PID) {
		t.Errorf("executor_pid %v, process %d", at(st, "container_status", "executor_pid"), m.Agents()[0].Executors[0].PID)
	}
	if ids := at(s.offer(from, ""), "executor_ids"); fmt.Sprint(ids) != "[map[value:executor-1]]" {
		t.Errorf("executor_ids %v", ids)
	}
	events := executorEvents(t, cfg.Dir, "executor-1")
	var types []string
	for _, e := range events {
		types = append(types, e["type"].(string))
	}
	if got := strings.Join(types[:2], " "); got != "SUBSCRIBED LAUNCH" {
		t.Errorf("the executor got %v", types)
	}
	launches := slices.DeleteFunc(events, func(e map[string]any) bool { return e["type"] != "LAUNCH" })
	if len(launches) != 2 || at(launches[0], "launch", "task", "task_id", "value") != "t1" ||
		at(launches[1], "launch", "task", "executor", "data") != encode64("\x00\x01executor data\xff") ||
		at(launches[0], "launch", "task", "data") != encode64("task data \x00\xff 1") {
		t.Errorf("launches %v", launches)
	}
	// The shapes of the executor's events are those of the recording.
	rec := recordingOf(t, "08", "09", "10")
	for _, raw := range executorRecords(t, cfg.Dir, "executor-1") {
		if !strings.Contains(raw, `"LAUNCH"`) && !strings.Contains(raw, `"SUBSCRIBED"`) { // they hold the command line
			rec.has(event{raw: raw})
		}
	}
	// MESSAGE both ways.
	s.call("MESSAGE", obj("agent_id", at(o, "agent_id"), "executor_id", value("executor-1"), "data", encode64("echo this")))
	echo, _ := s.await(0, "MESSAGE", is("MESSAGE"))
	if at(echo.body, "message", "data") != encode64("echo this") || at(echo.body, "message", "executor_id", "value") != "executor-1" {
		t.Errorf("MESSAGE %s", echo.raw)
	}
	s.call("MESSAGE", obj("agent_id", at(o, "agent_id"), "executor_id", value("nobody"), "data", encode64("x"))) // dropped
	s.call("MESSAGE", obj("agent_id", value("nobody"), "executor_id", value("executor-1"), "data", encode64("x")))
	environment(t, s, m.Agents()[0].ID, m.Agents()[0].Executors[0].PID, cfg.Dir)
	recordingOf(t, "0", "1").all(s)
}

// environment compares the process's environment with the recorded one.
func environment(t *testing.T, s *scheduler, agentID string, pid int, dir string) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, kv := range strings.Split(strings.TrimRight(string(b), "\x00"), "\x00") {
		k, v, _ := strings.Cut(kv, "=")
		got[k] = v
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		t.Fatal(err)
	}
	endpoint := got["MESOS_AGENT_ENDPOINT"]
	want := map[string]string{
		"LIBPROCESS_IP": "127.0.0.2", "LIBPROCESS_PORT": "0", "MESOS_AGENT_ENDPOINT": endpoint, "MESOS_CHECKPOINT": "1",
		"MESOS_DIRECTORY": cwd, "MESOS_SANDBOX": cwd, "PWD": cwd, "MESOS_EXECUTOR_ID": "executor-1",
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "3secs", "MESOS_FRAMEWORK_ID": s.id, "MESOS_HTTP_COMMAND_EXECUTOR": "0",
		"MESOS_RECOVERY_TIMEOUT": "15mins", "MESOS_SLAVE_ID": agentID, "MESOS_SLAVE_PID": "slave(1)@" + endpoint,
		"MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs", "PATH": os.Getenv("PATH"), "LOCAL_TEST_EXECUTOR": "1",
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("environment: %s=%q, want %q", k, got[k], v)
		}
		delete(got, k)
	}
	if len(got) > 0 {
		t.Errorf("environment: more than recorded: %v", got)
	}
	if !strings.HasPrefix(cwd, dir) {
		t.Errorf("working directory %s is not in %s", cwd, dir)
	}
}

// executorRecords are the events that a test executor wrote to its stdout.
func executorRecords(t *testing.T, dir, id string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sandboxes(t, dir), "*", "executors", id, "runs", "*", "stdout"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stdout of %s (%v)", id, err)
	}
	b, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func executorEvents(t *testing.T, dir, id string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for _, line := range executorRecords(t, dir, id) {
		var e map[string]any
		if json.Unmarshal([]byte(line), &e) != nil {
			break // it is being written
		}
		out = append(out, e)
	}
	return out
}

// Scenarios 08 and 09: the ends of executors.
func TestExecutorEnds(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.ExecutorShutdownGrace = 300 * time.Millisecond
	cfg.ExecutorRegistrationTimeout = 5 * time.Second // the others have to be up by then
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("a", o, custom("exits", "exit=7")), task("b", o, custom("stubborn", "stubborn")), task("c", o, custom("killed")),
		task("d", o, custom("killed", "")), task("e", o, custom("never", "never")))
	for _, id := range []string{"a", "b", "c"} {
		s.status(0, id, "TASK_RUNNING")
	}
	failure := func(executor string, status float64) {
		t.Helper()
		s.await(0, "FAILURE of "+executor, func(e map[string]any) bool {
			return at(e, "failure", "executor_id", "value") == executor && at(e, "failure", "status") == status
		})
	}
	shutdown := func(executor string) {
		s.call("SHUTDOWN", obj("executor_id", value(executor), "agent_id", at(o, "agent_id")))
	}
	shutdown("exits")
	failure("exits", 1792)
	asked := time.Now()
	shutdown("stubborn")
	failure("stubborn", 9)
	if took := time.Since(asked); took < 300*time.Millisecond {
		t.Errorf("killed after %v, before the grace of 300 ms", took)
	}
	if err := m.KillExecutor(s.id, "killed", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	failure("killed", 9)
	for _, id := range []string{"a", "b", "c"} {
		st := s.status(0, id, "TASK_FAILED")
		if at(st, "reason") != "REASON_EXECUTOR_TERMINATED" || at(st, "message") != "Executor terminated" || at(st, "source") != "SOURCE_AGENT" {
			t.Errorf("%s: %v", id, st)
		}
	}
	failure("never", 9)
	if st := s.status(0, "e", "TASK_FAILED"); at(st, "reason") != "REASON_EXECUTOR_REGISTRATION_TIMEOUT" ||
		at(st, "message") != "Executor did not register within 5secs" {
		t.Errorf("never: %v", st)
	}
	shutdown("never") // gone: ignored
	// FAILURE comes before the updates.
	s.mu.Lock()
	order := map[string]int{}
	for i, e := range s.events {
		if id, ok := lookup(e.body, "failure", "executor_id", "value"); ok {
			order["failure "+id.(string)] = i
		}
		if at(e.body, "update", "status", "state") == "TASK_FAILED" {
			order[at(e.body, "update", "status", "task_id", "value").(string)] = i
		}
	}
	s.mu.Unlock()
	if order["failure killed"] > order["c"] || order["failure exits"] > order["a"] {
		t.Errorf("FAILURE came after the updates: %v", order)
	}
	// The same executor ID afterwards is a new run.
	from := s.position()
	s.call("REVIVE", obj())
	o = s.offer(from, "")
	before := at(s.status(0, "c", "TASK_RUNNING"), "container_status", "container_id", "value")
	s.launch(o, task("again", o, custom("killed")))
	if now := at(s.status(from, "again", "TASK_RUNNING"), "container_status", "container_id", "value"); now == before {
		t.Error("the second run has the first one's container ID")
	}
}

// Scenario 09: unacknowledged updates keep their order when the executor dies.
func TestUpdatesOfADeadExecutor(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	s.autoAck = false
	o := s.offer(0, "")
	s.launch(o, task("t1", o, custom("executor-1")))
	e, n := s.await(0, "STARTING", update("t1", "TASK_STARTING"))
	eventually(t, "the agent has both updates", func() bool {
		events := executorEvents(t, cfg.Dir, "executor-1")
		return len(slices.DeleteFunc(events, func(e map[string]any) bool { return e["type"] != "ACKNOWLEDGED" })) == 2
	})
	if err := m.KillExecutor(s.id, "executor-1", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.await(n, "FAILURE", is("FAILURE"))
	for _, state := range []string{"TASK_RUNNING", "TASK_FAILED"} {
		s.ack(e.body, at(e.body, "update", "status", "uuid").(string))
		e, n = s.await(n, state, func(e map[string]any) bool { return e["type"] == "UPDATE" })
		if at(e.body, "update", "status", "state") != state {
			t.Fatalf("after the acknowledgement came %s, want %s", e.raw, state)
		}
	}
	s.ack(e.body, at(e.body, "update", "status", "uuid").(string))
	recordingOf(t, "0", "1").all(s)
}

// Scenario 18: what an executor may and may not send. The test executor makes the calls.
func TestExecutorMisuse(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.running(o, "d3", "executor-3")
	send := func(text string) {
		s.call("MESSAGE", obj("agent_id", at(o, "agent_id"), "executor_id", value("executor-3"), "data", encode64(text)))
	}
	ask := func(status map[string]any) string {
		t.Helper()
		from := s.position()
		b, err := json.Marshal(obj("type", "UPDATE", "executor_id", value("executor-3"), "framework_id", value(s.id), "update", obj("status", status)))
		if err != nil {
			t.Fatal(err)
		}
		send("call " + string(b))
		answer, _ := s.await(from, "answer", is("MESSAGE"))
		return string(decode64(at(answer.body, "message", "data").(string)))
	}
	status := func(change map[string]any) map[string]any {
		st := obj("task_id", value("d3"), "state", "TASK_RUNNING", "source", "SOURCE_EXECUTOR", "uuid", encode64("0123456789abcdef"))
		for k, v := range change {
			if st[k] = v; v == nil {
				delete(st, k)
			}
		}
		return st
	}
	from := "Received Call from executor executor-3 of framework " + s.id + " with invalid source, expecting 'SOURCE_EXECUTOR'"
	for _, c := range []struct {
		change map[string]any
		want   string
	}{
		{obj("uuid", nil), "Expecting 'uuid' to be present"},
		{obj("uuid", "eA=="), "Not a valid UUID"},
		{obj("source", nil), from},
		{obj("source", "SOURCE_AGENT"), from},
		{obj("state", "TASK_STAGING"), "Received TASK_STAGING from executor executor-3 of framework " + s.id + " which is not allowed"},
		{obj("executor_id", value("other")), "ExecutorID in Call: executor-3 does not match ExecutorID in TaskStatus: other"},
	} {
		if got, want := ask(status(c.change)), "400 Failed to validate Executor::Call: "+c.want; got != want {
			t.Errorf("%v: %q, want %q", c.change, got, want)
		}
	}
	n := s.position()
	if got := ask(status(obj("uuid", encode64("unknown task ....")[:22]+"==", "task_id", value("never")))); got != "202 " {
		t.Errorf("unknown task: %s", got)
	}
	s.status(n, "never", "TASK_RUNNING") // passed on
	n = s.position()
	for range 2 {
		if got := ask(status(nil)); got != "202 " {
			t.Errorf("the same update again: %s", got)
		}
	}
	s.status(n, "d3", "TASK_RUNNING")
	passed := 0
	s.mu.Lock()
	for _, e := range s.events {
		if at(e.body, "update", "status", "uuid") == encode64("0123456789abcdef") {
			passed++
		}
	}
	s.mu.Unlock()
	if passed != 1 {
		t.Errorf("the same update was passed on %d times", passed)
	}
	n = s.position()
	ask(status(obj("state", "TASK_FINISHED", "uuid", encode64("fedcba9876543210"))))
	s.status(n, "d3", "TASK_FINISHED")
	n = s.position()
	ask(status(obj("state", "TASK_FAILED", "uuid", encode64("fedcba9876543211"))))
	s.quiet(n, 50*time.Millisecond, "update after the terminal one", is("UPDATE"))
	// A dropped stream is nothing to the scheduler, and a second stream ends the first.
	n = s.position()
	send("drop")
	eventually(t, "it subscribed again", func() bool {
		events := executorEvents(t, cfg.Dir, "executor-3")
		return len(slices.DeleteFunc(events, func(e map[string]any) bool { return e["type"] != "SUBSCRIBED" })) == 2
	})
	send("hello")
	s.await(n, "echo after the drop", is("MESSAGE"))
	s.quiet(n, 0, "FAILURE", is("FAILURE"))
}

// A task that an executor does not know when it subscribes again is dropped (Slave::subscribe), also where the agent
// was there all the time. If that was all that it ever had, it is shut down; else it goes on.
func TestTaskThatDidNotArrive(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	s := subscribe(t, start(t, cfg), nil)
	o := s.offer(0, "")
	deaf := custom("executor-1", "deaf=lost")
	n := s.position()
	s.launch(o, task("lost", o, deaf))
	dropped := func(from int) {
		t.Helper()
		st := s.status(from, "lost", "TASK_DROPPED")
		if at(st, "source") != "SOURCE_AGENT" || at(st, "reason") != "REASON_AGENT_RESTARTED" ||
			at(st, "message") != "Task launched during agent restart" || at(st, "executor_id", "value") != "executor-1" {
			t.Errorf("%v", st)
		}
	}
	dropped(n)
	s.await(0, "FAILURE", is("FAILURE"))
	var got []any
	for _, e := range executorEvents(t, cfg.Dir, "executor-1") {
		got = append(got, e["type"])
	}
	if want := list("SUBSCRIBED", "LAUNCH", "SHUTDOWN"); !reflect.DeepEqual(got, want) {
		t.Errorf("the executor was told %v, want %v", got, want)
	}

	from := s.position()
	next := func(id string) (launched int) { // with what the launch before left over
		o := s.offer(n, "")
		n = s.position()
		s.launch(o, task(id, o, deaf))
		return n
	}
	s.status(next("first"), "first", "TASK_RUNNING")
	dropped(next("lost"))
	s.status(next("next"), "next", "TASK_RUNNING")
	s.quiet(from, 0, "FAILURE", is("FAILURE"))
}

// A process that its executor left behind ends with the container.
func TestWholeContainerEnds(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("t1", o, shell("sleep 1000 & echo $! > pid; sleep 0.2")))
	s.status(0, "t1", "TASK_RUNNING")
	sandbox := m.Agents()[0].Executors[0].Sandbox
	s.status(0, "t1", "TASK_FINISHED")
	b, err := os.ReadFile(filepath.Join(sandbox, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(b)), "stat"))
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("a process of the container lives on: %s", stat)
	}
}
