package chunkdist

import (
	"cmp"
	"slices"
)

// problem is a placement in whole numbers: how many shards to place on which sites, under
// which limits. Place fills empty sites; Append starts from what is there.
type problem struct {
	shards   int // to place
	replicas int // of each
	sites    []site
	// groups are the sites that no two copies of a shard may share: fault domains where
	// they are required, hosts where not.
	groups []group
	// wishes are the fault domains where a preferred rule had to give way, else nil: their
	// limits are kept as far as can be.
	wishes []group
}

// site is a host as the problem sees it.
type site struct {
	host         int // index in the hosts given; -1 where the host holds nodes and offers nothing
	name, domain string
	group        int // index in problem.groups
	wish         int // index in problem.wishes
	rank         int // place in the order in which sites are filled
	// room is how many more nodes fit, all limits of the host itself considered;
	// masters is how many more of them may be masters.
	room, masters int
	// hadNodes and hadMasters are there already.
	hadNodes, hadMasters int
}

// group is a set of sites with common limits on what is placed.
type group struct {
	nodes   int // one of each shard at most
	masters int
}

// minority is the most of total that may be lost without losing the majority of it.
func minority(total int) int { return (total - 1) / 2 }

// relaxed is the rule that keeps hosts apart and nothing else.
const relaxed DomainRule = -1

// newProblem puts a specification and hosts into numbers. spec.Masters are the masters of the
// finished cluster, shards of them are to be placed; had is what is there; rooms are the
// hosts' capacities, in nodes.
func newProblem(spec Spec, hosts []Host, rooms []int, had []HostLoad, shards int) *problem {
	p := &problem{shards: shards, replicas: spec.Replicas, sites: make([]site, len(hosts), len(hosts)+len(had))}
	at := make(map[string]int, len(hosts))
	for i, h := range hosts {
		at[h.Name] = i
		p.sites[i] = site{host: i, name: h.Name, domain: h.domain(), room: rooms[i]}
	}
	for _, h := range had {
		i, ok := at[h.Host]
		if !ok {
			i = len(p.sites)
			p.sites = append(p.sites, site{host: -1, name: h.Host, domain: h.Domain})
		}
		p.sites[i].hadMasters, p.sites[i].hadNodes = h.Masters, h.Masters+h.Replicas
	}
	for i := range p.sites {
		s := &p.sites[i]
		s.masters = max(0, minority(spec.Masters)-s.hadMasters)
		s.room = max(0, min(s.room, shards, minority(spec.Masters*(spec.Replicas+1))-s.hadNodes))
		if spec.MaxNodesPerHost > 0 {
			s.room = max(0, min(s.room, spec.MaxNodesPerHost-s.hadNodes))
		}
	}
	p.group(spec)
	return p
}

// group sorts the sites into groups, and into wishes where the rule is relaxed.
func (p *problem) group(spec Spec) {
	into := func(name func(*site) string, in func(*site) *int) []group {
		groups := make([]group, 0, len(p.sites))
		at := make(map[string]int, len(p.sites))
		for i := range p.sites {
			s := &p.sites[i]
			g, ok := at[name(s)]
			if !ok {
				g = len(groups)
				at[name(s)] = g
				groups = append(groups, group{p.shards, minority(spec.Masters)})
			}
			groups[g].masters -= s.hadMasters
			*in(s) = g
		}
		for g := range groups {
			groups[g].masters = min(groups[g].masters, p.shards)
		}
		return groups
	}
	name := func(s *site) string { return s.name }
	domain := func(s *site) string { return s.domain }
	if spec.DomainRule == relaxed {
		p.groups = into(name, func(s *site) *int { return &s.group })
		p.wishes = into(domain, func(s *site) *int { return &s.wish })
		return
	}
	p.groups = into(domain, func(s *site) *int { return &s.group })
}

// order ranks the sites: the one with the most free of every domain, then the second of every
// domain, and so on, so that domains share evenly; equals by name.
func (p *problem) order(spec Spec, hosts []Host) {
	idx := make([]int, len(p.sites))
	free := make([]int, len(p.sites))
	for i := range p.sites {
		idx[i] = i
		if s := &p.sites[i]; s.room > 0 {
			free[i] = freeFor(spec, hosts[s.host])
		}
	}
	slices.SortFunc(idx, func(a, b int) int {
		return cmp.Or(free[b]-free[a], a-b) // sites are in the order of their names
	})
	nth := make([]int, len(p.sites)) // a site's place in its domain
	seen := make(map[string]int, len(p.sites))
	for _, i := range idx {
		d := p.sites[i].domain
		nth[i] = seen[d]
		seen[d]++
	}
	slices.SortStableFunc(idx, func(a, b int) int { return nth[a] - nth[b] })
	for rank, i := range idx {
		p.sites[i].rank = rank
	}
}

// feasible reports whether the problem has a solution.
//
// Copies of S shards can be dealt to groups exactly if the counts add up and no group gets
// more than S: dealing them round, group after group, never gives a group a shard twice.
// Which copies are masters does not matter to that (docs/placement.md has the proof). So all
// that is needed is counts, and counts exist exactly if two sums are large enough: limits
// within limits can be filled one by one without regret.
func (p *problem) feasible() bool {
	nodes, masters := p.most()
	return nodes >= p.shards*(p.replicas+1) && masters >= p.shards
}

// most returns the most nodes and the most masters that the limits let in; -1 masters where
// there are too many already.
func (p *problem) most() (nodes, masters int) {
	broken := false
	perGroup := make([]group, len(p.groups))
	for _, s := range p.sites {
		perGroup[s.group].nodes += s.room
		perGroup[s.group].masters += min(s.room, s.masters)
	}
	for i, g := range p.groups {
		nodes += min(g.nodes, perGroup[i].nodes)
		masters += min(g.masters, perGroup[i].masters)
		broken = broken || g.masters < 0
	}
	if broken {
		return nodes, -1
	}
	return nodes, masters
}
