package chunkdist

import "slices"

// room is how many nodes each agent of a host can hold, its ports told apart.
type room struct {
	agents []agentRoom // roomiest first, then in the order given
	nodes  int
}

type agentRoom struct {
	agent int // index in Host.Agents
	nodes int
	ports []PortRange
}

// roomOf returns the room of a host for at most bound nodes. A node lives on one agent, the
// overhead is taken once from each agent that holds a node, and a port is used once per host.
func roomOf(spec Spec, h Host, bound int) room {
	var r room
	node, overhead := amountsOf(spec.Node), amountsOf(spec.Overhead)
	for i, a := range h.Agents {
		ports := a.Ports
		for _, other := range h.Agents[:i] {
			if overlaps(ports, other.Ports) {
				ports = minus(ports, other.Ports)
			}
		}
		n := amountsOf(Resources{a.CPUs, a.MemoryMB}).fits(node, overhead, bound)
		n = countPairs(ports, spec.BusOffset, n)
		if n > 0 {
			r.agents = append(r.agents, agentRoom{i, n, ports})
			r.nodes += n
		}
	}
	slices.SortStableFunc(r.agents, func(a, b agentRoom) int { return b.nodes - a.nodes })
	return r
}

// seat is where one node can be: an agent of a host, and its two ports.
type seat struct {
	agent string
	ports portPair
}

// seats returns places for n nodes, n ≤ r.nodes, on as few agents as will do.
func (r room) seats(h Host, offset, n int) []seat {
	out := make([]seat, 0, n)
	for _, a := range r.agents {
		left := min(a.nodes, n-len(out))
		if left == 0 {
			break
		}
		pairs(a.ports, offset, func(p portPair) bool {
			out = append(out, seat{h.Agents[a.agent].ID, p})
			left--
			return left > 0
		})
	}
	return out
}
