package local

import (
	"slices"
	"syscall"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// runTask takes a task from the master: it goes to its executor, which is started if it does
// not run yet. fresh says whether the master counted the executor's resources with this task;
// where it thought that one runs, and none does any more, the task is dropped.
func (a *agent) runTask(info *mesos.FrameworkInfo, t mesos.TaskInfo, fresh bool) {
	f := a.frameworks[info.ID.Value]
	if f == nil || f.ending {
		f = &agentFramework{executors: map[string]*agentExecutor{}}
		a.frameworks[info.ID.Value] = f
	}
	f.info = info
	id := t.TaskID.Value
	if t.Executor != nil {
		id = t.Executor.ExecutorID.Value
	}
	e := f.executors[id]
	started := e == nil
	if started {
		e = &agentExecutor{
			framework: f, container: newID(), seen: map[string]bool{}, over: map[string]bool{},
			info: mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: id}, FrameworkID: info.ID},
		}
		if t.Executor != nil {
			e.info = *t.Executor
		} else {
			e.command, e.info.Command = &t, t.Command
		}
		f.executors[id] = e
	}
	delete(e.over, t.TaskID.Value)
	task := &agentTask{info: t, executor: e, state: mesos.TASK_STAGING}
	a.tasks[taskKey{info.ID.Value, t.TaskID.Value}] = task
	aware := (&framework{info: info}).partitionAware()
	switch {
	case started && t.Executor != nil && !fresh:
		delete(f.executors, id)
		a.fail(task, ifAware(aware, mesos.TASK_DROPPED), ending{mesos.REASON_EXECUTOR_TERMINATED,
			"No executor is expected to launch and there is no executor running"})
	case started:
		e.queue = append(e.queue, t.TaskID.Value)
		a.launch(e)
	case e.state == executorTerminating, a.cfg.chaos.loses(info.Name, lossGone):
		a.fail(task, ifAware(aware, mesos.TASK_GONE), ending{mesos.REASON_EXECUTOR_TERMINATED, "Executor terminating"})
	default:
		e.queue = append(e.queue, t.TaskID.Value)
		a.deliver(e)
	}
}

// launch prepares the sandbox away from the loop, then starts the process.
func (a *agent) launch(e *agentExecutor) {
	run := a.newRun(e)
	e.sandbox = run.dir
	name := "launch " + a.place + " " + e.info.ExecutorID.Value
	a.seen.put(e, 0)
	a.work.Go(func() {
		defer run.close()
		a.cfg.chaos.pause(a.ctx, name)
		err := run.prepare(a.ctx)
		started := make(chan *process, 1)
		a.loop.post(func() { started <- a.start(e, run, err) })
		select {
		case p := <-started:
			if p != nil {
				status := p.wait()
				a.loop.post(func() { a.ended(e, status) })
			}
		case <-a.loop.done:
		}
	})
}

// start starts the process of a prepared run. It does so in the loop: an executor is quick to
// subscribe, and its process must be known by then. It returns nil where nothing was started.
func (a *agent) start(e *agentExecutor, run *run, err error) *process {
	if e.gone { // destroyed meanwhile
		return nil
	}
	if !a.up { // a launch dies with its agent
		status := int32(-1)
		e.exited = &status
		return nil
	}
	var p *process
	if err == nil {
		p, err = run.start()
	}
	if err != nil {
		a.log.Warn("container launch failed", "executor", e.info.ExecutorID.Value, "error", err)
		e.why = &ending{mesos.REASON_CONTAINER_LAUNCH_FAILED, "Failed to launch container: " + err.Error()}
		a.ended(e, -1)
		return nil
	}
	e.process = p
	a.seen.put(e, p.pid)
	if e.command != nil {
		e.state = executorRunning
		e.queue = nil
		a.commandStarted(e)
		return p
	}
	e.state = executorRegistering
	e.timer = a.loop.after(a.cfg.ExecutorRegistrationTimeout, func() {
		if e.state == executorRegistering {
			e.why = &ending{mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT,
				"Executor did not register within " + durationString(a.cfg.ExecutorRegistrationTimeout)}
			e.state = executorTerminating
			p.kill()
		}
	})
	return p
}

// deliver sends the queued tasks to a subscribed executor.
func (a *agent) deliver(e *agentExecutor) {
	if e.state != executorRunning || e.stream == nil {
		return
	}
	for _, id := range e.queue {
		if t := a.tasks[taskKey{e.framework.info.ID.Value, id}]; t != nil {
			t.delivered = true
			e.send(&executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: t.info}})
		}
	}
	e.queue = nil
}

// killTask takes a task back that is not delivered yet, or asks its executor to kill it.
func (a *agent) killTask(framework, id string, policy *mesos.KillPolicy) {
	t := a.tasks[taskKey{framework, id}]
	if t == nil || terminal(t.state) {
		return
	}
	e := t.executor
	if i := slices.Index(e.queue, id); i >= 0 {
		e.queue = slices.Delete(e.queue, i, i+1)
		a.fail(t, mesos.TASK_KILLED, ending{mesos.REASON_TASK_KILLED_DURING_LAUNCH, "Killed before delivery to the executor"})
		if len(e.queue) == 0 && !a.busy(e) {
			a.destroy(e)
		}
		return
	}
	if e.command != nil {
		a.killCommand(e)
		return
	}
	e.send(&executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{TaskID: t.info.TaskID, KillPolicy: policy}})
}

// busy reports whether an executor has a task that is not terminal, or was ever subscribed.
func (a *agent) busy(e *agentExecutor) bool {
	if e.command == nil && e.state == executorRunning {
		return true
	}
	for _, t := range a.tasks {
		if t.executor == e && !terminal(t.state) {
			return true
		}
	}
	return false
}

// destroy kills an executor's processes; one that is still being started ends at once, and
// what comes of it is killed.
func (a *agent) destroy(e *agentExecutor) {
	e.state = executorTerminating
	if e.process != nil {
		e.process.kill()
		return
	}
	a.ended(e, -1)
}

// shutdownExecutor asks an executor to end and kills it after its grace period.
func (a *agent) shutdownExecutor(framework, id string) {
	e := a.executor(framework, id)
	if e == nil || e.state == executorTerminating {
		return
	}
	if e.command != nil && e.process != nil {
		a.killCommand(e)
		return
	}
	if e.state != executorRunning || e.stream == nil {
		a.destroy(e)
		return
	}
	e.state = executorTerminating
	e.send(&executor.Event{Type: executor.Event_SHUTDOWN})
	e.timer = a.loop.after(a.grace(e), e.process.kill)
}

// grace is how long an executor may take to end.
func (a *agent) grace(e *agentExecutor) time.Duration {
	if g := e.info.ShutdownGracePeriod; g != nil {
		return time.Duration(g.Nanoseconds)
	}
	return a.cfg.ExecutorShutdownGrace
}

// shutdownFramework ends all that a removed framework has on the agent.
func (a *agent) shutdownFramework(id string) {
	f := a.frameworks[id]
	if f == nil || f.ending {
		return
	}
	f.ending = true
	for key, s := range a.updates {
		if key.framework == id {
			s.stop()
			delete(a.updates, key)
		}
	}
	for _, e := range f.executors {
		a.shutdownExecutor(id, e.info.ExecutorID.Value)
	}
	a.forget(f)
}

// forget drops a framework that has nothing left on the agent.
func (a *agent) forget(f *agentFramework) {
	id := f.info.ID.Value
	if len(f.executors) > 0 {
		return
	}
	for key, t := range a.tasks {
		if t.executor.framework != f {
			continue
		}
		if !f.ending {
			return
		}
		delete(a.tasks, key)
	}
	if a.frameworks[id] == f {
		delete(a.frameworks, id)
	}
}

// ended is told when an executor's processes are gone. Its live tasks fail.
func (a *agent) ended(e *agentExecutor, status int32) {
	if e.gone {
		return
	}
	if !a.up {
		e.exited = &status
		a.seen.drop(e)
		return
	}
	f := e.framework
	id, executorID := f.info.ID.Value, e.info.ExecutorID.Value
	if e.timer != nil {
		e.timer.Stop()
	}
	if e.stream != nil {
		e.stream.end()
		e.stream = nil
	}
	e.state, e.gone = executorTerminating, true
	delete(f.executors, executorID)
	a.seen.drop(e)
	if !f.ending {
		if e.command != nil && status >= 0 {
			a.commandEnded(e, syscall.WaitStatus(status))
		}
		if e.command == nil {
			agentID := a.id
			a.toMaster(func(m *master) { m.executorExited(agentID, id, executorID, status) })
		}
		state, why := mesos.TASK_FAILED, ending{mesos.REASON_EXECUTOR_TERMINATED, "Executor terminated"}
		if e.why != nil {
			why = *e.why
		}
		if why.reason == mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT {
			state = ifAware((&framework{info: f.info}).partitionAware(), mesos.TASK_GONE)
		}
		for _, t := range a.tasksOf(e) {
			if !terminal(t.state) {
				a.fail(t, state, why)
			}
		}
	}
	a.forget(f)
}

// tasksOf lists an executor's tasks by ID.
func (a *agent) tasksOf(e *agentExecutor) []*agentTask {
	var out []*agentTask
	for _, t := range a.tasks {
		if t.executor == e {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(x, y *agentTask) int {
		if x.info.TaskID.Value < y.info.TaskID.Value {
			return -1
		}
		return 1
	})
	return out
}

// fail is a status of the agent's own about a task.
func (a *agent) fail(t *agentTask, state mesos.TaskState, why ending) {
	source, now := mesos.SOURCE_AGENT, unixNow()
	a.addUpdate(t.executor, mesos.TaskStatus{
		TaskID: t.info.TaskID, State: &state, Source: &source, Reason: &why.reason, Message: &why.message,
		ExecutorID: &mesos.ExecutorID{Value: t.executor.info.ExecutorID.Value}, Timestamp: &now, UUID: newUUID(),
	})
}
