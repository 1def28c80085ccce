package local

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// updateStream holds what the scheduler has not acknowledged of one task. The first update
// is in flight, the others wait for its acknowledgement.
type updateStream struct {
	key     taskKey
	pending []mesos.TaskStatus
	delay   time.Duration
	timer   *time.Timer
}

func (s *updateStream) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// addUpdate stores an update and sends it in its turn. Nothing follows a terminal one.
func (a *agent) addUpdate(e *agentExecutor, status mesos.TaskStatus) {
	framework := e.framework.info.ID.Value
	key := taskKey{framework, status.TaskID.Value}
	t := a.tasks[key]
	if e.over[key.task] {
		return
	}
	e.over[key.task] = terminal(status.GetState())
	status.AgentID = &mesos.AgentID{Value: a.id}
	if t != nil {
		if status.GetSource() == mesos.SOURCE_EXECUTOR {
			status.ContainerStatus = a.containerStatus(e)
		}
		t.state, t.status = status.GetState(), &status
	}
	if e.framework.ending {
		return
	}
	s := a.updates[key]
	if s == nil {
		s = &updateStream{key: key}
		a.updates[key] = s
	}
	s.pending = append(s.pending, status)
	if len(s.pending) == 1 {
		a.resend(s)
	}
}

func (a *agent) containerStatus(e *agentExecutor) *mesos.ContainerStatus {
	ip := a.spec.IP
	v4 := mesos.IPv4
	status := &mesos.ContainerStatus{
		ContainerID:  &mesos.ContainerID{Value: e.container},
		NetworkInfos: []mesos.NetworkInfo{{IPAddresses: []mesos.NetworkInfo_IPAddress{{Protocol: &v4, IPAddress: &ip}}}},
	}
	if e.process != nil && e.process.pid > 0 {
		pid := uint32(e.process.pid)
		status.ExecutorPID = &pid
	}
	return status
}

// resend sends the update in flight and starts its retries anew.
func (a *agent) resend(s *updateStream) {
	s.delay = a.cfg.UpdateRetry
	a.forward(s)
}

func (a *agent) forward(s *updateStream) {
	s.stop()
	if len(s.pending) == 0 || !a.up {
		return
	}
	u := statusUpdate{framework: s.key.framework, status: s.pending[0], latest: s.pending[0].GetState()}
	if t := a.tasks[s.key]; t != nil {
		u.latest = t.state
	}
	a.toMaster(func(m *master) { m.statusUpdate(u) })
	s.timer = a.loop.after(s.delay, func() {
		if a.updates[s.key] == s {
			a.forward(s)
		}
	})
	s.delay = min(2*s.delay, a.cfg.UpdateRetryMax)
}

// acknowledge takes the scheduler's acknowledgement of the update in flight; any other uuid
// is ignored.
func (a *agent) acknowledge(framework, task string, uuid []byte) {
	key := taskKey{framework, task}
	s := a.updates[key]
	if s == nil || len(s.pending) == 0 || string(s.pending[0].UUID) != string(uuid) {
		return
	}
	last := s.pending[0]
	s.stop()
	s.pending = s.pending[1:]
	if len(s.pending) > 0 {
		a.resend(s)
		return
	}
	delete(a.updates, key)
	if !terminal(last.GetState()) {
		return
	}
	delete(a.tasks, key)
	if f := a.frameworks[framework]; f != nil {
		a.forget(f)
	}
}
