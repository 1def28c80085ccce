package chunkdist

// maxEdges bounds the search for new homes, in edges of the networks that it builds: a
// thousand nodes on a few thousand hosts. Beyond it, Replace can refuse what a longer search
// might have found; but nearly always there is nothing to search for at all, see settle.
const maxEdges = 5_000_000

// search finds homes for all nodes if there are any, as a flow: from each node, through the
// groups that may have it, to the sites. What a flow cannot say is that a master and a
// replica of one shard must not meet in a group; where they do, one of the two is barred
// from there and the other way is tried after.
func (m *moves) search() {
	var try func(bans map[ban]bool) bool
	try = func(bans map[ban]bool) bool {
		if m.flow(bans) < len(m.nodes) {
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

// flow finds homes under bans, clashes aside, and returns how many there can be; none where
// the search has used up its edges.
func (m *moves) flow(bans map[ban]bool) int {
	n := m.newNetwork()
	if m.edges += len(m.nodes) * len(n.open); m.edges > maxEdges {
		return 0
	}
	first := make([]int, len(m.nodes))
	for k, node := range m.nodes {
		first[k] = n.g.vertex()
		n.g.edge(n.source, first[k], 1)
		for _, gr := range n.open {
			if at := (barred{node.shard, gr}); !m.forbid[at] && !bans[ban{at, node.role}] {
				n.g.edge(first[k], n.way(at, node.role), 1)
			}
		}
	}
	if most := n.g.flow(n.source, n.sink); most < len(m.nodes) {
		return most
	}
	for k := range m.nodes {
		m.home[k] = n.site[n.g.follow(first[k], n.site)]
	}
	return len(m.nodes)
}

// network is the part of the flow that all nodes share: from the groups to the sites.
type network struct {
	g            *graph
	source, sink int
	site         map[int]int // vertices that stand for sites
	open         []int       // groups with room
	gates        map[gate]int
	doors        map[barred]int
}

// gate is where a group takes its masters, or its replicas.
type gate struct {
	group int
	role  Role
}

func (m *moves) newNetwork() *network {
	n := &network{g: new(graph), site: make(map[int]int), gates: make(map[gate]int), doors: make(map[barred]int)}
	n.source, n.sink = n.g.vertex(), n.g.vertex()
	into := make(map[int]int) // by group: the vertex behind the gate for masters
	for i := range m.p.sites {
		s := &m.p.sites[i]
		if s.room == 0 {
			continue
		}
		if _, ok := into[s.group]; !ok {
			n.open = append(n.open, s.group)
			into[s.group] = n.g.vertex()
			n.gates[gate{s.group, Master}] = n.g.vertex()
			n.gates[gate{s.group, Replica}] = n.g.vertex()
			n.g.edge(n.gates[gate{s.group, Master}], into[s.group], max(0, m.p.groups[s.group].masters))
		}
		v := n.g.vertex()
		n.site[v] = i
		n.g.edge(v, n.sink, s.room)
		n.g.edge(into[s.group], v, min(s.room, s.masters))
		n.g.edge(n.gates[gate{s.group, Replica}], v, s.room)
	}
	return n
}

// way returns where a node enters a group: a master by the gate, a replica by a door that
// lets one replica of its shard in.
func (n *network) way(at barred, role Role) int {
	in := n.gates[gate{at.group, role}]
	if role == Master {
		return in
	}
	door, ok := n.doors[at]
	if !ok {
		door = n.g.vertex()
		n.doors[at] = door
		n.g.edge(door, in, 1)
	}
	return door
}
