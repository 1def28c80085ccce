package chunkdist

import "slices"

// Check returns nil if a plan keeps every safety rule on the hosts that it was made for, or
// the first 20 *Broken, joined. Place runs it on its own output before it returns it.
func Check(spec Spec, hosts []Host, plan Plan) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	var f findings
	checkDomains(&f, spec, plan)
	checkHosts(&f, spec, hosts, plan)
	return f.err()
}

func checkDomains(f *findings, spec Spec, plan Plan) {
	if spec.DomainRule != Required {
		return
	}
	plan.validateApart(f, true)
	masters := make(map[string]int)
	for _, n := range plan.Nodes {
		if n.Role != Master {
			continue
		}
		if masters[n.Domain]++; masters[n.Domain] == minority(plan.Masters)+1 {
			f.add(RuleMajority, "fault domain %s holds half or more of %d masters", n.Domain, plan.Masters)
		}
	}
}

// checkHosts checks what the hosts offer against what the nodes take.
func checkHosts(f *findings, spec Spec, hosts []Host, plan Plan) {
	type place struct{ host, agent string }
	byName := make(map[string]Host, len(hosts))
	agents := make(map[place]Agent, len(hosts))
	for _, h := range hosts {
		byName[h.Name] = h
		for _, a := range h.Agents {
			agents[place{h.Name, a.ID}] = a
		}
	}
	onHost, onAgent := make(map[string]int), make(map[place]int)
	node, overhead := amountsOf(spec.Node), amountsOf(spec.Overhead)
	for _, n := range plan.Nodes {
		at := place{n.Host, n.Agent}
		a, ok := agents[at]
		if !ok {
			f.add(RuleCapacity, "node %d is on agent %q of host %s, which was not offered", n.Index, n.Agent, n.Host)
			continue
		}
		if d := byName[n.Host].domain(); n.Domain != d {
			f.add(RuleShape, "node %d is in fault domain %s, its host %s in %s", n.Index, n.Domain, n.Host, d)
		}
		if slices.Contains(spec.ExcludeHosts, n.Host) {
			f.add(RuleExclusion, "node %d is on the excluded host %s", n.Index, n.Host)
		}
		if onHost[n.Host]++; spec.MaxNodesPerHost > 0 && onHost[n.Host] == spec.MaxNodesPerHost+1 {
			f.add(RuleExclusion, "host %s holds more than %d nodes", n.Host, spec.MaxNodesPerHost)
		}
		if !inRanges(a.Ports, n.Port) || !inRanges(a.Ports, n.BusPort) {
			f.add(RulePorts, "ports %d and %d of node %d were not both offered by agent %s", n.Port, n.BusPort, n.Index, n.Agent)
		}
		if spec.BusOffset != 0 && n.BusPort != n.Port+spec.BusOffset {
			f.add(RulePorts, "node %d has bus port %d, not %d%+d", n.Index, n.BusPort, n.Port, spec.BusOffset)
		}
		onAgent[at]++
		k, have := milli(onAgent[at]), amountsOf(Resources{a.CPUs, a.MemoryMB})
		if overhead.cpus+k*node.cpus > have.cpus || overhead.memory+k*node.memory > have.memory {
			f.add(RuleCapacity, "agent %s of host %s has no room for its node number %d", n.Agent, n.Host, k)
		}
	}
}

func inRanges(ports []PortRange, port int) bool {
	return slices.ContainsFunc(ports, func(r PortRange) bool { return r.Begin <= port && port <= r.End })
}
