package local_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

func ctxOf(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Scenario 14 and 18: the master is killed and started again, in memory.
func TestMasterRestart(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.AgentReregisterDelay = 500 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("custom", o, custom("executor-1")), task("command", o, shell("sleep 100")))
	s.status(0, "custom", "TASK_RUNNING")
	s.status(0, "command", "TASK_RUNNING")
	before := at(getState(t, m.URL()), "id")

	m.StopMaster()
	if how := s.end(); how == "EOF" {
		t.Error("a killed master sent a last chunk")
	}
	var answers []string
	note := func(answer string) {
		if len(answers) == 0 || answers[len(answers)-1] != answer {
			answers = append(answers, answer)
		}
	}
	probe := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func() int {
		resp, err := probe.Post(m.URL()+"/api/v1/scheduler", "application/json", bytes.NewReader([]byte("{}")))
		if err != nil {
			note("refused")
			return 0
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		note(resp.Status[:3] + " " + string(b))
		return resp.StatusCode
	}
	ask()
	must(t, m.StartMaster(ctxOf(t)))
	eventually(t, "the master serves", func() bool { return ask() == 400 })
	want := []string{"refused", "404 404 Not Found.", "503 Master has not finished recovery", "400 Failed to validate scheduler::Call: Expecting 'type' to be present"}
	if strings.Join(answers, "|") != strings.Join(want, "|") {
		t.Errorf("answers %q, want %q", answers, want)
	}
	again := subscribe(t, m, obj("id", value(s.id)))
	if again.id != s.id {
		t.Errorf("framework ID %s, want %s", again.id, s.id)
	}
	if at(getState(t, m.URL()), "id") == before {
		t.Error("the new master has the old one's ID")
	}
	for _, id := range []string{"custom", "command"} {
		st := again.status(0, id, "TASK_RUNNING")
		if at(st, "reason") != "REASON_AGENT_REREGISTERED" {
			t.Errorf("%s: %v", id, st)
		}
	}
	if got := held(again.offer(0, "")); got["cpus"] != "7.7" {
		t.Errorf("offered %v beside the running tasks", got)
	}
	again.call("KILL", obj("task_id", value("custom")))
	again.status(0, "custom", "TASK_KILLED")
	recordingOf(t, "0", "1").all(again)
}

// A reconciliation before the agents are back answers TASK_UNKNOWN.
func TestReconcileBeforeAgentsAreBack(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.AgentReregisterDelay = 700 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("t1", o, shell("sleep 100")))
	s.status(0, "t1", "TASK_RUNNING")
	m.StopMaster()
	must(t, m.StartMaster(ctxOf(t)))
	eventually(t, "the master serves", func() bool { return ready(m) })
	again := subscribe(t, m, obj("id", value(s.id)))
	again.call("RECONCILE", obj("tasks", list(obj("task_id", value("t1"), "agent_id", at(o, "agent_id")))))
	again.status(0, "t1", "TASK_UNKNOWN")
	again.status(0, "t1", "TASK_RUNNING")
}

func ready(m *local.Mesos) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(m.URL() + "/health")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == 200
}

// Streams that are cut, frozen or without heartbeats.
func TestStreamFaults(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.HeartbeatInterval = 50 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	must(t, m.StopHeartbeats(ctxOf(t), true))
	time.Sleep(100 * time.Millisecond) // one may be on its way
	from := s.position()
	s.quiet(from, 200*time.Millisecond, "HEARTBEAT", is("HEARTBEAT"))
	must(t, m.StopHeartbeats(ctxOf(t), false))
	s.await(from, "HEARTBEAT", is("HEARTBEAT"))

	o := s.offer(0, "")
	m.FreezeMaster(true)
	from = s.position()
	client := &http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get(m.URL() + "/health"); err == nil {
		resp.Body.Close()
		t.Error("a frozen master answered")
	} else if ue := (interface{ Timeout() bool })(nil); !errors.As(err, &ue) || !ue.Timeout() {
		t.Errorf("a frozen master should accept and say nothing: %v", err)
	}
	if n := s.position(); n > from+1 { // one may have been on its way
		t.Errorf("%d events while frozen", n-from)
	}
	m.FreezeMaster(false)
	s.await(from, "HEARTBEAT after the thaw", is("HEARTBEAT"))

	from = s.position()
	must(t, m.RescindOffers(ctxOf(t)))
	e, _ := s.await(from, "RESCIND", is("RESCIND"))
	if at(e.body, "rescind", "offer_id", "value") != at(o, "id", "value") {
		t.Errorf("RESCIND %s", e.raw)
	}
	s.launch(o, task("late", o, shell("true")))
	s.status(from, "late", "TASK_DROPPED")
	s.offer(from, "")

	must(t, m.CutStreams(ctxOf(t)))
	if how := s.end(); how == "EOF" {
		t.Error("a cut stream ended with a last chunk")
	}
	again := subscribe(t, m, obj("id", value(s.id)))
	again.offer(0, "")
}

// Scenario 10: an agent crashes and is restarted; its executors go on.
func TestAgentRestart(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	from := s.position()
	s.launch(o, task("t1", o, custom("executor-1")), task("t2", o, custom("executor-1")), task("cmd", o, shell("sleep 100")),
		task("short", o, shell("sleep 0.4")), task("dies", o, custom("executor-2")))
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
	if st := s.status(from, "t1", "TASK_RUNNING"); at(st, "agent_id", "value") != at(o["127.0.0.3"], "agent_id", "value") {
		t.Errorf("%v", st)
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
	pid := m.Agents()[0].Executors[0].PID
	must(t, m.FreezeAgent("127.0.0.2", true))
	must(t, m.KillExecutor(s.id, "e1", 9))
	eventually(t, "the process is reaped", func() bool { return processState(pid) == "" })
	time.Sleep(100 * time.Millisecond) // the agent's queue has it now
	s.launch(o, task("t2", o, custom("e1")))
	must(t, m.FreezeAgent("127.0.0.2", false))
	s.await(from, "FAILURE", is("FAILURE"))
	if st := s.status(from, "t2", "TASK_DROPPED"); at(st, "reason") != "REASON_EXECUTOR_TERMINATED" || at(st, "source") != "SOURCE_AGENT" {
		t.Errorf("%v", st)
	}
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
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	if back := s.offer(from, ""); at(back, "agent_id", "value") == at(o, "agent_id", "value") {
		t.Error("the agent came back under its old ID")
	}
	rec := recordingOf(t, "0", "1")
	rec.all(s)
}

// Redirect and Answer speak for the master; what is subscribed stays so.
func TestRedirectAndAnswer(t *testing.T) {
	t.Parallel()
	leader, other := start(t, quick(t, "127.0.0.2")), start(t, quick(t))
	must(t, other.Redirect(leader.URL()))
	probe := &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := probe.Post(other.URL()+"/api/v1/scheduler", "application/json", strings.NewReader("{}"))
	must(t, err)
	resp.Body.Close()
	if want := strings.TrimPrefix(leader.URL(), "http:") + "/api/v1/scheduler"; resp.StatusCode != 307 || resp.Header.Get("Location") != want {
		t.Errorf("%d to %q, want 307 to %q", resp.StatusCode, resp.Header.Get("Location"), want)
	}
	must(t, other.Redirect(""))
	if err := other.Redirect("x"); err == nil {
		t.Error("a redirection to no URL was taken")
	}
	s := subscribe(t, leader, nil)
	leader.Answer(503, "overloaded")
	if status, text := s.try("REVIVE", obj()); status != 503 || text != "overloaded" {
		t.Errorf("%d %s", status, text)
	}
	s.offer(0, "127.0.0.2")
	leader.Answer(0, "")
	s.call("REVIVE", obj())
}

// The faults name what they do not find.
func TestFaultErrors(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	if err := m.CrashAgent("127.0.0.9"); !errors.Is(err, local.ErrNoSuchAgent) {
		t.Errorf("CrashAgent: %v", err)
	}
	if err := m.KillExecutor("f", "e", 9); !errors.Is(err, local.ErrNoSuchExecutor) {
		t.Errorf("KillExecutor: %v", err)
	}
	if err := m.StartMaster(ctxOf(t)); err == nil {
		t.Error("a running master was started")
	}
	m.StopMaster()
	m.StopMaster()
	if err := m.CutStreams(ctxOf(t)); err == nil {
		t.Error("CutStreams without a master")
	}
}

// With Chaos everything still comes, in the order that counts.
func TestChaos(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	cfg.Chaos = &local.Chaos{MaxDelay: 30 * time.Millisecond, Seed: 1}
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offers(0, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	for ip, offer := range o {
		s.launch(offer, task(ip, offer, shell("true")))
	}
	for ip := range o {
		s.status(0, ip, "TASK_FINISHED")
	}
	s.mu.Lock()
	states := map[any]string{}
	for _, e := range s.events {
		if id, ok := lookup(e.body, "update", "status", "task_id", "value"); ok {
			if state := " " + at(e.body, "update", "status", "state").(string); !strings.HasSuffix(states[id], state) {
				states[id] += state
			}
		}
	}
	s.mu.Unlock()
	for id, got := range states {
		if got != " TASK_STARTING TASK_RUNNING TASK_FINISHED" {
			t.Errorf("%v:%s", id, got)
		}
	}
	s.call("TEARDOWN", nil)
	if s.end() != "EOF" {
		t.Error("no last chunk")
	}
}
