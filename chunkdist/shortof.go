package chunkdist

import (
	"fmt"
	"strconv"
)

// shortOf returns every dimension in which a host with room for so many nodes has too little
// for one more, on the agent that is closest to it.
func shortOf(spec Spec, h Host, room int) []Shortage {
	if len(h.Agents) == 0 {
		return []Shortage{{h.Name, "agents", 1, 0, "it offers nothing"}}
	}
	var best []Shortage
	for _, a := range roomOf(spec, h, room+1).agents {
		short := a.shortOf(spec, h)
		if best == nil || len(short) < len(best) {
			best = short
		}
	}
	if len(best) == 0 { // it is what another agent of the host has taken
		return []Shortage{{h.Name, "ports", float64(2 * (room + 1)), float64(2 * room),
			fmt.Sprintf("the ports that its agents share are enough for %s", plural(room, "node", "nodes"))}}
	}
	return best
}

// shortOf says what the agent's next node lacks.
func (a agentRoom) shortOf(spec Spec, h Host) []Shortage {
	var out []Shortage
	node, overhead := amountsOf(spec.Node), amountsOf(spec.Overhead)
	agent := h.Agents[a.agent]
	have := amountsOf(Resources{agent.CPUs, agent.MemoryMB})
	next := a.nodes + 1
	on := ""
	if len(h.Agents) > 1 {
		on = " on agent " + agent.ID
	}
	add := func(dimension, unit string, need, have float64) {
		out = append(out, Shortage{h.Name, dimension, need, have,
			fmt.Sprintf("%s %s %s, %s free%s", plural(next, "node takes", "nodes take"), number3(need), unit, number3(have), on)})
	}
	if need := overhead.cpus + milli(next)*node.cpus; need > have.cpus {
		add("cpus", "cpus", need.float(), have.cpus.float())
	}
	if need := overhead.memory + milli(next)*node.memory; need > have.memory {
		add("memory_mb", "MB", need.float(), have.memory.float())
	}
	switch {
	case countPorts(a.ports) < 2*next:
		add("ports", "ports", float64(2*next), float64(countPorts(a.ports)))
	case countPairs(a.ports, spec.BusOffset, next) < next:
		pairs := countPairs(a.ports, spec.BusOffset, next)
		out = append(out, Shortage{h.Name, "bus_ports", float64(next), float64(pairs),
			fmt.Sprintf("%s %s that are free together with the bus port %+d, %d of %d are%s",
				plural(next, "node takes", "nodes take"), plural(next, "port", "ports"), spec.BusOffset, pairs, countPorts(a.ports), on)})
	}
	return out
}

// number3 writes a figure with the decimals it has, at most three.
func number3(x float64) string { return strconv.FormatFloat(toMilli(x).float(), 'f', -1, 64) }
