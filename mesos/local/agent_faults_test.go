package local_test

import (
	"syscall"
	"testing"
	"time"
)

// Scenario 10: an agent crashes and is restarted; its executors go on.
func TestAgentRestart(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	from := s.position()
	s.launch(o, task("t1", o, custom("executor-1")), task("t2", o, custom("executor-1")), task("cmd", o, shell("sleep 100")),
		task("short", o, shell("sleep 2")), task("dies", o, custom("executor-2")))
	for _, id := range []string{"t1", "t2", "cmd", "short", "dies"} {
		s.status(0, id, "TASK_RUNNING")
	}
	s.offer(from, "")
	from = s.position()
	agent := m.Agents()[0]
	must(t, m.CrashAgent("127.0.0.2"))
	s.await(from, "RESCIND", is("RESCIND"))
	if m.Agents()[0].Up {
		t.Error("the agent is up after a crash")
	}
	must(t, m.KillExecutor(s.id, "executor-2", 9))
	s.call("KILL", obj("task_id", value("t2"), "agent_id", at(o, "agent_id")))
	s.quiet(from, 300*time.Millisecond, "UPDATE while the agent is away", is("UPDATE"))
	must(t, m.RestartAgent(ctxOf(t), agent.ID))
	s.status(from, "t2", "TASK_KILLED") // delivered now
	s.status(from, "dies", "TASK_FAILED")
	s.status(from, "short", "TASK_FINISHED")
	s.quiet(from, 0, "FAILURE", is("FAILURE"))
	o2 := s.offer(from, "")
	if at(o2, "agent_id", "value") != agent.ID {
		t.Errorf("agent ID %v, want %s", at(o2, "agent_id", "value"), agent.ID)
	}
	eventually(t, "resources settle", func() bool {
		used := at(getState(t, m.URL()), "slaves").([]any)[0].(map[string]any)["used_resources"]
		return at(used, "cpus") == 0.3 // t1, cmd and the executor
	})
	// No LAUNCH was repeated; the executor takes another task.
	launches := 0
	for _, e := range executorEvents(t, cfg.Dir, "executor-1") {
		if e["type"] == "LAUNCH" {
			launches++
		}
	}
	if launches != 2 {
		t.Errorf("%d LAUNCH events, want 2", launches)
	}
	s.launch(o2, task("t4", o2, custom("executor-1")))
	s.status(from, "t4", "TASK_RUNNING")
	recordingOf(t, "0", "1").all(s)
}

// An executor that is not back soon after its agent is killed (Slave::reregisterExecutorTimeout).
func TestExecutorIsNotBack(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	s.running(s.offer(0, ""), "t1", "executor-1")
	from := s.position()
	must(t, m.CrashAgent("127.0.0.2"))
	must(t, m.KillExecutor(s.id, "executor-1", syscall.SIGSTOP))
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	if st := s.status(from, "t1", "TASK_GONE"); at(st, "reason") != "REASON_EXECUTOR_REREGISTRATION_TIMEOUT" ||
		at(st, "message") != "Executor did not reregister within 1secs" {
		t.Errorf("%v", st)
	}
}

// Scenario 10: without checkpoint all is lost at once.
func TestNoCheckpoint(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, obj("checkpoint", false))
	s.running(s.offer(0, ""), "n1", "executor-2")
	from := s.position()
	must(t, m.CrashAgent("127.0.0.2"))
	if st := s.status(from, "n1", "TASK_LOST"); at(st, "reason") != "REASON_AGENT_DISCONNECTED" || at(st, "uuid") != nil {
		t.Errorf("%v", st)
	}
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	if got := held(s.offer(from, "")); got["cpus"] != "8" {
		t.Errorf("offered %v", got)
	}
	recordingOf(t, "0", "1").all(s)
}

// Scenario 11: an agent is gone too long, and comes back; another one is frozen.
func TestAgentGone(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.AgentPingTimeout, cfg.AgentMaxPings = 100*time.Millisecond, 3
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	blind := subscribe(t, m, obj("name", "not partition aware", "capabilities", list(obj("type", "MULTI_ROLE"))))
	o := s.offers(0, "127.0.0.2", "127.0.0.3")
	from := s.position()
	s.launch(o["127.0.0.2"], task("a1", o["127.0.0.2"], custom("executor-1")), task("a2", o["127.0.0.2"], shell("sleep 100")))
	s.status(0, "a1", "TASK_RUNNING")
	s.status(0, "a2", "TASK_RUNNING")
	rest := blind.offer(0, "127.0.0.2")
	blind.launch(rest, task("za", rest, shell("sleep 100")))
	blind.status(0, "za", "TASK_RUNNING")

	crashed := time.Now()
	must(t, m.CrashAgent("127.0.0.2"))
	st := s.status(from, "a1", "TASK_UNREACHABLE")
	if took := time.Since(crashed); took < 200*time.Millisecond || took > time.Second {
		t.Errorf("unreachable after %v, want about 0.3 s", took)
	}
	if at(st, "reason") != "REASON_AGENT_REMOVED" || at(st, "unreachable_time", "nanoseconds") == nil {
		t.Errorf("%v", st)
	}
	s.status(from, "a2", "TASK_UNREACHABLE")
	blind.status(0, "za", "TASK_LOST")
	for _, x := range []*scheduler{s, blind} {
		e, _ := x.await(0, "FAILURE", is("FAILURE"))
		if at(e.body, "failure", "executor_id") != nil {
			t.Errorf("FAILURE %s", e.raw)
		}
	}
	agent := at(o["127.0.0.2"], "agent_id")
	n := s.position()
	s.call("RECONCILE", obj("tasks", list(obj("task_id", value("a1"), "agent_id", agent), obj("task_id", value("never"), "agent_id", agent),
		obj("task_id", value("a2")))))
	s.status(n, "a1", "TASK_UNREACHABLE")
	s.status(n, "never", "TASK_UNREACHABLE")
	s.status(n, "a2", "TASK_UNKNOWN")
	n = s.position()
	s.call("RECONCILE", obj("tasks", list()))
	s.quiet(n, 50*time.Millisecond, "answer about unreachable tasks", is("UPDATE"))

	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	for _, id := range []string{"a1", "a2"} {
		if st := s.status(n, id, "TASK_RUNNING"); at(st, "reason") != "REASON_AGENT_REREGISTERED" {
			t.Errorf("%s: %v", id, st)
		}
	}
	blind.status(0, "za", "TASK_RUNNING")
	s.call("RECONCILE", obj("tasks", list(obj("task_id", value("a1")))))
	s.status(n, "a1", "TASK_RUNNING")

	// Frozen: the connection stays, so the offer is rescinded only when it is given up.
	n = s.position()
	must(t, m.FreezeAgent("127.0.0.2", true))
	s.status(n, "a1", "TASK_UNREACHABLE")
	if len(m.Agents()[0].Executors) == 0 {
		t.Error("a frozen agent's executors should run")
	}
	must(t, m.FreezeAgent("127.0.0.2", false))
	s.status(n, "a1", "TASK_RUNNING")
	rec := recordingOf(t, "0", "1")
	rec.all(s)
	rec.all(blind)
}

// An ID that is used again while its first task is unreachable: the newer task counts.
func TestTaskIDUsedAgain(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.AgentPingTimeout, cfg.AgentMaxPings = 50*time.Millisecond, 2
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offers(0, "127.0.0.2", "127.0.0.3")
	s.launch(o["127.0.0.2"], task("t1", o["127.0.0.2"], shell("sleep 100")))
	s.status(0, "t1", "TASK_RUNNING")
	must(t, m.CrashAgent("127.0.0.2"))
	s.status(0, "t1", "TASK_UNREACHABLE")
	from := s.position()
	s.launch(o["127.0.0.3"], task("t1", o["127.0.0.3"], shell("sleep 100")))
	s.status(from, "t1", "TASK_RUNNING")
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	eventually(t, "the older one is killed", func() bool {
		return m.Agents()[0].Up && len(m.Agents()[0].Executors) == 0
	})
	must(t, m.CheckBooks(ctxOf(t)))
	from = s.position()
	s.call("RECONCILE", obj("tasks", list()))
	e, _ := s.await(from, "answer", func(e map[string]any) bool { return at(e, "update", "status", "reason") == "REASON_RECONCILIATION" })
	if at(e.body, "update", "status", "agent_id", "value") != at(o["127.0.0.3"], "agent_id", "value") {
		t.Errorf("the answer is about the older task: %s", e.raw)
	}
}

// A task for an executor that has ended, while the master still thinks that it runs, is
// dropped: nobody counted the resources of a new one.
func TestTaskForAnEndedExecutor(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	from := s.position()
	s.running(o, "t1", "e1")
	o = s.offer(from, "")
	eventually(t, "nothing is on its way to the agent", func() bool { return m.Unacknowledged(ctxOf(t), "127.0.0.2") == 0 })
	must(t, m.FreezeAgent("127.0.0.2", true))
	before := m.Queued("127.0.0.2")
	must(t, m.KillExecutor(s.id, "e1", 9))
	eventually(t, "the ends of the stream and of the process wait for the agent", func() bool {
		return m.Queued("127.0.0.2") >= before+2
	})
	s.launch(o, task("t2", o, custom("e1")))
	must(t, m.FreezeAgent("127.0.0.2", false))
	s.await(from, "FAILURE", is("FAILURE"))
	if st := s.status(from, "t2", "TASK_DROPPED"); at(st, "reason") != "REASON_EXECUTOR_TERMINATED" || at(st, "source") != "SOURCE_AGENT" {
		t.Errorf("%v", st)
	}
	must(t, m.CheckBooks(ctxOf(t)))
}

// A host that is lost takes its executors along.
func TestHostLost(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.AgentPingTimeout, cfg.AgentMaxPings = 50*time.Millisecond, 2
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	s.running(s.offer(0, ""), "t1", "e1")
	pid := m.Agents()[0].Executors[0].PID
	must(t, m.LoseHost("127.0.0.2"))
	eventually(t, "the executor is dead", func() bool {
		state := processState(pid)
		return state == "" || state == "Z"
	})
	s.status(0, "t1", "TASK_UNREACHABLE")
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	s.status(0, "t1", "TASK_FAILED")
	eventually(t, "nothing is used", func() bool {
		return at(at(getState(t, m.URL()), "slaves").([]any)[0], "used_resources", "cpus") == 0.0
	})
	must(t, m.CheckBooks(ctxOf(t)))
}

// Scenario 11: an agent leaves in good order.
func TestAgentLeaves(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("b1", o, shell("sleep 100")))
	s.status(0, "b1", "TASK_RUNNING")
	from := s.position()
	must(t, m.LeaveAgent(ctxOf(t), "127.0.0.2"))
	if st := s.status(from, "b1", "TASK_LOST"); at(st, "reason") != "REASON_AGENT_REMOVED" ||
		at(st, "message") != "Agent 127.0.0.2 removed: the agent unregistered" {
		t.Errorf("%v", st)
	}
	s.await(from, "FAILURE", is("FAILURE"))
	s.call("RECONCILE", obj("tasks", list(obj("task_id", value("b1"), "agent_id", at(o, "agent_id")))))
	s.status(from, "b1", "TASK_UNKNOWN")
	if n := len(m.Agents()[0].Executors); n != 0 {
		t.Errorf("%d executors after the agent left", n)
	}
	from = s.position()
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	if back := s.offer(from, ""); at(back, "agent_id", "value") == at(o, "agent_id", "value") {
		t.Error("the agent came back under its old ID")
	}
	rec := recordingOf(t, "0", "1")
	rec.all(s)
}

// An agent that the master gave up while it lived hears no pings any more, and is back by itself.
func TestAgentThatWasGivenUpIsBack(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.AgentPingTimeout, cfg.AgentMaxPings = 20*time.Millisecond, 3
	m := start(t, cfg)
	if err := m.GiveUp(t.Context(), "127.0.0.2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent to be back", func() bool { return m.Deactivate(t.Context(), "127.0.0.2", false) == nil })
}
