package local_test

import (
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// Scenario 03: filters, REVIVE and SUPPRESS.
func TestDeclineSuppressRevive(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	s := subscribe(t, m, nil)
	a, b := "127.0.0.2", "127.0.0.3"
	o := s.offers(0, a, b)

	from := s.position()
	s.decline(0, o[a])
	o[a] = s.offer(from, a)

	from, declined := s.position(), time.Now()
	s.decline(0.4, o[a], o[b])
	o = s.offers(from, a, b)
	if took := time.Since(declined); took < 400*time.Millisecond || took > 900*time.Millisecond {
		t.Errorf("re-offered after %v, want the next round after 0.4 s", took)
	}
	// Without filters the refusal is 5 s: REVIVE clears it, and leaves what is held alone.
	from = s.position()
	s.decline(nil, o[a])
	s.quiet(from, 250*time.Millisecond, "OFFERS", is("OFFERS"))
	s.call("REVIVE", obj())
	o[a] = s.offer(from, a)
	s.quiet(from, 250*time.Millisecond, "offer of the held agent", func(e map[string]any) bool {
		list, _ := at(e, "offers", "offers").([]any)
		for _, x := range list {
			if at(x, "hostname") == b {
				return true
			}
		}
		return false
	})
	// Suppressed: held offers stay usable, nothing new comes.
	from = s.position()
	s.call("SUPPRESS", obj())
	s.launch(o[a], task("t1", o[a], shell("true")))
	s.status(from, "t1", "TASK_FINISHED")
	s.decline(0, o[b])
	s.quiet(from, 300*time.Millisecond, "OFFERS while suppressed", is("OFFERS"))
	s.quiet(from, 0, "RESCIND", is("RESCIND"))
	s.call("REVIVE", nil)
	o = s.offers(from, a, b)
	if held(o[a])["cpus"] != "8" {
		t.Errorf("offered %v after the task ended, want all", held(o[a]))
	}
	// ACCEPT without operations is a DECLINE; offers of two agents are lost without a filter.
	from = s.position()
	s.call("ACCEPT", obj("offer_ids", list(at(o[a], "id")), "operations", list(), "filters", obj("refuse_seconds", 3600)))
	s.quiet(from, 250*time.Millisecond, "OFFERS", is("OFFERS"))
	s.call("REVIVE", obj())
	o[a] = s.offer(from, a)
	from = s.position()
	s.call("ACCEPT", obj("offer_ids", list(at(o[a], "id"), at(o[b], "id")), "operations", list(), "filters", obj("refuse_seconds", 3600)))
	o = s.offers(from, a, b)
	// The rest of an agent is hidden by the ACCEPT's filter only until it is more than that.
	from = s.position()
	s.launchWith(list(at(o[a], "id")), 3600, task("t2", o[a], shell("sleep 0.3")))
	s.status(from, "t2", "TASK_FINISHED")
	if whole := s.offer(from, a); held(whole)["cpus"] != "8" {
		t.Errorf("offered %v, want the whole agent after the task", held(whole))
	}
	recordingOf(t, "0", "1").all(s)
}

// Scenarios 01, 03, 10 and 11: a new stream, a REVIVE and a new agent do not wait for the next round.
func TestOffersAtOnce(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.AllocationInterval = time.Minute
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.decline(3600, o)
	from := s.position()
	s.call("REVIVE", obj())
	s.offer(from, "")
	from = s.position()
	must(t, m.CrashAgent("127.0.0.2"))
	must(t, m.GiveUp(ctxOf(t), "127.0.0.2"))
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	s.offer(from, "")
	// One that was only away for a moment does.
	from = s.position()
	must(t, m.CrashAgent("127.0.0.2"))
	must(t, m.RestartAgent(ctxOf(t), "127.0.0.2"))
	s.await(from, "RESCIND", is("RESCIND"))
	eventually(t, "agent is back", func() bool { is, err := m.Knows(ctxOf(t), "127.0.0.2"); return is && err == nil })
	s.quiet(from, 100*time.Millisecond, "OFFERS", is("OFFERS"))
	s.call("REVIVE", obj())
	s.offer(from, "")
	again := subscribe(t, m, obj("id", value(s.id)))
	again.offer(0, "")
}

// Scenario 03: what a task leaves comes as a new offer; what it frees while that is held, as
// a second one; both are merged when they are returned.
func TestRestOfAnAgent(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	from := s.position()
	s.launch(o, task("t1", o, obj("command", obj("value", "sleep 0.5"),
		"resources", list(scalar("cpus", 0.1), scalar("mem", 32), portResource([2]int{31003, 31004}, [2]int{31010, 31010})))))
	rest := s.offer(from, "")
	if got := held(rest); got["cpus"] != "7.9" || got["mem"] != "8160" || got["ports"] != "[31000-31002,31005-31009,31011-31999]" {
		t.Errorf("rest %v", got)
	}
	s.status(from, "t1", "TASK_FINISHED")
	from = s.position()
	small := s.offer(from, "")
	if got := held(small); got["cpus"] != "0.1" || got["mem"] != "32" || got["ports"] != "[31003-31004,31010-31010]" {
		t.Errorf("freed %v", got)
	}
	from = s.position()
	s.decline(0, rest, small)
	if got := held(s.offer(from, "")); got["cpus"] != "8" || got["ports"] != "[31000-31999]" {
		t.Errorf("merged %v", got)
	}
}

// Scenario 15: ports in launches.
func TestPorts(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	with := func(id string, o map[string]any, ranges ...[2]int) map[string]any {
		return task(id, o, obj("command", obj("value", "sleep 100"),
			"resources", list(scalar("cpus", 0.1), scalar("mem", 32), portResource(ranges...))))
	}
	from := 0
	try := func(tasks ...func(o map[string]any) map[string]any) int {
		o := s.offer(from, "")
		from = s.position()
		var all []any
		for _, f := range tasks {
			all = append(all, f(o))
		}
		s.launch(o, all...)
		return from
	}
	of := func(id string, ranges ...[2]int) func(map[string]any) map[string]any {
		return func(o map[string]any) map[string]any { return with(id, o, ranges...) }
	}
	n := try(of("unsorted", [2]int{31007, 31007}, [2]int{31003, 31004}))
	s.status(n, "unsorted", "TASK_RUNNING")
	n = try(of("used", [2]int{31003, 31003}))
	s.status(n, "used", "TASK_ERROR")
	n = try(of("foreign", [2]int{32000, 32000}))
	s.status(n, "foreign", "TASK_ERROR")
	n = try(of("a", [2]int{31010, 31011}), of("b", [2]int{31011, 31012}))
	s.status(n, "b", "TASK_ERROR")
	s.status(n, "a", "TASK_RUNNING")
	for _, bad := range [][][2]int{{{31039, 31038}}, {{31034, 31035}, {31035, 31035}}} {
		n = try(of("good", [2]int{31020, 31020}), of("bad", bad...))
		st := s.status(n, "good", "TASK_ERROR")
		if !strings.Contains(at(st, "message").(string), "is invalid: Invalid ranges resource") {
			t.Errorf("message %v", at(st, "message"))
		}
		s.status(n, "bad", "TASK_ERROR")
	}
	n = try(of("executor ports", [2]int{31020, 31020}))
	s.status(n, "executor ports", "TASK_RUNNING")
	recordingOf(t, "0", "1").all(s)
}

// Scenario 12: two frameworks in one role.
func TestFairness(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	one := subscribe(t, m, obj("name", "one"))
	o := one.offers(0, "127.0.0.2", "127.0.0.3")
	two := subscribe(t, m, obj("name", "two"))
	two.await(0, "HEARTBEAT", is("HEARTBEAT"))
	two.quiet(0, 300*time.Millisecond, "OFFERS while the first holds all", is("OFFERS"))
	two.call("REVIVE", obj())
	two.quiet(0, 200*time.Millisecond, "OFFERS after REVIVE", is("OFFERS"))
	one.quiet(0, 0, "RESCIND", is("RESCIND"))
	one.decline(3600, o["127.0.0.2"], o["127.0.0.3"])
	p := two.offers(0, "127.0.0.2", "127.0.0.3")
	// Both take anything again: one agent each.
	one.call("REVIVE", obj())
	n1, n2 := one.position(), two.position()
	two.decline(0, p["127.0.0.2"], p["127.0.0.3"])
	mine, theirs := one.offer(n1, ""), two.offer(n2, "")
	if at(mine, "hostname") == at(theirs, "hostname") {
		t.Error("both frameworks were offered the same agent")
	}
	// Held offers of a framework that goes are offered to the other.
	n1 = one.position()
	two.close()
	one.offer(n1, at(theirs, "hostname").(string))
	recordingOf(t, "0", "1").all(one)
}

// Scenario 18: roles, suppressed roles, and an offer in one role at a time.
func TestRoles(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, obj("roles", list("golden", "second"), "suppressed_roles", list("golden", "second")))
	s.await(0, "HEARTBEAT", is("HEARTBEAT"))
	s.quiet(0, 250*time.Millisecond, "OFFERS", is("OFFERS"))
	s.call("REVIVE", obj("roles", list("second")))
	o := s.offer(0, "")
	if at(o, "allocation_info", "role") != "second" {
		t.Errorf("offer in role %v", at(o, "allocation_info", "role"))
	}
	n := s.position()
	s.call("SUPPRESS", obj("roles", list("second")))
	s.call("REVIVE", obj("roles", list("golden")))
	s.call("REVIVE", obj("roles", list("other"))) // ignored
	s.decline(0, o)
	if o = s.offer(n, ""); at(o, "allocation_info", "role") != "golden" {
		t.Errorf("offer in role %v", at(o, "allocation_info", "role"))
	}
	plain := subscribe(t, m, obj("roles", nil, "role", "golden", "capabilities", list()))
	n = plain.position()
	s.call("TEARDOWN", nil)
	o = plain.offer(n, "")
	if _, ok := lookup(o, "allocation_info"); ok {
		t.Error("a framework without MULTI_ROLE was shown an allocation")
	}
	recordingOf(t, "0", "1").all(s)
}

// Reservations go to their role alone, beside what is unreserved.
func TestReservations(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.Agents[0].Reserved = []local.Reservation{{Role: "golden", CPUs: 2, MemMB: 512, Ports: ports(33000, 33009)}}
	m := start(t, cfg)
	other := subscribe(t, m, obj("roles", list("other")))
	o := other.offer(0, "")
	if got := held(o); got["cpus"] != "8" || got["ports"] != "[31000-31999]" {
		t.Errorf("another role was offered %v", got)
	}
	s := subscribe(t, m, nil)
	mine := s.offer(0, "")
	if got := held(mine); got["cpus"] != "2" || got["mem"] != "512" {
		t.Errorf("the role was offered %v beside what the other holds", got)
	}
	r := at(mine, "resources").([]any)[0]
	if at(r.(map[string]any)["reservations"].([]any)[0], "role") != "golden" {
		t.Errorf("reservation %v", r)
	}
	from := s.position()
	resources := list()
	for _, r := range at(mine, "resources").([]any) {
		if at(r, "name") != "ports" {
			resources = append(resources, r)
		}
	}
	s.launch(mine, task("t1", mine, obj("command", obj("value", "true"), "resources", resources)))
	s.status(from, "t1", "TASK_FINISHED")
}
