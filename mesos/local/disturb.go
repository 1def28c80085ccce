package local

import (
	"maps"
	"slices"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// disturb lets a fault have its way before an ACCEPT with tasks is looked at.
func (m *master) disturb(f *framework, call *scheduler.Call_Accept) {
	tasks := tasksOf(call.Operations)
	if len(tasks) > 0 && m.cfg.chaos.loses(f.info.Name, lossDropped) {
		for _, id := range call.OfferIDs {
			if o := m.offers[id.Value]; o != nil {
				m.rescind(o)
			}
		}
	}
	if m.beforeAccept == nil || len(tasks) == 0 {
		return
	}
	var a Accepting
	for _, id := range call.OfferIDs {
		if o := m.offers[id.Value]; o != nil && m.agents[o.agent] != nil {
			a.IP = m.agents[o.agent].cfg.IP
			break
		}
	}
	for _, t := range tasks {
		var ports []int
		for _, r := range t.Resources {
			for _, x := range r.GetRanges().GetRange() {
				for p := x.Begin; r.Name == "ports" && p <= x.End; p++ {
					ports = append(ports, int(p))
				}
			}
		}
		a.Ports = append(a.Ports, ports)
	}
	if !m.beforeAccept(a) {
		return
	}
	for _, id := range call.OfferIDs {
		if o := m.offers[id.Value]; o != nil {
			m.rescind(o)
		}
	}
}

// holdBack keeps an agent out of the next rounds for a while, if there is Chaos.
func (m *master) holdBack(a *masterAgent) {
	if m.cfg.chaos == nil || a == nil || m.rand.IntN(2) == 0 {
		return
	}
	wait := time.Duration(m.rand.Int64N(int64(m.cfg.AllocationInterval)))
	if until := time.Now().Add(wait); until.After(a.late) {
		a.late = until
	}
	m.loop.after(wait+time.Millisecond, func() { m.allocate([]string{a.id}) })
}

// holdSomeBack lets some agents come later than the others.
func (m *master) holdSomeBack() {
	for _, id := range slices.Sorted(maps.Keys(m.agents)) {
		if m.cfg.chaos != nil && m.rand.IntN(4) == 0 {
			m.holdBack(m.agents[id])
		}
	}
}

// loseFor gives an agent up that has just taken a framework's tasks, if the framework is to
// meet that. The agent lives, and is back within an allocation interval.
func (m *master) loseFor(f *framework, a *masterAgent, call *scheduler.Call_Accept) {
	if len(tasksOf(call.Operations)) == 0 || !m.cfg.chaos.loses(f.info.Name, lossUnreachable) {
		return
	}
	interval := int64(m.cfg.AllocationInterval)
	lost, back := time.Duration(m.rand.Int64N(interval)), time.Duration(m.rand.Int64N(interval))
	m.loop.after(lost, func() {
		if m.agents[a.id] != a || !a.connected {
			return
		}
		ag := a.link.agent
		m.unreachable(a)
		ag.loop.after(back, ag.lookAgain)
	})
}
