package chunkdist

import "slices"

// room is what a host has room for.
type room struct {
	nodes  int
	agents []agentRoom // roomiest first, then in the order given
}

// agentRoom is what one agent of a host has room for.
type agentRoom struct {
	agent int // index in Host.Agents
	nodes int
	ports []PortRange
	pairs []portPair // the ports of its nodes where it shares ports with another agent, else nil
}

// roomOf returns the room of a host for at most bound nodes. A node lives on one agent, the
// overhead is taken once from each agent that holds a node, and a port is used once per host.
func roomOf(spec Spec, h Host, bound int) room {
	node, overhead := amountsOf(spec.Node), amountsOf(spec.Overhead)
	r := room{agents: make([]agentRoom, len(h.Agents))}
	for i, a := range h.Agents {
		n := amountsOf(Resources{a.CPUs, a.MemoryMB}).fits(node, overhead, bound)
		r.agents[i] = agentRoom{agent: i, nodes: n, ports: a.Ports}
	}
	if sharedPorts(h.Agents) {
		shareOut(r.agents, spec.BusOffset, bound)
	} else {
		for i, a := range r.agents {
			r.agents[i].nodes = countPairs(a.ports, spec.BusOffset, a.nodes)
		}
	}
	for _, a := range r.agents {
		r.nodes += a.nodes
	}
	r.nodes = min(r.nodes, bound)
	slices.SortStableFunc(r.agents, func(a, b agentRoom) int { return b.nodes - a.nodes })
	return r
}

// freeFor returns how much is free on a host, in nodes: as many as its CPU and memory would
// hold, whatever the rules and the ports say.
func freeFor(spec Spec, h Host) int {
	node, overhead, n := amountsOf(spec.Node), amountsOf(spec.Overhead), 0
	for _, a := range h.Agents {
		n += amountsOf(Resources{a.CPUs, a.MemoryMB}).fits(node, overhead, Slots)
	}
	return n
}

// sharedPorts reports whether any two agents of a host offer the same port.
func sharedPorts(agents []Agent) bool {
	for i, a := range agents {
		for _, b := range agents[:i] {
			if overlaps(a.Ports, b.Ports) {
				return true
			}
		}
	}
	return false
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
		for p := range a.seats(offset) {
			if len(out) == n {
				return out
			}
			out = append(out, seat{h.Agents[a.agent].ID, p})
		}
	}
	return out
}

// seats calls yield with the ports of the agent's nodes.
func (a agentRoom) seats(offset int) func(yield func(portPair) bool) {
	return func(yield func(portPair) bool) {
		if a.pairs != nil || a.nodes == 0 {
			slices.Values(a.pairs)(yield)
			return
		}
		left := a.nodes
		pairs(a.ports, offset, func(p portPair) bool {
			left--
			return yield(p) && left > 0
		})
	}
}
