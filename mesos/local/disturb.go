package local

import "github.com/mesos/mesos-go/api/v1/lib/scheduler"

// disturb lets a fault have its way before an ACCEPT with tasks is looked at.
func (m *master) disturb(call *scheduler.Call_Accept) {
	tasks := tasksOf(call.Operations)
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
