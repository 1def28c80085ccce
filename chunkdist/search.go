package chunkdist

// maxBranches bounds the search for new homes. A shard that lost its master and a replica is
// all that needs branching, and mostly none is needed, so this is far from real requests;
// where it is reached, Replace can refuse what a longer search might have found.
const maxBranches = 2000

// search finds homes for all nodes if there are any, as a flow: from each node, through the
// groups that may have it, to the sites. What a flow cannot say is that a master and a
// replica of one shard must not meet in a group; where they do, one of the two is barred
// from there and the other way is tried after.
func (m *moves) search() {
	branches := 0
	var try func(bans map[ban]bool) bool
	try = func(bans map[ban]bool) bool {
		if branches++; branches > maxBranches || m.flow(bans) < len(m.nodes) {
			return false
		}
		clash, ok := m.clash()
		if !ok {
			return true
		}
		for _, role := range []Role{Master, Replica} {
			b := ban{clash, role}
			bans[b] = true
			if try(bans) {
				return true
			}
			delete(bans, b)
		}
		return false
	}
	if !try(make(map[ban]bool)) {
		for k := range m.home {
			m.home[k] = -1
		}
	}
}

// ban keeps the nodes of one role of a shard out of a group.
type ban struct {
	at   barred
	role Role
}

// clash returns a shard and a group that hold its master and a replica of it.
func (m *moves) clash() (barred, bool) {
	seen := make(map[barred]bool)
	for k, n := range m.nodes {
		at := barred{n.shard, m.p.sites[m.home[k]].group}
		if seen[at] {
			return at, true
		}
		seen[at] = true
	}
	return barred{}, false
}

// flow finds homes under bans, clashes aside, and returns how many there can be.
func (m *moves) flow(bans map[ban]bool) int {
	p := m.p
	g := newGraph()
	source, sink := g.vertex(), g.vertex()
	type gate struct {
		group int
		role  Role
	}
	gates := make(map[gate]int)
	sites := make([]int, len(p.sites))
	for i := range p.sites {
		s := &p.sites[i]
		if s.room == 0 {
			continue
		}
		sites[i] = g.vertex()
		g.edge(sites[i], sink, s.room)
		for _, role := range []Role{Master, Replica} {
			at := gate{s.group, role}
			if gates[at] == 0 {
				gates[at] = g.vertex()
			}
			most := s.room
			if role == Master {
				most = min(most, s.masters)
			}
			g.edge(gates[at], sites[i], most)
		}
	}
	// A group takes its masters through one door; each shard's replicas one at most.
	for gr := range p.groups {
		if v := gates[gate{gr, Master}]; v != 0 {
			door := g.vertex()
			g.edge(door, v, max(0, p.groups[gr].masters))
			gates[gate{gr, Master}] = door
		}
	}
	doors := make(map[barred]int)
	first := make([]int, len(m.nodes))
	for k, n := range m.nodes {
		first[k] = g.vertex()
		g.edge(source, first[k], 1)
		for gr := range p.groups {
			v := gates[gate{gr, n.role}]
			at := barred{n.shard, gr}
			if v == 0 || m.forbid[at] || bans[ban{at, n.role}] {
				continue
			}
			if n.role == Replica {
				if doors[at] == 0 {
					doors[at] = g.vertex()
					g.edge(doors[at], v, 1)
				}
				v = doors[at]
			}
			g.edge(first[k], v, 1)
		}
	}
	if most := g.flow(source, sink); most < len(m.nodes) {
		return most
	}
	for i, v := range sites {
		if v != 0 {
			g.site[v] = i
		}
	}
	for k := range m.nodes {
		m.home[k] = g.follow(first[k])
	}
	return len(m.nodes)
}
