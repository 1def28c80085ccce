package chunkdist

import "slices"

// counts is how many new masters and new replicas each site gets.
type counts struct{ masters, replicas []int }

// count chooses the counts of a feasible problem.
//
// LinkPair wants whole chunks: as many replicas on a host as masters × replicas, so that
// hosts can hold each other's. Where the room does not allow that, or not evenly, and with
// LinkRing, node by node: first the masters, as level as the limits let them be, then the
// replicas on top, as level as they let the sum be. Masters first never leaves the replicas
// without room: the masters' limits lie within the nodes' limits, and what satisfies limits
// within limits can always be added to until they are full.
func (p *problem) count(link Link) counts {
	nodes := p.countNodes()
	if link == LinkPair && p.replicas > 0 {
		if c, ok := p.countChunks(); ok && p.excess(c) <= p.excess(nodes) {
			return c
		}
	}
	return nodes
}

// excess returns how many copies must share a wished-for domain with another one of their
// shard.
func (p *problem) excess(c counts) int {
	copies, n := make([]int, len(p.wishes)), 0
	if p.wishes == nil {
		return 0
	}
	for i, s := range p.sites {
		copies[s.wish] += c.masters[i] + c.replicas[i]
	}
	for _, k := range copies {
		n += max(0, k-p.shards)
	}
	return n
}

// countNodes counts node by node.
func (p *problem) countNodes() counts {
	none := make([]int, len(p.sites))
	masters := p.pour(p.shards, none, func(s *site) pot { return pot{s.hadMasters, min(s.room, s.masters)} },
		func(g group) int { return g.masters })
	if p.replicas == 0 {
		return counts{masters, none}
	}
	nodes := p.pour(p.shards*p.replicas, masters, func(s *site) pot { return pot{s.hadNodes, s.room} },
		func(g group) int { return g.nodes })
	replicas := make([]int, len(p.sites))
	for i := range replicas {
		replicas[i] = nodes[i] - masters[i]
	}
	return counts{masters, replicas}
}

// countChunks gives every host 0, 1, 2 … units of a master and its share of replicas. It
// declines where not all units fit, or where they leave hosts further apart than one unit
// although there was room to be closer.
func (p *problem) countChunks() (counts, bool) {
	unit := p.replicas + 1
	c := counts{replicas: make([]int, len(p.sites))}
	c.masters = p.pour(p.shards, make([]int, len(p.sites)),
		func(s *site) pot { return pot{s.hadNodes / unit, min(s.room/unit, s.masters)} },
		func(g group) int { return min(g.masters, g.nodes/unit) })
	placed, most := 0, 0
	nodes := make([]int, len(p.groups))
	for i, n := range c.masters {
		placed += n
		c.replicas[i] = n * p.replicas
		nodes[p.sites[i].group] += n * unit
		if n > 0 {
			most = max(most, p.sites[i].hadNodes+n*unit)
		}
	}
	if placed < p.shards {
		return counts{}, false
	}
	for i, s := range p.sites {
		n := c.masters[i] * unit
		if n < s.room && nodes[s.group] < p.groups[s.group].nodes && s.hadNodes+n+unit < most {
			return counts{}, false
		}
	}
	return c, true
}

// pot is what a site has of something and how much more it can take.
type pot struct{ have, most int }

// pour adds n of something to what each site got, as level as the limits let it be. Limits
// that are only wished for are kept first and given up where the rest would not fit.
func (p *problem) pour(n int, got []int, of func(*site) pot, limit func(group) int) []int {
	got = slices.Clone(got)
	if p.wishes != nil {
		n -= p.level(n, got, of, func(s *site) int { return s.wish }, limits(p.wishes, limit))
	}
	p.level(n, got, of, func(s *site) int { return s.group }, limits(p.groups, limit))
	return got
}

func limits(groups []group, limit func(group) int) []int {
	out := make([]int, len(groups))
	for i, g := range groups {
		out[i] = limit(g)
	}
	return out
}

// level pours up to n into the sites as water and returns how much went in: always into a
// site with the least, equals in rank order, until a site or its group is full. Cost: a
// sort, then one step for each unit.
func (p *problem) level(n int, got []int, of func(*site) pot, groupOf func(*site) int, limit []int) (poured int) {
	height := make([]int, len(p.sites))
	most := make([]int, len(p.sites))
	dry := make([]int, 0, len(p.sites)) // sites above the water, lowest first
	for i := range p.sites {
		pot := of(&p.sites[i])
		height[i], most[i] = pot.have+got[i], pot.most
		limit[groupOf(&p.sites[i])] -= got[i]
		if got[i] < most[i] {
			dry = append(dry, i)
		}
	}
	slices.SortFunc(dry, func(a, b int) int {
		if height[a] != height[b] {
			return height[a] - height[b]
		}
		return p.sites[a].rank - p.sites[b].rank
	})
	var wet []int // sites at the water's height, in rank order
	for water := 0; poured < n && len(wet)+len(dry) > 0; water++ {
		if len(wet) == 0 {
			water = height[dry[0]]
		}
		reached := 0
		for reached < len(dry) && height[dry[reached]] == water {
			reached++
		}
		wet = p.mergeByRank(wet, dry[:reached])
		dry = dry[reached:]
		still := wet[:0]
		for _, i := range wet {
			g := groupOf(&p.sites[i])
			if poured == n || limit[g] <= 0 {
				continue
			}
			got[i]++
			limit[g]--
			poured++
			if got[i] < most[i] {
				still = append(still, i)
			}
		}
		wet = still
	}
	return poured
}

// mergeByRank merges two lists that are in rank order.
func (p *problem) mergeByRank(a, b []int) []int {
	if len(b) == 0 {
		return a
	}
	out := make([]int, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if p.sites[a[0]].rank < p.sites[b[0]].rank {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
