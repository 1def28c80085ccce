package chunkdist

// shareAny shares out ports of which any two make a pair. Counts for the agents are possible
// exactly if every set of agents has, together, the ports that it needs (Hall's condition).
func shareAny(agents []agentRoom, most int) {
	classes := classesOf(agents)
	possible := func(counts []int) bool {
		for set := 1; set < 1<<len(agents); set++ {
			need, have := 0, 0
			for i, n := range counts {
				if set>>i&1 == 1 {
					need += 2 * n
				}
			}
			for _, c := range classes {
				if c.agents&set != 0 {
					have += countPorts(c.ports)
				}
			}
			if need > have {
				return false
			}
		}
		return true
	}
	counts, best := make([]int, len(agents)), make([]int, len(agents))
	total, bestTotal, states := 0, placed(agents), 0
	var try func(i int)
	try = func(i int) {
		if states++; states > maxStates || bestTotal >= most {
			return
		}
		if i == len(agents) {
			if total > bestTotal {
				bestTotal = total
				copy(best, counts)
			}
			return
		}
		for n := min(agents[i].nodes, most-total); n >= 0; n-- {
			counts[i] = n
			total += n
			if possible(counts) {
				try(i + 1)
			}
			total -= n
			counts[i] = 0
		}
	}
	start := bestTotal
	if try(0); bestTotal > start {
		handOut(agents, classes, best)
	}
}

// class is the ports that the same agents offer, as a set of bits.
type class struct {
	agents int
	ports  []PortRange
}

// classesOf tells the ports of agents apart by who offers them.
func classesOf(agents []agentRoom) []class {
	var out []class
	for set := 1; set < 1<<len(agents); set++ {
		var ports []PortRange
		for i, a := range agents {
			switch {
			case set>>i&1 == 0:
				ports = minus(ports, a.ports)
			case set&(1<<i-1) == 0:
				ports = a.ports
				for _, before := range agents[:i] {
					ports = minus(ports, before.ports)
				}
			default:
				ports = minus(ports, minus(ports, a.ports))
			}
		}
		if len(ports) > 0 {
			out = append(out, class{set, ports})
		}
	}
	return out
}

// handOut gives every agent the ports for its count, found as a flow from classes to agents.
func handOut(agents []agentRoom, classes []class, counts []int) {
	g := new(graph)
	source, sink := g.vertex(), g.vertex()
	to := make([]int, len(agents))
	for i, n := range counts {
		to[i] = g.vertex()
		g.edge(to[i], sink, 2*n)
	}
	type give struct{ edge, class, agent int }
	var gives []give
	for k, c := range classes {
		from, n := g.vertex(), countPorts(c.ports)
		g.edge(source, from, n)
		for i := range agents {
			if c.agents>>i&1 == 1 {
				gives = append(gives, give{len(g.edges), k, i})
				g.edge(from, to[i], n)
			}
		}
	}
	g.flow(source, sink)
	got := make([][]PortRange, len(agents))
	for _, e := range gives {
		for range g.edges[e.edge].flow {
			r := &classes[e.class].ports[0]
			got[e.agent] = append(got[e.agent], PortRange{r.Begin, r.Begin})
			if r.Begin++; r.Begin > r.End {
				classes[e.class].ports = classes[e.class].ports[1:]
			}
		}
	}
	for i := range agents {
		sortPorts(got[i])
		agents[i].pairs = []portPair{}
		anyPairs(got[i], func(p portPair) bool {
			agents[i].pairs = append(agents[i].pairs, p)
			return true
		})
	}
}
