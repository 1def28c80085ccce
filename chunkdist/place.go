package chunkdist

import (
	"cmp"
	"slices"
)

// Place returns the plan of a specification on hosts. The same input gives the same plan,
// whatever the order of the hosts.
//
// The error is an *InvalidInput where a field of the input cannot be right, or an
// *Infeasible where no plan keeps the rules on these hosts. Any other error is a fault of this
// package: Check has refused its plan.
func Place(spec Spec, hosts []Host) (Plan, error) {
	if err := validateInput(spec, hosts); err != nil {
		return Plan{}, err
	}
	hosts = sorted(hosts)
	r := request{spec: spec, hosts: hosts, shards: spec.Masters}
	p, ok := r.solve()
	if !ok {
		return Plan{}, diagnose(r)
	}
	p.order(r.spec, r.hosts)
	plan := Plan{Cluster: spec.Cluster, UID: spec.UID, Replicas: spec.Replicas}
	plan = assemble(spec, plan, hosts, p, p.link(p.count(spec.Link), spec.Link))
	for m := range plan.Masters {
		plan.Nodes[m].Slots = [][2]int{SlotRange(m, plan.Masters)}
	}
	if err := Check(spec, hosts, plan); err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// sorted returns the hosts in the order of their names.
func sorted(hosts []Host) []Host {
	out := slices.Clone(hosts)
	slices.SortFunc(out, func(a, b Host) int { return compareNames(a.Name, b.Name) })
	return out
}

// solvable returns the problem under the strictest rule that has a solution: fault domains
// give way only where they are preferred and cannot be kept. If nothing has a solution the
// problem is the least strict one.
func solvable(spec Spec, hosts []Host, rooms []int, had []HostLoad, shards int) (*problem, bool) {
	rules := []DomainRule{Required}
	if spec.DomainRule == Preferred {
		rules = append(rules, relaxed)
	}
	var p *problem
	for _, spec.DomainRule = range rules {
		if p = newProblem(spec, hosts, rooms, had, shards); p.feasible() {
			return p, true
		}
	}
	return p, false
}

// survey returns how many nodes, up to a bound, each host has room for.
func survey(spec Spec, hosts []Host, bound int) []int {
	excluded := make(map[string]bool, len(spec.ExcludeHosts))
	for _, name := range spec.ExcludeHosts {
		excluded[name] = true
	}
	rooms := make([]int, len(hosts))
	for i, h := range hosts {
		if !excluded[h.Name] {
			rooms[i] = roomOf(spec, h, bound).nodes
		}
	}
	return rooms
}

// domain is the fault domain that the host is in: its own where none is given.
func (h Host) domain() string { return cmp.Or(h.Domain, h.Name) }
