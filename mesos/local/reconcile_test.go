package local_test

import (
	"testing"
	"time"
)

// Scenario 06: explicit and implicit reconciliation.
func TestReconcile(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("command", o, shell("sleep 100")), task("custom", o, custom("e1")), task("staging", o, custom("e2", "never")),
		task("over", o, shell("true")))
	for _, id := range []string{"command", "custom"} {
		s.status(0, id, "TASK_RUNNING")
	}
	s.status(0, "over", "TASK_FINISHED")
	eventually(t, "the end is acknowledged", func() bool {
		return len(at(getState(t, m.URL()), "frameworks").([]any)[0].(map[string]any)["tasks"].([]any)) == 3
	})
	agent := at(o, "agent_id")
	ask := func(want map[string]string, tasks ...any) {
		t.Helper()
		from := s.position()
		s.call("RECONCILE", obj("tasks", tasks))
		for id, state := range want {
			st := s.status(from, id, state)
			if at(st, "reason") != "REASON_RECONCILIATION" || at(st, "source") != "SOURCE_MASTER" || at(st, "uuid") != nil {
				t.Errorf("%s: %v", id, st)
			}
		}
		s.quiet(from, 50*time.Millisecond, "more than the answers", func(e map[string]any) bool {
			id, ok := lookup(e, "update", "status", "task_id", "value")
			return ok && want[id.(string)] == ""
		})
	}
	all := map[string]string{"command": "TASK_RUNNING", "custom": "TASK_RUNNING", "staging": "TASK_STAGING"}
	ask(all)
	from := s.position()
	s.call("RECONCILE", obj()) // the same as an empty list
	s.status(from, "command", "TASK_RUNNING")
	ask(all, obj("task_id", value("command")), obj("task_id", value("custom"), "agent_id", value("wrong")), obj("task_id", value("staging"), "agent_id", agent))
	ask(map[string]string{"over": "TASK_GONE", "unknown": "TASK_GONE"},
		obj("task_id", value("over"), "agent_id", agent), obj("task_id", value("unknown"), "agent_id", agent))
	ask(map[string]string{"over": "TASK_UNKNOWN", "unknown": "TASK_UNKNOWN"},
		obj("task_id", value("over")), obj("task_id", value("unknown"), "agent_id", value("no-such-agent")))
	recordingOf(t, "0", "1").all(s)

	other := subscribe(t, m, obj("capabilities", list(obj("type", "MULTI_ROLE"))))
	other.call("RECONCILE", obj("tasks", list(obj("task_id", value("custom"), "agent_id", agent))))
	other.status(0, "custom", "TASK_LOST")
	from = other.position()
	other.call("RECONCILE", obj("tasks", list()))
	other.quiet(from, 50*time.Millisecond, "answer to a framework without tasks", is("UPDATE"))
}
