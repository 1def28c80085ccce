package local

import (
	"fmt"
	"syscall"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// commandStarted reports the two states of a command that runs.
func (a *agent) commandStarted(e *agentExecutor) {
	for _, state := range []mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING} {
		a.commandStatus(e, state, "")
	}
}

// commandEnded reports the end of a command.
func (a *agent) commandEnded(e *agentExecutor, status syscall.WaitStatus) {
	t := a.tasks[taskKey{e.framework.info.ID.Value, e.command.TaskID.Value}]
	if t == nil || terminal(t.state) {
		return
	}
	state, message := mesos.TASK_FAILED, fmt.Sprintf("Command exited with status %d", status.ExitStatus())
	switch {
	case status.Signaled():
		message = "Command terminated with signal " + signalName(status.Signal())
	case status.ExitStatus() == 0:
		state = mesos.TASK_FINISHED
	}
	if e.killed {
		state = mesos.TASK_KILLED
	}
	a.commandStatus(e, state, message)
}

func (a *agent) commandStatus(e *agentExecutor, state mesos.TaskState, message string) {
	source, now := mesos.SOURCE_EXECUTOR, unixNow()
	status := mesos.TaskStatus{
		TaskID: e.command.TaskID, State: &state, Source: &source,
		ExecutorID: &mesos.ExecutorID{Value: e.info.ExecutorID.Value}, Timestamp: &now, UUID: newUUID(),
	}
	if message != "" {
		status.Message = &message
	}
	a.addUpdate(e, status)
}

// defaultKillGrace is what a command gets after SIGTERM where its task has no kill_policy.
const defaultKillGrace = 3 * time.Second

func (a *agent) killCommand(e *agentExecutor) {
	if e.killed || e.process == nil {
		return
	}
	e.killed = true
	grace := defaultKillGrace
	if p := e.command.KillPolicy; p != nil && p.GracePeriod != nil {
		grace = time.Duration(p.GracePeriod.Nanoseconds)
	}
	e.process.terminate()
	e.timer = a.loop.after(grace, e.process.kill)
}
