package chunkdist

import (
	"fmt"
	"slices"
	"strings"
)

// request is what was asked of hosts: shards to place where there may be nodes already.
type request struct {
	spec   Spec // spec.Masters are those of the finished cluster
	hosts  []Host
	had    []HostLoad
	shards int
	// solves tells whether a variant has a solution, where that is not for solve to say.
	solves func(request) bool
}

// feasible reports whether a variant of the request has a solution.
func (r request) feasible() bool {
	if r.solves != nil {
		return r.solves(r)
	}
	_, ok := r.solve()
	return ok
}

// solve returns the problem, and whether it has a solution.
func (r request) solve() (*problem, bool) {
	return solvable(r.spec, r.hosts, survey(r.spec, r.hosts, r.shards), r.had, r.shards)
}

// diagnose explains why a request has no solution: it puts the rules up one by one and names
// the first under which the nodes no longer fit.
func diagnose(r request) *Infeasible {
	spec := r.spec
	if spec.DomainRule == Preferred {
		spec.DomainRule = relaxed
	}
	nodes := r.shards * (spec.Replicas + 1)
	e := &Infeasible{Cluster: spec.Cluster, Request: shardsInWords(r.shards, spec.Replicas), Replicas: spec.Replicas,
		Hosts: len(r.hosts), Need: nodes}
	free := spec
	free.ExcludeHosts = nil
	p := newProblem(spec, r.hosts, survey(spec, r.hosts, r.shards), r.had, r.shards)
	e.about(spec, p)
	e.Rule, e.Have = firstRule(spec, p, survey(free, r.hosts, nodes), survey(spec, r.hosts, nodes))
	if e.Rule == RuleMajority {
		e.Need = r.shards
	}
	if len(r.had) > 0 {
		e.Request = fmt.Sprintf("%s × %s", plural(r.shards, "more master", "more masters"), plural(spec.Replicas, "replica", "replicas"))
	}
	for i := range p.sites {
		if s := &p.sites[i]; s.host >= 0 {
			e.Shortages = append(e.Shortages, p.shortages(spec, r.hosts[s.host], s, e.Rule)...)
		}
	}
	e.Nearest = nearest(r, e, otherMasters, fewerReplicas, moreHosts, smallerNodes, moreMemory, freerRules)
	return e
}

// about notes what the reason may have to speak of.
func (e *Infeasible) about(spec Spec, p *problem) {
	if len(p.groups) < len(p.sites) {
		e.domains = len(p.groups)
	}
	var limits []string
	if spec.MaxNodesPerHost > 0 {
		limits = append(limits, fmt.Sprintf("max_nodes_per_host is %d", spec.MaxNodesPerHost))
	}
	if n := len(spec.ExcludeHosts); n > 0 {
		limits = append(limits, plural(n, "host is excluded", "hosts are excluded"))
	}
	e.limits = strings.Join(limits, " and ")
}

// firstRule returns the first rule that does not let everything in, and how much it lets in.
// free and rooms are the hosts' rooms with and without the excluded hosts.
func firstRule(spec Spec, p *problem, free, rooms []int) (Rule, int) {
	need := p.shards * (spec.Replicas + 1)
	capacity, exclusion, half := 0, 0, 0
	for i := range p.sites {
		s := &p.sites[i]
		if s.host < 0 {
			continue
		}
		capacity += free[s.host]
		room := rooms[s.host]
		if spec.MaxNodesPerHost > 0 {
			room = max(0, min(room, spec.MaxNodesPerHost-s.hadNodes))
		}
		exclusion += room
		half += max(0, min(room, minority(spec.Masters*(spec.Replicas+1))-s.hadNodes))
	}
	apart, majority := p.most()
	for _, r := range []struct {
		rule Rule
		have int
	}{{RuleCapacity, capacity}, {RuleExclusion, exclusion}, {RuleHalf, half}, {RuleApart, apart}} {
		if r.have < need {
			return r.rule, r.have
		}
	}
	return RuleMajority, max(0, majority)
}

// shortages says what keeps a site from holding more: its resources, or a rule. broken is
// the rule that stood in the way of the request.
func (p *problem) shortages(spec Spec, h Host, s *site, broken Rule) []Shortage {
	rule := func(r Rule, need, have int, message string, args ...any) []Shortage {
		return []Shortage{{h.Name, string(r), float64(need), float64(have), fmt.Sprintf(message, args...)}}
	}
	if slices.Contains(spec.ExcludeHosts, h.Name) {
		return rule(RuleExclusion, 1, 0, "the request excludes it")
	}
	nodes := spec.Masters * (spec.Replicas + 1)
	room := roomOf(spec, h, nodes).nodes
	most := minority(nodes) - s.hadNodes
	switch {
	case spec.MaxNodesPerHost > 0 && spec.MaxNodesPerHost-s.hadNodes <= min(room, most, p.shards):
		return rule(RuleExclusion, spec.MaxNodesPerHost+1, spec.MaxNodesPerHost, "max_nodes_per_host is %d", spec.MaxNodesPerHost)
	case room < min(most, p.shards) && room < min(s.masters, p.groups[s.group].masters):
		return shortOf(spec, h, room)
	case broken == RuleMajority:
		return rule(RuleMajority, minority(spec.Masters)+1, minority(spec.Masters), "%d masters would be half or more of %d", minority(spec.Masters)+1, spec.Masters)
	case room < min(most, p.shards):
		return shortOf(spec, h, room)
	case most <= p.shards:
		return rule(RuleHalf, minority(nodes)+1, minority(nodes), "%d nodes would be half or more of %d", minority(nodes)+1, nodes)
	default:
		return rule(RuleApart, p.shards+1, p.shards, "it can hold one copy of each of %d shards", p.shards)
	}
}
