package local

import "sync/atomic"

// link is the connection between one master and one agent: messages on it keep their order,
// and what is under way when it is cut is lost.
type link struct {
	master *master
	agent  *agent
	broken atomic.Bool
}

func (l *link) toAgent(fn func(*agent)) {
	if l.broken.Load() {
		return
	}
	l.agent.loop.post(func() {
		if !l.broken.Load() {
			fn(l.agent)
		}
	})
}

func (l *link) toMaster(fn func(*master)) {
	if l.broken.Load() {
		return
	}
	l.master.loop.post(func() {
		if !l.broken.Load() {
			fn(l.master)
		}
	})
}

// cut breaks the link for both ends; neither is told.
func (l *link) cut() { l.broken.Store(true) }
