package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
	"golang.org/x/sys/unix"
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
	restartMaster(t, m)
	again := subscribe(t, m, obj("id", value(s.id)))
	again.call("RECONCILE", obj("tasks", list(obj("task_id", value("t1"), "agent_id", at(o, "agent_id")))))
	again.status(0, "t1", "TASK_UNKNOWN")
	again.status(0, "t1", "TASK_RUNNING")
}

// A framework whose scheduler is not back since the master's restart is not removed by its failover
// timeout: that begins when a scheduler disconnects.
func TestRecoveredFrameworkStays(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	short := obj("failover_timeout", 0.1)
	s := subscribe(t, m, short)
	o := s.offer(0, "")
	s.launch(o, task("t1", o, shell("sleep 100")))
	s.status(0, "t1", "TASK_RUNNING")
	restartMaster(t, m)
	frameworks := func() (ids []any) {
		for _, f := range at(getState(t, m.URL()), "frameworks").([]any) {
			ids = append(ids, at(f, "id"))
		}
		return ids
	}
	eventually(t, "the agent is back", func() bool { return slices.Contains(frameworks(), any(s.id)) })
	for range 3 { // of the same timeout, each later than s
		other := subscribe(t, m, short)
		other.close()
		eventually(t, "the timeout of one that disconnected is over", func() bool { return !slices.Contains(frameworks(), any(other.id)) })
	}
	if !slices.Contains(frameworks(), any(s.id)) {
		t.Error("the recovered framework is gone")
	}
	back := subscribe(t, m, obj("id", value(s.id), "failover_timeout", 0.1))
	back.close()
	eventually(t, "its own timeout is over", func() bool { return !slices.Contains(frameworks(), any(s.id)) })
}

// restartMaster returns when the master serves again.
func restartMaster(t *testing.T, m *local.Mesos) {
	t.Helper()
	m.StopMaster()
	must(t, m.StartMaster(ctxOf(t)))
	eventually(t, "the master serves", func() bool { return ready(m) })
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

// Redirect and Answer speak for the master; what is subscribed stays so.
func TestRedirectAndAnswer(t *testing.T) {
	t.Parallel()
	leader, other := start(t, quick(t, "127.0.0.2")), start(t, quick(t))
	probe := &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, to := range []string{leader.URL(), strings.TrimPrefix(leader.URL(), "http:")} {
		must(t, other.Redirect(to))
		resp, err := probe.Post(other.URL()+"/api/v1/scheduler", "application/json", strings.NewReader("{}"))
		must(t, err)
		resp.Body.Close()
		if want := to + "/api/v1/scheduler"; resp.StatusCode != 307 || resp.Header.Get("Location") != want {
			t.Errorf("%d to %q, want 307 to %q", resp.StatusCode, resp.Header.Get("Location"), want)
		}
	}
	ask, err := http.NewRequestWithContext(t.Context(), "GET", other.URL()+"/health", nil)
	must(t, err)
	ask.Host = strings.TrimPrefix(leader.URL(), "http://")
	resp, err := probe.Do(ask)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%d for who comes under the leader's name, want 200", resp.StatusCode)
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

// An ACCEPT that crosses with the RESCIND of its offers: the RESCIND comes first, then the task
// is told that its offers are not valid. The next ACCEPT is let through.
func TestRescindBeforeAccept(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	var calls []local.Accepting
	must(t, m.BeforeAccept(ctxOf(t), func(a local.Accepting) bool {
		calls = append(calls, a)
		return len(calls) == 1
	}))
	o := s.offer(0, "127.0.0.2")
	from := s.position()
	crossed := task("crossed", o, shell("true"))
	crossed["resources"] = list(scalar("cpus", 0.1), scalar("mem", 32), portResource([2]int{31000, 31001}))
	s.launch(o, crossed)
	_, from = s.await(from, "RESCIND", is("RESCIND"))
	if status := s.status(from, "crossed", "TASK_DROPPED"); at(status, "reason") != "REASON_INVALID_OFFERS" {
		t.Errorf("the status is %v", status)
	}
	o = s.offer(from, "127.0.0.2")
	s.launch(o, task("through", o, shell("true")))
	s.status(from, "through", "TASK_FINISHED")
	must(t, m.BeforeAccept(ctxOf(t), nil))
	if len(calls) != 2 || calls[0].IP != "127.0.0.2" || len(calls[0].Ports) != 1 || len(calls[0].Ports[0]) != 2 {
		t.Errorf("the hook saw %+v", calls)
	}
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

// What is down keeps its port: nobody else may bind it, and it comes back there.
func TestAddressIsKept(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	agent := m.Agents()[0]
	m.StopMaster()
	must(t, m.CrashAgent(agent.IP))
	for _, addr := range []string{strings.TrimPrefix(m.URL(), "http://"), fmt.Sprintf("%s:%d", agent.IP, agent.Port)} {
		if err := bindAlone(t, addr); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s may be another's: %v", addr, err)
		}
		if _, err := net.Dial("tcp", addr); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s answers: %v", addr, err)
		}
	}
	must(t, m.StartMaster(ctxOf(t)))
	must(t, m.RestartAgent(ctxOf(t), agent.IP))
	if again := m.Agents()[0]; again.Port != agent.Port {
		t.Errorf("the agent has left port %d for %d", agent.Port, again.Port)
	}
}

// bindAlone binds an address for a moment, as who is given a port by the system does: it shares it with nobody.
func bindAlone(t *testing.T, addr string) error {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	to := netip.MustParseAddrPort(addr)
	return unix.Bind(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
}
