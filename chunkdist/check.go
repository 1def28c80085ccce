package chunkdist

import "slices"

// Check returns nil if a plan keeps every safety rule on the hosts that it was made for, or
// the first 20 *Broken, joined. Place runs it on its own output before it returns it.
func Check(spec Spec, hosts []Host, plan Plan) error {
	return check(spec, hosts, plan, func(Node) bool { return true })
}

// CheckChange is Check for what Append and Replace return: hosts say what is free besides
// the nodes that stay where they were, and no node changes its identity.
func CheckChange(spec Spec, hosts []Host, before, after Plan) error {
	var f findings
	for i, was := range before.Nodes {
		if i >= len(after.Nodes) {
			f.add(RuleShape, "node %d is gone", was.Index)
			continue
		}
		is := after.Nodes[i]
		if is.ID != was.ID || is.Role != was.Role || is.Epoch != was.Epoch || (is.Master == nil) != (was.Master == nil) ||
			is.Master != nil && *is.Master != *was.Master {
			f.add(RuleShape, "node %d is no longer what it was", was.Index)
		}
	}
	if err := f.err(); err != nil {
		return err
	}
	return check(spec, hosts, after, func(n Node) bool { return n.Index >= len(before.Nodes) || moved(before.Nodes[n.Index], n) })
}

func moved(a, b Node) bool {
	return a.Host != b.Host || a.Agent != b.Agent || a.Port != b.Port || a.BusPort != b.BusPort
}

// check checks a plan of which only some nodes take from what the hosts offer.
func check(spec Spec, hosts []Host, plan Plan, takes func(Node) bool) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	var f findings
	if spec.DomainRule == Required {
		checkDomains(&f, plan)
	}
	checkHosts(&f, spec, hosts, plan, takes)
	return f.err()
}

func checkDomains(f *findings, plan Plan) {
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

// agentOf names an agent of a host.
type agentOf struct{ host, agent string }

// checkHosts checks what the hosts offer against what the nodes take.
func checkHosts(f *findings, spec Spec, hosts []Host, plan Plan, takes func(Node) bool) {
	domains := make(map[string]string, len(hosts))
	agents := make(map[agentOf]Agent, len(hosts))
	for _, h := range hosts {
		domains[h.Name] = h.domain()
		for _, a := range h.Agents {
			agents[agentOf{h.Name, a.ID}] = a
		}
	}
	onHost, onAgent, takesFrom := make(map[string]int), make(map[agentOf]int), make(map[string]bool)
	for _, n := range plan.Nodes {
		onHost[n.Host]++
		if !takes(n) {
			continue
		}
		takesFrom[n.Host] = true
		at := agentOf{n.Host, n.Agent}
		a, ok := agents[at]
		if !ok {
			f.add(RuleCapacity, "node %d is on agent %q of host %s, which was not offered", n.Index, n.Agent, n.Host)
			continue
		}
		if d := domains[n.Host]; n.Domain != d {
			f.add(RuleShape, "node %d is in fault domain %s, its host %s in %s", n.Index, n.Domain, n.Host, d)
		}
		checkPorts(f, spec, n, a)
		if onAgent[at]++; !holds(spec, a, onAgent[at]) {
			f.add(RuleCapacity, "agent %s of host %s has no room for %s", n.Agent, n.Host, plural(onAgent[at], "node", "nodes"))
		}
	}
	for _, h := range countLoads(plan.Nodes) {
		if !takesFrom[h.Host] {
			continue
		}
		if slices.Contains(spec.ExcludeHosts, h.Host) {
			f.add(RuleExclusion, "host %s is excluded", h.Host)
		}
		if n := onHost[h.Host]; spec.MaxNodesPerHost > 0 && n > spec.MaxNodesPerHost {
			f.add(RuleExclusion, "host %s holds %d nodes, more than %d", h.Host, n, spec.MaxNodesPerHost)
		}
	}
}

func checkPorts(f *findings, spec Spec, n Node, a Agent) {
	offered := func(port int) bool {
		return slices.ContainsFunc(a.Ports, func(r PortRange) bool { return r.Begin <= port && port <= r.End })
	}
	if !offered(n.Port) || !offered(n.BusPort) {
		f.add(RulePorts, "ports %d and %d of node %d were not both offered by agent %s", n.Port, n.BusPort, n.Index, n.Agent)
	}
	if spec.BusOffset != 0 && n.BusPort != n.Port+spec.BusOffset {
		f.add(RulePorts, "node %d has bus port %d, not %d%+d", n.Index, n.BusPort, n.Port, spec.BusOffset)
	}
}

// holds reports whether an agent has the CPU and the memory for n nodes.
func holds(spec Spec, a Agent, n int) bool {
	have, node, overhead := amountsOf(Resources{a.CPUs, a.MemoryMB}), amountsOf(spec.Node), amountsOf(spec.Overhead)
	return overhead.cpus+milli(n)*node.cpus <= have.cpus && overhead.memory+milli(n)*node.memory <= have.memory
}
