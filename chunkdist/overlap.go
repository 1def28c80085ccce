package chunkdist

// shareOut gives agents of one host that offer some ports in common their pairs, so that no
// port is used twice.
func shareOut(agents []agentRoom, offset, bound int) {
	var taken []PortRange
	for i := range agents {
		a := &agents[i]
		left := min(a.nodes, bound)
		a.pairs = []portPair{}
		if left > 0 {
			pairs(minus(a.ports, taken), offset, func(p portPair) bool {
				a.pairs = append(a.pairs, p)
				left--
				return left > 0
			})
		}
		a.nodes = len(a.pairs)
		for _, p := range a.pairs {
			taken = append(taken, PortRange{p.data, p.data}, PortRange{p.bus, p.bus})
		}
		sortPorts(taken)
	}
}
