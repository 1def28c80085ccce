package local

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// crash forgets what a killed agent would: its connections and timers.
func (a *agent) crash() {
	if !a.up {
		return
	}
	a.setUp(false)
	if l := a.link; l != nil {
		a.link = nil
		l.cut()
		l.master.loop.post(func() { l.master.agentLost(l) })
	}
	for _, s := range a.updates {
		s.stop()
	}
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			e.back = false
			if e.stream != nil {
				e.stream.cut()
				e.stream = nil
			}
			if !f.info.GetCheckpoint() {
				f.ending = true
				if e.process != nil {
					e.process.kill()
				}
			}
		}
	}
}

// recover brings a crashed agent back: it settles what ended meanwhile, gives the others
// time to subscribe again, and then registers.
func (a *agent) recover() {
	if a.up {
		return
	}
	a.leaving = false
	a.setUp(true)
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			if e.exited == nil {
				continue
			}
			status := *e.exited
			e.exited = nil
			a.ended(e, status)
		}
	}
	a.loop.after(a.cfg.ExecutorReregistrationTimeout, func() {
		for _, f := range a.frameworks {
			for _, e := range f.executors {
				if e.command == nil && !e.back && e.process != nil && e.state == executorRunning {
					e.why = &ending{mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
						"Executor did not reregister within " + durationString(a.cfg.ExecutorReregistrationTimeout)}
					a.destroy(e)
				}
			}
		}
		a.register()
	})
}

// lookAgain looks, after a freeze or without pings, whether the master has given the agent up.
func (a *agent) lookAgain() {
	if a.link != nil && a.link.broken.Load() {
		a.link = nil
		a.register()
	}
}

// leave unregisters and shuts everything down.
func (a *agent) leave() {
	a.leaving = true
	if l := a.link; l != nil {
		l.toMaster(func(m *master) { m.unregister(l) })
	}
	for id := range a.frameworks {
		a.shutdownFramework(id)
	}
}
