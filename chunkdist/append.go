package chunkdist

// Append returns a plan with n more masters and their replicas. What exists keeps its place:
// host, agent, ports, index, ID, role and epoch. Hosts say what is free now, on hosts of the
// plan (besides what is there already) as well as on new ones; all rules hold for old and new
// together. Of spec everything counts but Cluster, UID, Masters and Replicas: those are the
// plan's.
//
// New nodes get the indices after the old ones, masters first, so masters are to be told by
// Role and not by index. Slots move from old masters to new ones, no more of them than it
// takes to give all the same.
//
// The error is an *InvalidInput or an *Infeasible, as for Place.
func Append(spec Spec, plan Plan, hosts []Host, n int) (Plan, error) {
	if n < 1 || n > Slots-plan.Masters {
		return Plan{}, invalid("n", "must be 1 to %d, not %d: each master needs a slot", Slots-plan.Masters, n)
	}
	spec.Cluster, spec.UID, spec.Masters, spec.Replicas = plan.Cluster, plan.UID, plan.Masters+n, plan.Replicas
	if err := validateChange(spec, plan, hosts); err != nil {
		return Plan{}, err
	}
	r := request{spec: spec, hosts: withoutPorts(sorted(hosts), plan.Nodes), had: loads(plan.Nodes), shards: n}
	p, ok := r.solve()
	if !ok {
		return Plan{}, diagnose(r)
	}
	p.order(r.spec, r.hosts)
	out := assemble(spec, plan, r.hosts, p, p.link(p.count(spec.Link), spec.Link))
	shareSlots(out.Nodes, len(plan.Nodes))
	if err := CheckChange(spec, hosts, plan, out); err != nil {
		return Plan{}, err
	}
	return out, nil
}

// validateChange returns an *InvalidInput if a plan cannot be the start of a change.
func validateChange(spec Spec, plan Plan, hosts []Host) error {
	if err := plan.Validate(); err != nil {
		return invalid("plan", "is not sound: %v", err)
	}
	if err := validateInput(spec, hosts); err != nil {
		return err
	}
	if spec.DomainRule == Required {
		var f findings
		plan.validateApart(&f, true)
		if err := f.err(); err != nil {
			return invalid("plan", "does not keep the fault domains that are required: %v", err)
		}
	}
	domains := make(map[string]string)
	for _, h := range loads(plan.Nodes) {
		domains[h.Host] = h.Domain
	}
	for _, h := range hosts {
		if d, ok := domains[h.Name]; ok && d != h.domain() {
			return invalid("hosts", "offer %s in fault domain %s, in the plan it is in %s", h.Name, h.domain(), d)
		}
	}
	return nil
}

// withoutPorts returns the hosts without the ports that nodes of theirs have already.
func withoutPorts(hosts []Host, nodes []Node) []Host {
	taken := make(map[string][]PortRange)
	for _, n := range nodes {
		taken[n.Host] = append(taken[n.Host], PortRange{n.Port, n.Port}, PortRange{n.BusPort, n.BusPort})
	}
	for i, h := range hosts {
		if ports := taken[h.Name]; ports != nil {
			sortPorts(ports)
			agents := make([]Agent, len(h.Agents))
			for j, a := range h.Agents {
				a.Ports = minus(a.Ports, ports)
				agents[j] = a
			}
			hosts[i].Agents = agents
		}
	}
	return hosts
}
