package chunkdist

// Bounds of the search for the most nodes on agents of one host that offer the same ports.
// Agents usually offer ports of their own, and where they do not there are usually plenty;
// beyond these bounds a host may be said to have less room than an endless search would find.
const (
	maxSharers = 4
	maxStates  = 5_000
)

// shareOut gives agents of one host that offer some ports in common their pairs, so that no
// port is used twice and as many nodes as can be find a place.
func shareOut(agents []agentRoom, offset, bound int) {
	for i := range agents {
		agents[i].nodes = countPairs(agents[i].ports, offset, min(agents[i].nodes, bound))
	}
	inTurn(agents, offset, bound)
	most := upperBound(agents, offset, bound)
	if placed(agents) < most && len(agents) <= maxSharers {
		if offset == 0 {
			shareAny(agents, most)
		} else {
			shareChains(agents, offset, most)
		}
	}
	for i := range agents {
		agents[i].nodes = len(agents[i].pairs)
	}
}

func placed(agents []agentRoom) int {
	n := 0
	for _, a := range agents {
		n += len(a.pairs)
	}
	return n
}

// inTurn lets one agent after the other take what it needs from what is left.
func inTurn(agents []agentRoom, offset, bound int) {
	var taken []PortRange
	for i := range agents {
		a := &agents[i]
		a.pairs = []portPair{}
		left := min(a.nodes, bound)
		if left == 0 {
			continue
		}
		pairs(minus(a.ports, taken), offset, func(p portPair) bool {
			a.pairs = append(a.pairs, p)
			left--
			return left > 0
		})
		bound -= len(a.pairs)
		for _, p := range a.pairs {
			taken = append(taken, PortRange{p.data, p.data}, PortRange{p.bus, p.bus})
		}
		sortPorts(taken)
	}
}

// upperBound is a number of nodes that there cannot be more of.
func upperBound(agents []agentRoom, offset, bound int) int {
	sum := 0
	var union []PortRange
	for _, a := range agents {
		sum += a.nodes
		union = append(union, minus(a.ports, union)...)
		sortPorts(union)
	}
	return countPairs(union, offset, min(bound, sum))
}
