package chunkdist

import "slices"

// Place returns the plan of a specification on hosts. The same input gives the same plan,
// whatever the order of the hosts.
//
// The error is an *InvalidInput where a field of the input cannot be right, or an
// *Infeasible where no plan keeps the rules on these hosts.
func Place(spec Spec, hosts []Host) (Plan, error) {
	if err := validateSpec(spec); err != nil {
		return Plan{}, err
	}
	if err := validateHosts(hosts); err != nil {
		return Plan{}, err
	}
	hosts = sorted(hosts)
	p := newProblem(spec, hosts)
	if !p.feasible() {
		relaxed, ok := relax(spec)
		if ok {
			p = newProblem(relaxed, hosts)
		}
		if !ok || !p.feasible() {
			return Plan{}, diagnose(spec, hosts)
		}
	}
	p.order()
	shards := p.link(p.count(spec.Link), spec.Link)
	plan := assemble(spec, hosts, p, shards)
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

func relax(spec Spec) (Spec, bool) {
	if spec.DomainRule != Preferred {
		return spec, false
	}
	spec.DomainRule = relaxedRule
	return spec, true
}

// relaxedRule keeps hosts apart and nothing else.
const relaxedRule DomainRule = -1

func (h Host) domain() string {
	if h.Domain == "" {
		return h.Name
	}
	return h.Domain
}

// newProblem puts a specification and hosts into numbers.
func newProblem(spec Spec, hosts []Host) *problem {
	p := &problem{shards: spec.Masters, replicas: spec.Replicas, sites: make([]site, 0, len(hosts))}
	half := minority(spec.Masters * (spec.Replicas + 1))
	bound := min(half, spec.Masters)
	if spec.MaxNodesPerHost > 0 {
		bound = min(bound, spec.MaxNodesPerHost)
	}
	node, overhead := amountsOf(spec.Node), amountsOf(spec.Overhead)
	groups := make(map[string]int, len(hosts))
	for i, h := range hosts {
		name := h.Name
		if spec.DomainRule != relaxedRule {
			name = h.domain()
		}
		g, ok := groups[name]
		if !ok {
			g = len(p.groups)
			groups[name] = g
			p.groups = append(p.groups, group{name, spec.Masters, minority(spec.Masters)})
		}
		s := site{host: i, name: h.Name, group: g, masters: minority(spec.Masters)}
		if !slices.Contains(spec.ExcludeHosts, h.Name) {
			s.room = min(bound, roomOf(h, node, overhead, spec.BusOffset, bound).nodes)
		}
		p.sites = append(p.sites, s)
	}
	return p
}
