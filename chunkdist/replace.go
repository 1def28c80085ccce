package chunkdist

import "slices"

// Replace returns a plan in which the nodes on lost hosts have new homes on fresh ones. They
// keep index, ID, role, slots and epoch; every other node keeps everything. Hosts say what
// is free now, on hosts of the plan as well as on new ones; a lost host that is offered all
// the same is not used. All rules hold for old and new together. Of spec everything counts
// but Cluster, UID, Masters and Replicas: those are the plan's.
//
// The error is an *InvalidInput or an *Infeasible, as for Place.
func Replace(spec Spec, plan Plan, lost []string, hosts []Host) (Plan, error) {
	spec.Cluster, spec.UID, spec.Masters, spec.Replicas = plan.Cluster, plan.UID, plan.Masters, plan.Replicas
	if err := validateChange(spec, plan, hosts); err != nil {
		return Plan{}, err
	}
	stay := plan
	stay.Nodes = nil
	var homeless []int
	for _, n := range plan.Nodes {
		if slices.Contains(lost, n.Host) {
			homeless = append(homeless, n.Index)
		} else {
			stay.Nodes = append(stay.Nodes, n)
		}
	}
	fresh := slices.DeleteFunc(sorted(hosts), func(h Host) bool { return slices.Contains(lost, h.Name) })
	r := request{spec: spec, hosts: withoutPorts(fresh, stay.Nodes), had: loads(stay.Nodes), shards: plan.Masters}
	m := findHomes(r, plan, homeless)
	if !m.settled() {
		r.solves = func(r request) bool { return findHomes(r, plan, homeless).settled() }
		return Plan{}, m.diagnose(r)
	}
	out := m.moved(r, plan)
	if err := CheckChange(spec, hosts, plan, out); err != nil {
		return Plan{}, err
	}
	return out, nil
}

// moves is the search for homes: which site each homeless node moves to.
type moves struct {
	p      *problem
	nodes  []homeless
	home   []int // by place in nodes: the site, -1 while there is none
	edges  int   // how many the search has built
	forbid map[barred]bool
	wishes map[barred]bool // by wish instead of by group: where a copy should rather not go
}

// homeless is a node to be moved.
type homeless struct {
	index, shard int
	role         Role
}

// barred says that a copy of a shard cannot go to a group: another copy stays there.
type barred struct{ shard, group int }

// findHomes settles the homeless under the strictest rule under which it can.
func findHomes(r request, plan Plan, lost []int) *moves {
	rule := r.spec.DomainRule
	r.spec.DomainRule = Required
	m := newMoves(r, plan, lost)
	if !m.settle() && rule == Preferred {
		r.spec.DomainRule = relaxed
		m = newMoves(r, plan, lost)
		m.settle()
	}
	return m
}

func newMoves(r request, plan Plan, lost []int) *moves {
	p := newProblem(r.spec, r.hosts, survey(r.spec, r.hosts, len(lost)), r.had, r.shards)
	p.order(r.spec, r.hosts)
	m := &moves{p: p, forbid: make(map[barred]bool), wishes: make(map[barred]bool)}
	shard := func(n Node) int {
		if n.Role == Master {
			return n.Index
		}
		return *n.Master
	}
	gone := make(map[int]bool, len(lost))
	for _, i := range lost {
		gone[i] = true
		m.nodes = append(m.nodes, homeless{i, shard(plan.Nodes[i]), plan.Nodes[i].Role})
		m.home = append(m.home, -1)
	}
	site := make(map[string]int, len(p.sites))
	for i, s := range p.sites {
		site[s.name] = i
	}
	for _, n := range plan.Nodes {
		if !gone[n.Index] {
			at := &p.sites[site[n.Host]]
			m.forbid[barred{shard(n), at.group}] = true
			m.wishes[barred{shard(n), at.wish}] = p.wishes != nil
		}
	}
	return m
}

func (m *moves) settled() bool { return !slices.Contains(m.home, -1) }

// settle finds every node a home and reports whether it did: first by giving each the
// emptiest host that may have it, which nearly always works; else by search.
func (m *moves) settle() bool {
	room := 0
	for i := range m.p.sites {
		room += m.p.sites[i].room
	}
	if room >= len(m.nodes) && !m.spread() {
		m.search()
	}
	return m.settled()
}

// spread moves each node, masters first, to the emptiest site that may have it.
func (m *moves) spread() bool {
	p := m.p
	nodes, masters := make([]int, len(p.sites)), make([]int, len(p.sites))
	inGroup := make([]int, len(p.groups))
	taken := make(map[barred]bool)
	for _, role := range []Role{Master, Replica} {
		for k, n := range m.nodes {
			if n.role != role {
				continue
			}
			best := -1
			for i := range p.sites {
				s := &p.sites[i]
				at := barred{n.shard, s.group}
				switch {
				case nodes[i] == s.room || best >= 0 && !m.before(n.shard, i, best, nodes):
				case role == Master && (masters[i] >= s.masters || inGroup[s.group] >= p.groups[s.group].masters):
				case m.forbid[at] || taken[at]:
				default:
					best = i
				}
			}
			if best < 0 {
				return false
			}
			s := p.sites[best]
			m.home[k] = best
			nodes[best]++
			taken[barred{n.shard, s.group}] = true
			m.wishes[barred{n.shard, s.wish}] = p.wishes != nil
			if role == Master {
				masters[best]++
				inGroup[s.group]++
			}
		}
	}
	return true
}

// before reports whether site a is better for a copy of a shard than site b.
func (m *moves) before(shard, a, b int, more []int) bool {
	x, y := &m.p.sites[a], &m.p.sites[b]
	if m.p.wishes != nil {
		if in := m.wishes[barred{shard, x.wish}]; in != m.wishes[barred{shard, y.wish}] {
			return !in
		}
	}
	if d := (x.hadNodes + more[a]) - (y.hadNodes + more[b]); d != 0 {
		return d < 0
	}
	return x.rank < y.rank
}

// moved returns the plan with the nodes in their new homes.
func (m *moves) moved(r request, plan Plan) Plan {
	count := make([]int, len(m.p.sites))
	for _, i := range m.home {
		count[i]++
	}
	plan.Nodes = slices.Clone(plan.Nodes)
	for i, n := range count {
		if n == 0 {
			continue
		}
		h := r.hosts[m.p.sites[i].host]
		free := roomOf(r.spec, h, n).seats(h, r.spec.BusOffset, n)
		for k, at := range m.home {
			if at == i {
				node := &plan.Nodes[m.nodes[k].index]
				node.Host, node.Domain, node.Agent = h.Name, h.domain(), free[0].agent
				node.Port, node.BusPort = free[0].ports.data, free[0].ports.bus
				free = free[1:]
			}
		}
	}
	describe(&plan, r.spec.DomainRule)
	return plan
}
