package local

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// filter hides an agent's resources from a framework's role for a while: whatever is not
// more than what was refused.
type filter struct {
	role, agent string
	refused     pool
	until       time.Time
}

// defaultRefuse is refuse_seconds where a call has no filters.
const defaultRefuse = 5.0

// refuse remembers that f does not want some resources of an agent.
func (m *master) refuse(f *framework, o *offer, rest pool, filters *mesos.Filters) {
	wait := refuseFor(filters)
	if wait == 0 || len(rest) == 0 {
		return
	}
	f.filters = append(f.filters, filter{
		role: o.role, agent: o.agent, refused: rest.allocatedTo(""),
		until: time.Now().Add(wait),
	})
}

// refuseFor is how long filters ask for, at most a year.
func refuseFor(filters *mesos.Filters) time.Duration {
	seconds := defaultRefuse
	if filters != nil && filters.RefuseSeconds != nil {
		seconds = *filters.RefuseSeconds
	}
	if !(seconds >= 0) { // negative or NaN
		seconds = defaultRefuse
	}
	return time.Duration(math.Min(seconds, 365*24*3600) * float64(time.Second))
}

func (f *framework) filtered(role, agent string, p pool) bool {
	return slices.ContainsFunc(f.filters, func(x filter) bool {
		return x.role == role && x.agent == agent && x.refused.contains(p)
	})
}

// claimant is a framework in one of its roles.
type claimant struct {
	framework *framework
	role      string
}

// allocate offers what is free. Every agent goes as a whole to the claimant with the lowest
// share that wants it; agents come in random order. only, where not empty, are the agents to
// look at.
func (m *master) allocate(only []string) {
	now := time.Now()
	var claimants []claimant
	for _, f := range m.frameworks {
		f.filters = slices.DeleteFunc(f.filters, func(x filter) bool { return !now.Before(x.until) })
		if f.stream == nil {
			continue
		}
		for _, role := range f.roles() {
			if !f.suppressed[role] {
				claimants = append(claimants, claimant{f, role})
			}
		}
	}
	if len(claimants) == 0 {
		return
	}
	agents := slices.Sorted(maps.Keys(m.agents))
	m.rand.Shuffle(len(agents), func(i, j int) { agents[i], agents[j] = agents[j], agents[i] })
	events := map[*framework]*scheduler.Event_Offers{}
	whole := m.whole()
	share := m.shares(whole)
	for _, id := range agents {
		a := m.agents[id]
		if !a.connected || m.activity[id] != active || now.Before(a.late) || (len(only) > 0 && !slices.Contains(only, id)) {
			continue
		}
		slices.SortFunc(claimants, func(x, y claimant) int {
			return cmp.Or(
				cmp.Compare(share.role[x.role], share.role[y.role]), cmp.Compare(x.role, y.role),
				cmp.Compare(share.framework[x.framework.id], share.framework[y.framework.id]),
				cmp.Compare(x.framework.id, y.framework.id))
		})
		for _, c := range claimants {
			p := a.free.forRole(c.role).within(share.left(c.role, m.cfg.Limits))
			if !p.offerable() || c.framework.filtered(c.role, id, p) || !m.reachable(c.framework, a) {
				continue
			}
			o := m.offer(c, a, p)
			share.add(c, p, whole)
			if events[c.framework] == nil {
				events[c.framework] = &scheduler.Event_Offers{}
			}
			events[c.framework].Offers = append(events[c.framework].Offers, m.offerProto(c.framework, o))
		}
	}
	for f, offers := range events {
		m.send(f, &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: offers})
	}
	for _, id := range agents {
		m.askBack(m.agents[id])
	}
}

// reachable keeps agents of other regions from frameworks that do not know regions.
func (m *master) reachable(f *framework, a *masterAgent) bool {
	if a.info.Domain == nil || m.info.Domain == nil {
		return true
	}
	return f.capable(mesos.FrameworkInfo_Capability_REGION_AWARE) ||
		a.info.Domain.FaultDomain.Region == m.info.Domain.FaultDomain.Region
}

// offer takes p from an agent for a claimant.
func (m *master) offer(c claimant, a *masterAgent, p pool) *offer {
	o := &offer{
		id: m.newOfferID(), framework: c.framework.id, agent: a.id, role: c.role,
		resources: p.offered().allocatedTo(c.role),
	}
	a.free = a.free.minus(p)
	m.offers[o.id] = o
	return o
}

func (m *master) offerProto(f *framework, o *offer) mesos.Offer {
	a := m.agents[o.agent]
	path := "/slave(1)"
	p := o.resources
	out := mesos.Offer{
		ID: mesos.OfferID{Value: o.id}, FrameworkID: mesos.FrameworkID{Value: o.framework}, AgentID: mesos.AgentID{Value: o.agent},
		Hostname: a.info.Hostname,
		URL: &mesos.URL{Scheme: "http", Path: &path, Address: mesos.Address{
			Hostname: &a.info.Hostname, IP: &a.info.Hostname, Port: a.info.GetPort()}},
		Domain: a.info.Domain, Attributes: a.info.Attributes, Unavailability: a.unavailable,
	}
	if f.capable(mesos.FrameworkInfo_Capability_MULTI_ROLE) {
		out.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &o.role}
	} else {
		p = p.allocatedTo("") // such a framework does not know allocations
	}
	out.Resources = p.protos(f.capable(mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT))
	for key := range a.executors {
		if key.framework == f.id {
			out.ExecutorIDs = append(out.ExecutorIDs, mesos.ExecutorID{Value: key.executor})
		}
	}
	slices.SortFunc(out.ExecutorIDs, func(x, y mesos.ExecutorID) int { return cmp.Compare(x.Value, y.Value) })
	return out
}

// offersOf lists a framework's offers, oldest first.
func (m *master) offersOf(framework string) []*offer {
	var out []*offer
	for _, o := range m.offers {
		if o.framework == framework {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(x, y *offer) int {
		return cmp.Or(cmp.Compare(len(x.id), len(y.id)), cmp.Compare(x.id, y.id))
	})
	return out
}

// withdraw takes an offer back without a word.
func (m *master) withdraw(o *offer) {
	delete(m.offers, o.id)
	if a := m.agents[o.agent]; a != nil {
		a.free = a.free.plus(o.resources.allocatedTo(""))
	}
}

// rescind takes an offer back and says so.
func (m *master) rescind(o *offer) {
	m.withdraw(o)
	if f := m.frameworks[o.framework]; f != nil {
		m.send(f, &scheduler.Event{Type: scheduler.Event_RESCIND, Rescind: &scheduler.Event_Rescind{
			OfferID: mesos.OfferID{Value: o.id}}})
	}
}

// shareTable holds dominant shares: the largest part that somebody has of any resource.
type shareTable struct {
	role, framework map[string]float64
	milli           map[string]map[string]int64 // "r:role" or "f:framework" → resource → amount
}

// whole is the sum of all connected agents.
func (m *master) whole() map[string]int64 {
	sum := map[string]int64{}
	for _, a := range m.agents {
		for _, x := range a.total {
			sum[x.kind.name] += x.milli
		}
	}
	return sum
}

func (m *master) shares(whole map[string]int64) *shareTable {
	t := &shareTable{role: map[string]float64{}, framework: map[string]float64{}, milli: map[string]map[string]int64{}}
	for _, f := range m.frameworks {
		for _, x := range f.tasks {
			if !x.freed {
				t.add(claimant{f, x.role}, x.resources, whole)
			}
		}
	}
	for _, a := range m.agents {
		for key, e := range a.executors {
			if f := m.frameworks[key.framework]; f != nil && len(e.resources) > 0 {
				t.add(claimant{f, e.resources[0].kind.allocation}, e.resources, whole)
			}
		}
	}
	for _, o := range m.offers {
		if f := m.frameworks[o.framework]; f != nil {
			t.add(claimant{f, o.role}, o.resources, whole)
		}
	}
	return t
}

func (t *shareTable) add(c claimant, p pool, whole map[string]int64) {
	t.role[c.role] = t.grow("r:"+c.role, p, whole)
	t.framework[c.framework.id] = t.grow("f:"+c.framework.id, p, whole)
}

func (t *shareTable) grow(key string, p pool, whole map[string]int64) float64 {
	have := t.milli[key]
	if have == nil {
		have = map[string]int64{}
		t.milli[key] = have
	}
	share := 0.0
	for _, x := range p {
		have[x.kind.name] += x.milli
	}
	for name, n := range have {
		if whole[name] > 0 {
			share = max(share, float64(n)/float64(whole[name]))
		}
	}
	return share
}

// left is what a role may still have of each limited scalar.
func (t *shareTable) left(role string, limits map[string]Limit) map[string]int64 {
	limit, limited := limits[role]
	if !limited {
		return nil
	}
	have := t.milli["r:"+role]
	return map[string]int64{"cpus": toMilli(limit.CPUs) - have["cpus"], "mem": toMilli(limit.MemMB) - have["mem"]}
}
