package local_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Scenario 04: the life of a command.
func TestCommand(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	s := subscribe(t, start(t, cfg), nil)
	o := s.offer(0, "")
	s.launch(o, task("t1", o, shell("echo out; echo err >&2")), task("t2", o, obj("command",
		obj("shell", false, "value", "sh", "arguments", list("sh", "-c", "test \"$MARK\" = here && test $PWD = $MESOS_SANDBOX"),
			"environment", obj("variables", list(obj("name", "MARK", "value", "here")))))))
	for _, id := range []string{"t1", "t2"} {
		for _, state := range []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"} {
			st := s.status(0, id, state)
			if at(st, "executor_id", "value") != id {
				t.Errorf("executor_id %v, want the task's ID", at(st, "executor_id"))
			}
		}
	}
	s.quiet(0, 0, "FAILURE", is("FAILURE"))
	recordingOf(t, "0", "1").all(s)
	runs, _ := filepath.Glob(filepath.Join(sandboxes(t, cfg.Dir), "*", "executors", "t1", "runs", "*", "stdout"))
	if len(runs) != 1 {
		t.Fatalf("stdout files: %v", runs)
	}
	if b, err := os.ReadFile(runs[0]); err != nil || string(b) != "out\n" {
		t.Errorf("stdout %q %v", b, err)
	}
}

// Scenario 04: one update in flight a task, the latest state counts at once, retries double.
func TestUpdatesUntilAcknowledged(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.UpdateRetry = 100 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	s.autoAck = false
	o := s.offer(0, "")
	s.launch(o, task("t1", o, shell("true")))
	var at4 []time.Time
	n := 0
	var e event
	for range 4 {
		e, n = s.await(n, "STARTING again", update("t1", "TASK_STARTING"))
		at4 = append(at4, e.at)
	}
	for i, want := range []time.Duration{100, 200, 400} {
		if got := at4[i+1].Sub(at4[i]); got < (want-20)*time.Millisecond || got > want*time.Millisecond*2+100*time.Millisecond {
			t.Errorf("retry %d came after %v, want %v ms", i+1, got, int64(want))
		}
	}
	// The task is over: its resources are offered although only STARTING was sent.
	s.decline(0, s.offer(1, ""))
	eventually(t, "everything is free", func() bool {
		return at(getState(t, m.URL()), "slaves").([]any)[0].(map[string]any)["used_resources"].(map[string]any)["cpus"] == 0.0
	})
	s.quiet(0, 0, "RUNNING before the acknowledgement", update("t1", "TASK_RUNNING"))
	wrong := encode64("0123456789abcdef")
	s.ack(e.body, wrong)
	s.ack(e.body, at(e.body, "update", "status", "uuid").(string))
	e, _ = s.await(n, "RUNNING", update("t1", "TASK_RUNNING"))
	s.ack(e.body, at(e.body, "update", "status", "uuid").(string))
	e, _ = s.await(n, "FINISHED", update("t1", "TASK_FINISHED"))
	s.ack(e.body, at(e.body, "update", "status", "uuid").(string))
	n = s.position()
	s.quiet(n, 300*time.Millisecond, "UPDATE after all is acknowledged", is("UPDATE"))
	completed := at(getState(t, m.URL()), "frameworks").([]any)[0].(map[string]any)["completed_tasks"].([]any)
	if len(completed) != 1 || at(completed[0], "state") != "TASK_FINISHED" || len(at(completed[0], "statuses").([]any)) != 3 {
		t.Errorf("completed tasks %v", completed)
	}
}

// Scenario 05: how commands fail.
func TestCommandFailures(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	uri := func(value string) map[string]any {
		return obj("command", obj("value", "true", "uris", list(obj("value", value))))
	}
	s.launch(o,
		task("exit3", o, shell("exit 3")), task("sigsegv", o, shell("kill -SEGV $$")), task("notfound", o, shell("no-such-command")),
		task("noexe", o, obj("command", obj("shell", false, "value", "/no/such/executable"))), task("fetch", o, uri("/no/such/file")),
		task("fetch2", o, uri("http://127.0.0.1:1/x")))
	for id, message := range map[string]string{
		"exit3": "Command exited with status 3", "sigsegv": "Command terminated with signal Segmentation fault",
		"notfound": "Command exited with status 127", "noexe": "Command exited with status 1", "fetch": "Failed to launch container",
		"fetch2": "Failed to launch container",
	} {
		if got := at(s.status(0, id, "TASK_FAILED"), "message").(string); !strings.HasPrefix(got, message) {
			t.Errorf("%s: %q, want %q", id, got, message)
		}
	}
	recordingOf(t, "0", "1").all(s)
}

// The fetcher takes paths and URLs, and sets the executable bit.
func TestFetcher(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := "#!/bin/sh\nexit 7\n"
	if err := os.WriteFile(filepath.Join(dir, "plain.sh"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(script)) }))
	defer files.Close()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	run := func(id, uri, command string) map[string]any {
		return task(id, o, obj("command", obj("value", command, "uris", list(obj("value", uri, "executable", true)))))
	}
	s.launch(o, run("path", filepath.Join(dir, "plain.sh"), "./plain.sh"), run("file", "file://"+dir+"/plain.sh", "./plain.sh"),
		run("http", files.URL+"/web.sh?v=1", "./web.sh"))
	for _, id := range []string{"path", "file", "http"} {
		if got := at(s.status(0, id, "TASK_FAILED"), "message"); got != "Command exited with status 7" {
			t.Errorf("%s: %v", id, got)
		}
	}
}

// Scenario 05: what the master refuses, task by task, in Mesos' words.
func TestInvalidTasks(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	from := s.position()
	s.running(o, "running", "e1")
	o = s.offer(from, "")
	big := obj("command", obj("value", "true"), "resources", list(scalar("cpus", 100), scalar("mem", 32)))
	foreign := obj("command", obj("value", "true"), "resources", list(
		obj("name", "cpus", "type", "SCALAR", "scalar", obj("value", 0.1), "allocation_info", obj("role", "other")),
		obj("name", "mem", "type", "SCALAR", "scalar", obj("value", 32), "allocation_info", obj("role", "other"))))
	both := custom("e2")
	both["command"] = obj("value", "true")
	noCommand := obj("executor", obj("type", "CUSTOM", "executor_id", value("e3"), "resources", list()))
	wrongFramework := custom("e4")
	wrongFramework["executor"].(map[string]any)["framework_id"] = value("other")
	differs := custom("e1")
	differs["executor"].(map[string]any)["data"] = encode64("other")
	same := custom("e1") // the running one without what the master fills in, resources reversed
	same["executor"].(map[string]any)["resources"] = list(scalar("mem", 64), scalar("cpus", 0.1))
	long := strings.Repeat("x", 256)
	from = s.position()
	s.launch(o,
		task("toomuch", o, big), task("nores", o, obj("command", obj("value", "true"), "resources", list())), task("foreign", o, foreign),
		task("running", o, shell("true")), task("dup", o, shell("sleep 100")), task("dup", o, shell("true")),
		task("noagent", o, obj("command", obj("value", "true"), "agent_id", value("no-such-agent"))),
		task("both", o, both), task("neither", o, nil), task("a/b", o, shell("true")), task("", o, shell("true")), task(long, o, shell("true")),
		task("wrongfw", o, wrongFramework), task("nocmd", o, noCommand), task("differs", o, differs), task("same", o, same),
		task("nomem", o, obj("command", obj("value", "true"), "resources", list(scalar("cpus", 0)))),
	)
	for _, id := range []string{"toomuch", "nores", "foreign", "running", "dup", "noagent", "both", "neither", "a/b", "", long, "wrongfw", "nocmd"} {
		st := s.status(from, id, "TASK_ERROR")
		if at(st, "reason") != "REASON_TASK_INVALID" || at(st, "uuid") != nil {
			t.Errorf("%q: %v", id, st)
		}
	}
	if got := at(s.status(from, "differs", "TASK_ERROR"), "message").(string); !strings.HasPrefix(got,
		"ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n") || !strings.Contains(got, "executor_id {\n  value: \"e1\"\n}") {
		t.Errorf("message %q", got)
	}
	s.status(from, "dup", "TASK_RUNNING")
	s.status(from, "same", "TASK_RUNNING")
	s.status(from, "nomem", "TASK_FINISHED")
	rec := recordingOf(t, "0", "1")
	s.mu.Lock()
	events := s.events
	s.mu.Unlock()
	for _, e := range events {
		if at(e.body, "update", "status", "task_id", "value") != "differs" { // it has the ExecutorInfo in it
			rec.has(e)
		}
	}
	// A task without a name fails the whole call, and the offer stays valid.
	o = s.offer(from, "")
	if status, text := s.try("ACCEPT", obj("offer_ids", list(at(o, "id")), "operations", list(obj("type", "LAUNCH", "launch",
		obj("task_infos", list(task("x", o, obj("command", obj("value", "true"), "name", nil)))))))); status != 400 ||
		text != "Failed to convert JSON into Call protobuf: Missing required fields: accept.operations[0].launch.task_infos[0].name" {
		t.Errorf("%d %s", status, text)
	}
	from = s.position()
	s.launch(o, task("nomem", o, shell("true"))) // the ID of a finished task
	s.status(from, "nomem", "TASK_FINISHED")
}

// Scenario 05: offers that are not good.
func TestInvalidOffers(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	s := subscribe(t, m, nil)
	a, b := "127.0.0.2", "127.0.0.3"
	o := s.offers(0, a, b)
	drop := func(id string, ids ...any) {
		t.Helper()
		from := s.position()
		s.launchWith(ids, 3600, task(id, o[a], shell("true")))
		st := s.status(from, id, "TASK_DROPPED")
		if at(st, "reason") != "REASON_INVALID_OFFERS" {
			t.Errorf("%s: %v", id, st)
		}
	}
	from := s.position()
	drop("twoagents", at(o[a], "id"), at(o[b], "id"))
	o = s.offers(from, a, b)
	from = s.position()
	drop("unknownoffer", value("no-such-offer"))
	drop("halfoffer", at(o[a], "id"), value("no-such-offer"))
	o[a] = s.offer(from, a) // anew, without the filter
	from = s.position()
	drop("twice", at(o[a], "id"), at(o[a], "id"))
	o[a] = s.offer(from, a)
	s.decline(0, o[a])
	drop("declinedoffer", at(o[a], "id"))
	recordingOf(t, "05").all(s)
	lost := subscribe(t, m, obj("capabilities", list(obj("type", "MULTI_ROLE"))))
	lost.launchWith(list(value("x")), 0, task("t", o[a], shell("true")))
	lost.status(0, "t", "TASK_LOST")
}

// Scenario 05: KILL.
func TestKill(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	stubborn := shell("trap '' TERM; while :; do sleep 0.05; done")
	stubborn["kill_policy"] = obj("grace_period", obj("nanoseconds", 300_000_000))
	s.launch(o, task("soft", o, shell("sleep 100")), task("stubborn", o, stubborn), task("custom", o, custom("e1")),
		task("early", o, custom("e2", "never")))
	var killed time.Time // the last of them
	for _, id := range []string{"soft", "custom", "stubborn"} {
		s.status(0, id, "TASK_RUNNING")
		killed = time.Now()
		s.call("KILL", obj("task_id", value(id)))
	}
	s.call("KILL", obj("task_id", value("early"), "agent_id", at(o, "agent_id")))
	if got := at(s.status(0, "early", "TASK_KILLED"), "reason"); got != "REASON_TASK_KILLED_DURING_LAUNCH" {
		t.Errorf("early: %v", got)
	}
	if got := at(s.status(0, "soft", "TASK_KILLED"), "message"); got != "Command terminated with signal Terminated" {
		t.Errorf("soft: %v", got)
	}
	if got := at(s.status(0, "stubborn", "TASK_KILLED"), "message"); got != "Command terminated with signal Killed" || time.Since(killed) < 300*time.Millisecond {
		t.Errorf("stubborn: %v after %v", got, time.Since(killed))
	}
	s.status(0, "custom", "TASK_KILLED")
	// Unknown tasks are answered about like in a reconciliation.
	eventually(t, "acknowledged", func() bool {
		return len(at(getState(t, m.URL()), "frameworks").([]any)[0].(map[string]any)["tasks"].([]any)) == 0
	})
	from := s.position()
	s.call("KILL", obj("task_id", value("soft")))
	s.status(from, "soft", "TASK_UNKNOWN")
	s.call("KILL", obj("task_id", value("nobody"), "agent_id", at(o, "agent_id")))
	s.status(from, "nobody", "TASK_GONE")
	s.call("KILL", obj("task_id", value("nobody2"), "agent_id", value("no-such-agent")))
	s.status(from, "nobody2", "TASK_UNKNOWN")
	recordingOf(t, "0", "1").all(s)
}

// What is not supported says so.
func TestLaunchGroupIsRefused(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.call("ACCEPT", obj("offer_ids", list(at(o, "id")), "operations", list(obj("type", "LAUNCH_GROUP", "launch_group", obj(
		"executor", obj("executor_id", value("d"), "type", "DEFAULT"), "task_group", obj("tasks", list(task("g", o, shell("true")))))))))
	if got := at(s.status(0, "g", "TASK_ERROR"), "message"); got != "LAUNCH_GROUP is not supported by this local Mesos" {
		t.Errorf("message %v", got)
	}
}
