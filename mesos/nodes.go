package mesos

import (
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// nodeState is how far a node's task has come. It never goes back.
type nodeState int

const (
	pending nodeState = iota // not launched, as far as we know
	staging                  // launched; nothing heard from the executor
	bound                    // TASK_STARTING: the server is started, bound and held at the barrier
	running                  // TASK_RUNNING: it answers
	failed                   // it will not run any more
	states
)

// node is what is known of one node's task.
type node struct {
	state   nodeState
	failure contracts.TaskFailure // when failed
	// settled: reconciliation has nothing to ask about the task in this generation.
	settled bool
	// missing is the state by which a master said that it knows no such task; since is when
	// it first said so.
	missing v1.TaskState
	since   time.Time
	// absent: it kept saying so for long enough to believe it.
	absent bool
}

// nodes is what is known of a plan's tasks: a value without I/O or clock.
type nodes struct {
	plan  chunkdist.Plan
	nodes []node
	count [states]int
	// goneAfter and unknownAfter are how long a master must have been saying TASK_GONE or
	// TASK_UNKNOWN in reconciliation. The first may overtake an ACCEPT that is under way;
	// the second is what a restarted master says of every agent that is not back yet.
	goneAfter, unknownAfter time.Duration
	absent                  int // nodes that are absent and have not been judged
}

func newNodes(plan chunkdist.Plan, goneAfter, unknownAfter time.Duration) *nodes {
	n := &nodes{plan: plan, nodes: make([]node, len(plan.Nodes)), goneAfter: goneAfter, unknownAfter: unknownAfter}
	n.count[pending] = len(plan.Nodes)
	for i := range n.nodes {
		n.nodes[i].settled = true
	}
	return n
}

func (n *nodes) set(i int, s nodeState) (changed bool) {
	at := &n.nodes[i]
	if s <= at.state {
		return false
	}
	n.count[at.state]--
	n.count[s]++
	at.state = s
	return true
}

func (n *nodes) fail(i int, f contracts.TaskFailure) (changed bool) {
	if !n.set(i, failed) {
		return false
	}
	p := n.plan.Nodes[i]
	f.Task, f.Node, f.Host, f.Agent = bundle.TaskID(i), i, p.Host, p.Agent
	n.nodes[i].failure, n.nodes[i].settled = f, true
	return true
}

// launched notes that the tasks of an agent are being handed to the master.
func (n *nodes) launched(agent string) {
	for i, p := range n.plan.Nodes {
		if p.Agent == agent {
			n.set(i, staging)
		}
	}
}

// doubt makes every task that still counts a case for reconciliation.
func (n *nodes) doubt() {
	for i := range n.nodes {
		if s := n.nodes[i].state; s != pending && s != failed {
			n.nodes[i].settled, n.nodes[i].missing = false, 0
		}
	}
}

// doubtAgent makes the tasks of one agent a case for reconciliation.
func (n *nodes) doubtAgent(agent string) {
	for i, p := range n.plan.Nodes {
		if p.Agent == agent && n.nodes[i].state == staging {
			n.nodes[i].settled = false
		}
	}
}

// doubtAll makes every task a case for reconciliation, launched or not.
func (n *nodes) doubtAll() {
	n.absent = 0
	for i := range n.nodes {
		if n.nodes[i].state != failed {
			n.nodes[i].settled, n.nodes[i].missing, n.nodes[i].absent = false, 0, false
		}
	}
}

// forget is the state before any launch.
func (n *nodes) forget() {
	for i := range n.nodes {
		n.nodes[i] = node{settled: true}
	}
	n.count, n.absent = [states]int{pending: len(n.nodes)}, 0
}

// unsettled are the tasks to reconcile, task ID → agent ID; with all also those that nothing
// is wrong with, but that do not run yet.
func (n *nodes) unsettled(all bool) map[string]string {
	ask := map[string]string{}
	for i, at := range n.nodes {
		if !at.settled || all && (at.state == staging || at.state == bound) {
			ask[bundle.TaskID(i)] = n.plan.Nodes[i].Agent
		}
	}
	return ask
}

// status takes a status update in. changed reports whether a node moved, open whether the
// task is still a case for reconciliation.
func (n *nodes) status(st v1.TaskStatus, now time.Time) (changed, open bool) {
	i, err := bundle.NodeIndex(st.TaskID.Value)
	if err != nil || i >= len(n.nodes) || st.State == nil {
		return false, false // not one of the plan's, or of a state that a newer Mesos has
	}
	changed = n.move(i, st, now)
	return changed, !n.nodes[i].settled
}

func (n *nodes) move(i int, st v1.TaskStatus, now time.Time) (changed bool) {
	at := &n.nodes[i]
	reconciled := st.GetReason() == v1.REASON_RECONCILIATION && st.Reason != nil
	switch state := st.GetState(); state {
	case v1.TASK_STAGING:
		changed = n.set(i, staging)
	case v1.TASK_STARTING:
		changed = n.set(i, bound)
	case v1.TASK_RUNNING:
		changed = n.set(i, running)
	case v1.TASK_KILLING:
		// its end follows
	case v1.TASK_UNKNOWN:
		return n.unknown(i, state, now, n.unknownAfter)
	case v1.TASK_GONE:
		if reconciled {
			return n.unknown(i, state, now, n.goneAfter)
		}
		return n.fail(i, failureOf(st))
	case v1.TASK_FINISHED, v1.TASK_FAILED, v1.TASK_KILLED, v1.TASK_ERROR, v1.TASK_LOST,
		v1.TASK_DROPPED, v1.TASK_UNREACHABLE, v1.TASK_GONE_BY_OPERATOR:
		// Mesos calls an agent unreachable only after a long silence (75s by default):
		// another attempt elsewhere is sooner than its return.
		return n.fail(i, failureOf(st))
	default:
		return false
	}
	if at.absent {
		n.absent--
	}
	at.settled, at.missing, at.absent = true, 0, false
	return changed
}

// unknown notes that a master knows no task of node i. It is believed, and the node absent,
// once it has been the answer for long enough.
func (n *nodes) unknown(i int, state v1.TaskState, now time.Time, after time.Duration) (changed bool) {
	at := &n.nodes[i]
	if at.state == failed || at.absent {
		return false
	}
	if at.missing != state {
		at.missing, at.since, at.settled = state, now, false
		return false
	}
	if now.Sub(at.since) < after {
		return false
	}
	at.absent, at.settled = true, true
	n.absent++
	return true
}

// failAbsent makes failures of the nodes that are absent.
func (n *nodes) failAbsent() (changed bool) {
	if n.absent == 0 {
		return false
	}
	n.absent = 0
	for i, at := range n.nodes {
		if at.absent && n.fail(i, contracts.TaskFailure{
			State: at.missing.String(), Reason: v1.REASON_RECONCILIATION.String(),
			Message: "the task is gone, or was never launched",
		}) {
			changed = true
		}
	}
	return changed
}

// failAgent makes failures of every node on an agent that still counts.
func (n *nodes) failAgent(agent string, f contracts.TaskFailure) (changed bool) {
	for i, p := range n.plan.Nodes {
		if p.Agent == agent && n.nodes[i].state != pending && n.fail(i, f) {
			changed = true
		}
	}
	return changed
}

// waiting are the agents with a node that is held at the barrier or may be.
func (n *nodes) waiting() []string {
	var agents []string
	seen := map[string]bool{}
	for i, p := range n.plan.Nodes {
		if s := n.nodes[i].state; (s == staging || s == bound) && !seen[p.Agent] {
			seen[p.Agent] = true
			agents = append(agents, p.Agent)
		}
	}
	return agents
}

// found counts the answers of a reconciliation: done once every task has one.
func (n *nodes) found() (known, absent int, done bool) {
	done = true
	for _, at := range n.nodes {
		switch {
		case at.absent:
			absent++
		case at.settled:
			known++
		default:
			done = false
		}
	}
	return known, absent, done
}

func (n *nodes) progress() Progress {
	p := Progress{Total: len(n.nodes), Running: n.count[running], Failed: n.count[failed]}
	p.Bound = p.Running + n.count[bound]
	p.Launched = p.Bound + n.count[staging] + p.Failed
	return p
}

func (n *nodes) failures() []contracts.TaskFailure {
	var all []contracts.TaskFailure
	for _, at := range n.nodes {
		if at.state == failed {
			all = append(all, at.failure)
		}
	}
	return all
}

func failureOf(st v1.TaskStatus) contracts.TaskFailure {
	f := contracts.TaskFailure{State: st.GetState().String(), Message: st.GetMessage()}
	if st.Reason != nil {
		f.Reason = st.GetReason().String()
	}
	return f
}
