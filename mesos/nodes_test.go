package mesos

import (
	"fmt"
	"slices"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// planOf is a plan of n masters, one on each agent.
func planOf(n int) chunkdist.Plan {
	p := chunkdist.Plan{Cluster: "orders", UID: "uid", Masters: n}
	for i := range n {
		p.Nodes = append(p.Nodes, chunkdist.Node{
			Index: i, ID: chunkdist.NodeID("uid", i), Host: fmt.Sprintf("10.0.0.%d", i+1), Agent: fmt.Sprint("a", i),
			Port: 31000, BusPort: 31001, Role: chunkdist.Master, Epoch: uint64(i) + 1, Slots: [][2]int{chunkdist.SlotRange(i, n)},
		})
	}
	return p
}

func statusOf(node int, state v1.TaskState, reason ...v1.TaskStatus_Reason) v1.TaskStatus {
	st := v1.TaskStatus{TaskID: v1.TaskID{Value: bundle.TaskID(node)}, State: &state}
	if len(reason) > 0 {
		st.Reason = &reason[0]
	}
	return st
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A story: steps, and what is known after each.
func TestNodes(t *testing.T) {
	t.Parallel()
	const reconciled = v1.REASON_RECONCILIATION
	type at struct {
		after  time.Duration
		status v1.TaskStatus
		want   Progress
		ask    int // tasks that need reconciliation
	}
	p := func(launched, bound, running, failed int) Progress {
		return Progress{Total: 2, Launched: launched, Bound: bound, Running: running, Failed: failed}
	}
	for name, steps := range map[string][]at{
		"as it should be": {
			{0, statusOf(0, v1.TASK_STARTING), p(2, 1, 0, 0), 0},
			{0, statusOf(0, v1.TASK_RUNNING), p(2, 1, 1, 0), 0},
			{0, statusOf(1, v1.TASK_STARTING), p(2, 2, 1, 0), 0},
			{0, statusOf(1, v1.TASK_RUNNING), p(2, 2, 2, 0), 0},
		},
		"repeated and reordered": {
			{0, statusOf(0, v1.TASK_RUNNING), p(2, 1, 1, 0), 0},
			{0, statusOf(0, v1.TASK_STARTING), p(2, 1, 1, 0), 0},
			{0, statusOf(0, v1.TASK_STAGING, reconciled), p(2, 1, 1, 0), 0},
			{0, statusOf(7, v1.TASK_RUNNING), p(2, 1, 1, 0), 0},
		},
		"ended is ended": {
			{0, statusOf(0, v1.TASK_FAILED), p(2, 0, 0, 1), 0},
			{0, statusOf(0, v1.TASK_RUNNING), p(2, 0, 0, 1), 0},
			{0, statusOf(1, v1.TASK_DROPPED), p(2, 0, 0, 2), 0},
		},
		"killing is not killed": {
			{0, statusOf(0, v1.TASK_KILLING), p(2, 0, 0, 0), 0},
			{0, statusOf(0, v1.TASK_KILLED), p(2, 0, 0, 1), 0},
		},
		"the master restarted and agents come back": {
			{0, statusOf(0, v1.TASK_UNKNOWN, reconciled), p(2, 0, 0, 0), 1},
			{80 * time.Second, statusOf(0, v1.TASK_UNKNOWN, reconciled), p(2, 0, 0, 0), 1},
			{85 * time.Second, statusOf(0, v1.TASK_RUNNING), p(2, 1, 1, 0), 0},
		},
		"the agent does not come back": {
			{0, statusOf(0, v1.TASK_UNKNOWN, reconciled), p(2, 0, 0, 0), 1},
			{91 * time.Second, statusOf(0, v1.TASK_UNKNOWN, reconciled), p(2, 0, 0, 1), 0},
		},
		"RECONCILE overtook ACCEPT": {
			{0, statusOf(0, v1.TASK_GONE, reconciled), p(2, 0, 0, 0), 1},
			{500 * time.Millisecond, statusOf(0, v1.TASK_STAGING, reconciled), p(2, 0, 0, 0), 0},
		},
		"never launched": {
			{0, statusOf(0, v1.TASK_GONE, reconciled), p(2, 0, 0, 0), 1},
			{2 * time.Second, statusOf(0, v1.TASK_GONE, reconciled), p(2, 0, 0, 1), 0},
		},
		"UNKNOWN does not make GONE older": {
			{0, statusOf(0, v1.TASK_UNKNOWN, reconciled), p(2, 0, 0, 0), 1},
			{60 * time.Second, statusOf(0, v1.TASK_GONE, reconciled), p(2, 0, 0, 0), 1},
			{62 * time.Second, statusOf(0, v1.TASK_GONE, reconciled), p(2, 0, 0, 1), 0},
		},
		"gone for good, says the agent": {
			{0, statusOf(0, v1.TASK_GONE, v1.REASON_AGENT_REMOVED), p(2, 0, 0, 1), 0},
		},
		"a state of a newer Mesos": {
			{0, statusOf(0, v1.TaskState(99)), p(2, 0, 0, 0), 0},
			{0, v1.TaskStatus{TaskID: v1.TaskID{Value: "node-0"}}, p(2, 0, 0, 0), 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNodes(planOf(2), time.Second, 90*time.Second)
			n.launched("a0")
			n.launched("a1")
			for i, step := range steps {
				before := n.progress()
				changed, open := n.status(step.status, start.Add(step.after))
				changed = n.failAbsent() || changed
				after := n.progress()
				if after != step.want || (after != before) != changed {
					t.Fatalf("step %d: %+v, changed %v; want %+v", i+1, after, changed, step.want)
				}
				if ask := n.unsettled(false); len(ask) != step.ask || open != (len(ask) > 0) {
					t.Fatalf("step %d: reconciles %v, open %v; want %d", i+1, ask, open, step.ask)
				}
			}
		})
	}
}

// Every state that a task does not come back from ends its node, also one that no test of Mesos shows.
func TestStatesThatEndANode(t *testing.T) {
	t.Parallel()
	for number, name := range v1.TaskState_name {
		state := v1.TaskState(number)
		goesOn := slices.Contains([]v1.TaskState{v1.TASK_STAGING, v1.TASK_STARTING, v1.TASK_RUNNING, v1.TASK_KILLING, v1.TASK_UNKNOWN}, state)
		n := newNodes(planOf(1), time.Second, 90*time.Second)
		n.launched("a0")
		n.status(statusOf(0, state), time.Unix(1000, 0))
		if failed := n.progress().Failed == 1; failed == goesOn {
			t.Errorf("%s: the node failed: %v", name, failed)
		}
	}
}

func TestNodesAfterAReconnect(t *testing.T) {
	t.Parallel()
	n := newNodes(planOf(3), time.Second, 90*time.Second)
	n.doubt()
	if ask := n.unsettled(true); len(ask) != 0 {
		t.Errorf("reconciles %v before any launch", ask)
	}
	n.launched("a0")
	n.launched("a1")
	n.status(statusOf(0, v1.TASK_RUNNING), start)
	n.status(statusOf(1, v1.TASK_FAILED), start)
	n.doubt()
	if ask := n.unsettled(false); len(ask) != 1 || ask["node-0"] != "a0" {
		t.Errorf("reconciles %v, want node 0 on a0: what has ended needs no question", ask)
	}
	if n.status(statusOf(0, v1.TASK_RUNNING, v1.REASON_RECONCILIATION), start); len(n.unsettled(false)) != 0 {
		t.Error("an answer settles it")
	}
	if ask := n.unsettled(true); len(ask) != 0 {
		t.Errorf("what runs needs no question either: %v", ask)
	}
}

func TestWaitStatusInWords(t *testing.T) {
	t.Parallel()
	for status, want := range map[int32]string{
		0: "exit status 0", 1792: "exit status 7", 9: "killed by signal 9 (killed)", -1: "it never started",
	} {
		if got := describeWait(&status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
	if got := describeWait(nil); got != "how is not known" {
		t.Error(got)
	}
}
