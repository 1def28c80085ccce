package local

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Maintain schedules an agent (by IP, ip:port or ID) for maintenance: its offers are rescinded
// and come again with the time of its unavailability, and every framework that holds offers of
// it or runs something on it is asked for that with an inverse offer. A zero start ends it.
func (m *Mesos) Maintain(ctx context.Context, name string, start time.Time, duration time.Duration) error {
	return m.onAgent(ctx, name, func(ms *master, a *masterAgent) {
		ms.rescindAll(a)
		ms.rescindInverse(a)
		a.unavailable, a.answers = nil, map[string]InverseAnswer{}
		if !start.IsZero() {
			a.unavailable = &mesos.Unavailability{
				Start:    mesos.TimeInfo{Nanoseconds: start.UnixNano()},
				Duration: &mesos.DurationInfo{Nanoseconds: duration.Nanoseconds()},
			}
		}
		ms.allocate([]string{a.id})
	})
}

// InverseAnswer is what a framework last said to an inverse offer.
type InverseAnswer string

const (
	InverseAccepted InverseAnswer = "accepted"
	InverseDeclined InverseAnswer = "declined"
)

// InverseAnswers are the answers to an agent's inverse offers since its maintenance was
// scheduled, by framework ID.
func (m *Mesos) InverseAnswers(ctx context.Context, name string) (answers map[string]InverseAnswer, err error) {
	err = m.onAgent(ctx, name, func(_ *master, a *masterAgent) { answers = maps.Clone(a.answers) })
	return answers, err
}

// activity is what an operator has made of an agent; each kind includes the ones before.
type activity int

const (
	active activity = iota
	deactivated
	draining
)

// Deactivate (on) rescinds an agent's offers and offers it no more; what runs there goes on.
// Off lets it be offered again in the next round, as REACTIVATE_AGENT does, and ends a Drain.
func (m *Mesos) Deactivate(ctx context.Context, name string, on bool) error {
	return m.inMasterOf(ctx, name, func(ms *master, id string) error {
		if on {
			return ms.setActivity(id, max(ms.activity[id], deactivated))
		}
		return ms.setActivity(id, active)
	})
}

// Drain deactivates an agent and kills its tasks, also what it comes back with after an absence.
func (m *Mesos) Drain(ctx context.Context, name string) error {
	return m.inMasterOf(ctx, name, func(ms *master, id string) error { return ms.setActivity(id, draining) })
}

// setActivity does what an operator wants of an agent, registered or unreachable.
func (m *master) setActivity(id string, to activity) error {
	a := m.agents[id]
	if _, away := m.unreached[id]; a == nil && !away {
		return errNotRegistered
	}
	m.activity[id] = to
	if a == nil || to == active {
		return nil
	}
	m.rescindAll(a)
	if to == draining {
		m.drain(a)
	}
	return nil
}

// drain kills what runs on an agent.
func (m *master) drain(a *masterAgent) {
	for _, t := range m.tasksOn(a.id) {
		a.pendingKills = append(a.pendingKills, pendingKill{t.framework, t.id, nil})
	}
	m.deliverKills(a)
}

// onAgent runs fn in the master with what it knows of a registered agent.
func (m *Mesos) onAgent(ctx context.Context, name string, fn func(*master, *masterAgent)) error {
	return m.inMasterOf(ctx, name, func(ms *master, id string) error {
		a := ms.agents[id]
		if a == nil {
			return errNotRegistered
		}
		fn(ms, a)
		return nil
	})
}

var errNotRegistered = fmt.Errorf("%w: not registered", ErrNoSuchAgent)

// inMasterOf runs fn in the master with an agent's ID.
func (m *Mesos) inMasterOf(ctx context.Context, name string, fn func(ms *master, id string) error) error {
	ag, err := m.agent(name)
	if err != nil {
		return err
	}
	id, said := ag.status().ID, error(nil)
	if err := m.inMaster(ctx, func(ms *master) { said = fn(ms, id) }); err != nil {
		return err
	}
	if said != nil {
		return fmt.Errorf("%s: %w", name, said)
	}
	return nil
}

// inverseOffer is an outstanding one.
type inverseOffer struct {
	id, framework, agent string
}

// askBack sends the inverse offers of an agent that is to be maintained to those who use it or
// hold its offers, and were not asked yet.
func (m *master) askBack(a *masterAgent) {
	if a.unavailable == nil || !a.connected {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(m.frameworks)) {
		f := m.frameworks[id]
		if f.stream == nil || a.answers[id] != "" || !m.uses(f, a) ||
			slices.ContainsFunc(m.inverse, func(o inverseOffer) bool { return o.framework == id && o.agent == a.id }) {
			continue
		}
		o := inverseOffer{m.newOfferID(), id, a.id}
		m.inverse = append(m.inverse, o)
		path := "/slave(1)"
		m.send(f, &scheduler.Event{Type: scheduler.Event_INVERSE_OFFERS, InverseOffers: &scheduler.Event_InverseOffers{
			InverseOffers: []mesos.InverseOffer{{
				OfferID: mesos.OfferID{Value: o.id}, FrameworkID: mesos.FrameworkID{Value: id},
				AgentID: &mesos.AgentID{Value: a.id}, Unavailability: *a.unavailable,
				URL: &mesos.URL{Scheme: "http", Path: &path, Address: mesos.Address{
					Hostname: &a.info.Hostname, IP: &a.info.Hostname, Port: a.info.GetPort()}},
			}},
		}})
	}
}

// uses reports whether f has something of an agent: a task, an executor or an offer.
func (m *master) uses(f *framework, a *masterAgent) bool {
	for _, t := range f.tasks {
		if t.agent == a.id && !t.freed {
			return true
		}
	}
	for key := range a.executors {
		if key.framework == f.id {
			return true
		}
	}
	return slices.ContainsFunc(m.offersOf(f.id), func(o *offer) bool { return o.agent == a.id })
}

// answerInverse takes an answer. Who declines is asked again when the filter is over.
func (m *master) answerInverse(f *framework, ids []mesos.OfferID, filters *mesos.Filters, answer InverseAnswer) {
	for _, id := range ids {
		at := slices.IndexFunc(m.inverse, func(o inverseOffer) bool { return o.id == id.Value && o.framework == f.id })
		if at < 0 {
			continue
		}
		a := m.agents[m.inverse[at].agent]
		m.inverse = slices.Delete(m.inverse, at, at+1)
		if a == nil {
			continue
		}
		a.answers[f.id] = answer
		if answer == InverseDeclined {
			m.loop.after(refuseFor(filters), func() { delete(a.answers, f.id) })
		}
	}
}

// rescindInverse takes an agent's inverse offers back.
func (m *master) rescindInverse(a *masterAgent) {
	m.inverse = slices.DeleteFunc(m.inverse, func(o inverseOffer) bool {
		if o.agent != a.id {
			return false
		}
		if f := m.frameworks[o.framework]; f != nil {
			m.send(f, &scheduler.Event{Type: scheduler.Event_RESCIND_INVERSE_OFFER,
				RescindInverseOffer: &scheduler.Event_RescindInverseOffer{InverseOfferID: mesos.OfferID{Value: o.id}}})
		}
		return true
	})
}
