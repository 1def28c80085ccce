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
	if link == LinkPair && p.replicas > 0 {
		if c, ok := p.countChunks(); ok {
			return c
		}
	}
	masters := p.fill(p.shards, func(s *site) (int, int) { return s.hadMasters, min(s.room, s.masters) },
		func(g group) int { return g.masters })
	if p.replicas == 0 {
		return counts{masters, make([]int, len(p.sites))}
	}
	return counts{masters, p.addReplicas(masters)}
}

func (p *problem) addReplicas(masters []int) []int {
	limit := make([]int, len(p.groups))
	for i, g := range p.groups {
		limit[i] = g.nodes
	}
	have, most := make([]int, len(p.sites)), make([]int, len(p.sites))
	for i, s := range p.sites {
		have[i] = s.hadNodes + masters[i]
		most[i] = s.room - masters[i]
		limit[s.group] -= masters[i]
	}
	return p.level(p.shards*p.replicas, have, most, limit)
}

// countChunks gives every host 0, 1, 2 … units of a master and its share of replicas. It
// declines where not all units fit or where they leave the hosts further apart than one unit
// although there was room to be closer.
func (p *problem) countChunks() (counts, bool) {
	unit := p.replicas + 1
	units := p.fill(p.shards, func(s *site) (int, int) {
		return s.hadNodes / unit, min(s.room/unit, s.masters)
	}, func(g group) int { return min(g.masters, g.nodes/unit) })
	replicas := make([]int, len(p.sites))
	placed, most := 0, 0
	nodes := make([]int, len(p.groups))
	for i, s := range p.sites {
		placed += units[i]
		replicas[i] = units[i] * p.replicas
		nodes[s.group] += units[i] * unit
		if units[i] > 0 {
			most = max(most, s.hadNodes+units[i]*unit)
		}
	}
	if placed < p.shards {
		return counts{}, false
	}
	for i, s := range p.sites {
		n := units[i] * unit
		if n < s.room && nodes[s.group] < p.groups[s.group].nodes && s.hadNodes+n+unit < most {
			return counts{}, false
		}
	}
	return counts{units, replicas}, true
}

// fill places up to n of something, level; of says how much a site has and may get.
func (p *problem) fill(n int, of func(*site) (have, most int), limit func(group) int) []int {
	have, most := make([]int, len(p.sites)), make([]int, len(p.sites))
	for i := range p.sites {
		have[i], most[i] = of(&p.sites[i])
	}
	limits := make([]int, len(p.groups))
	for i, g := range p.groups {
		limits[i] = limit(g)
	}
	return p.level(n, have, most, limits)
}

// level pours n into the sites as water: always into a site with the least, equals in rank
// order, no site above most and no group above limit. It returns what each site got; the sum
// falls short of n only when all are full. Cost: a sort, then one step per unit poured.
func (p *problem) level(n int, have, most, limit []int) []int {
	got := make([]int, len(p.sites))
	waiting := make([]int, 0, len(p.sites)) // sites above the water, lowest first
	for i := range p.sites {
		if most[i] > 0 {
			waiting = append(waiting, i)
		}
	}
	slices.SortFunc(waiting, func(a, b int) int {
		if have[a] != have[b] {
			return have[a] - have[b]
		}
		return p.sites[a].rank - p.sites[b].rank
	})
	var wet []int // sites that the water has reached, in rank order
	for water := 0; n > 0 && len(wet)+len(waiting) > 0; water++ {
		if len(wet) == 0 {
			water = have[waiting[0]]
		}
		reached := 0
		for reached < len(waiting) && have[waiting[reached]] == water {
			reached++
		}
		wet = p.mergeByRank(wet, waiting[:reached])
		waiting = waiting[reached:]
		still := wet[:0]
		for _, i := range wet {
			g := p.sites[i].group
			if n == 0 || limit[g] <= 0 {
				continue
			}
			got[i]++
			limit[g]--
			n--
			if got[i] < most[i] {
				still = append(still, i)
			}
		}
		wet = still
	}
	return got
}

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
