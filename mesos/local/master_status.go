package local

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// masterStatus is a status of the master's own: it has no uuid and is never acknowledged.
func masterStatus(task string, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) *mesos.TaskStatus {
	source, now := mesos.SOURCE_MASTER, unixNow()
	return &mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: task}, State: &state, Source: &source, Reason: &reason, Message: &message, Timestamp: &now,
	}
}

func (m *master) sendStatus(f *framework, status *mesos.TaskStatus) {
	m.send(f, &scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: *status}})
}

// taskStatus is a status of the master's own about a task that it knows.
func taskStatus(t *task, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) *mesos.TaskStatus {
	status := masterStatus(t.id, state, reason, message)
	status.AgentID = &mesos.AgentID{Value: t.agent}
	if t.executor != "" {
		status.ExecutorID = &mesos.ExecutorID{Value: t.executor}
	}
	return status
}

// latest is a task's latest state as the master tells it, with what it last heard of it.
func latest(t *task, reason mesos.TaskStatus_Reason, message string) *mesos.TaskStatus {
	status := taskStatus(t, t.state, reason, message)
	if t.status != nil {
		status.ContainerStatus, status.Healthy = t.status.ContainerStatus, t.status.Healthy
	}
	return status
}

// statusUpdate is one update on its way from an agent to the scheduler. latest is the newest
// state that the agent knows; it may be ahead of the status.
type statusUpdate struct {
	framework string
	status    mesos.TaskStatus
	latest    mesos.TaskState
}

// statusUpdate takes an agent's update: the latest state counts at once, the status is passed on.
func (m *master) statusUpdate(u statusUpdate) {
	f := m.frameworks[u.framework]
	if f == nil {
		return
	}
	// The ID may have been used again on another agent: then the update is only passed on.
	if t := f.tasks[u.status.TaskID.Value]; t != nil && t.agent == u.status.AgentID.GetValue() {
		t.sent, t.sentState = u.status.UUID, u.status.GetState()
		if !terminal(t.state) {
			t.state = u.latest
		}
		if n := len(t.statuses); n == 0 || string(t.statuses[n-1].UUID) != string(u.status.UUID) {
			t.statuses = append(t.statuses, u.status)
		}
		t.status = &u.status
		if terminal(t.state) {
			m.free(t)
		}
	}
	m.sendStatus(f, &u.status)
}

// executorExited passes on that a custom executor is gone.
func (m *master) executorExited(agentID, framework, executor string, status int32) {
	if a := m.agents[agentID]; a != nil {
		m.freeExecutor(a, executorKey{framework, executor})
	}
	if f := m.frameworks[framework]; f != nil {
		m.send(f, &scheduler.Event{Type: scheduler.Event_FAILURE, Failure: &scheduler.Event_Failure{
			AgentID: &mesos.AgentID{Value: agentID}, ExecutorID: &mesos.ExecutorID{Value: executor}, Status: &status}})
	}
}

func (m *master) executorMessage(agentID, framework, executor string, data []byte) {
	if f := m.frameworks[framework]; f != nil {
		m.send(f, &scheduler.Event{Type: scheduler.Event_MESSAGE, Message: &scheduler.Event_Message{
			AgentID: mesos.AgentID{Value: agentID}, ExecutorID: mesos.ExecutorID{Value: executor}, Data: data}})
	}
}

// reconcile answers about the named tasks, or, where none are named, about all that are not
// terminal.
func (m *master) reconcile(f *framework, tasks []scheduler.Call_Reconcile_Task) {
	for _, t := range tasks {
		m.reconcileOne(f, t.TaskID.Value, t.AgentID.GetValue())
	}
	if len(tasks) > 0 {
		return
	}
	for _, id := range f.order {
		if t := f.tasks[id]; !terminal(t.state) {
			m.sendStatus(f, latest(t, mesos.REASON_RECONCILIATION, "Reconciliation: Latest task state"))
		}
	}
}

// reconcileOne answers about one task; agentID may be empty.
func (m *master) reconcileOne(f *framework, id, agentID string) {
	const reason = mesos.REASON_RECONCILIATION
	if t := f.tasks[id]; t != nil {
		m.sendStatus(f, latest(t, reason, "Reconciliation: Latest task state"))
		return
	}
	var status *mesos.TaskStatus
	if since, ok := m.unreached[agentID]; ok {
		status = masterStatus(id, mesos.TASK_UNREACHABLE, reason, "Reconciliation: Task is unreachable")
		status.UnreachableTime = &mesos.TimeInfo{Nanoseconds: since.UnixNano()}
	} else if m.agents[agentID] != nil {
		status = masterStatus(id, mesos.TASK_GONE, reason, "Reconciliation: Task is unknown to the agent")
	} else {
		status = masterStatus(id, mesos.TASK_UNKNOWN, reason, "Reconciliation: Task is unknown")
	}
	if agentID != "" {
		status.AgentID = &mesos.AgentID{Value: agentID}
	}
	state := ifAware(f.partitionAware(), status.GetState())
	status.State = &state
	m.sendStatus(f, status)
}
