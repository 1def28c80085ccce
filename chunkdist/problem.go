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
	groups   []group
}

// site is a host as the problem sees it.
type site struct {
	host  int // index in the hosts given; -1 where the host offers nothing
	name  string
	group int
	rank  int // place in the order in which sites are filled
	// room is how many more nodes fit, all limits of the host itself considered;
	// masters is how many more of them may be masters.
	room, masters int
	// hadNodes and hadMasters are there already.
	hadNodes, hadMasters int
}

// group is the sites that no two copies of a shard may share: a fault domain, or one host.
type group struct {
	name    string
	nodes   int // limit on new nodes: at most one of each shard
	masters int // limit on new masters
}

// minority is the most of total that may be lost without losing the majority of it.
func minority(total int) int { return (total - 1) / 2 }

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

// most returns the most nodes and the most masters that the limits let in.
func (p *problem) most() (nodes, masters int) {
	perGroup := make([][2]int, len(p.groups))
	for _, s := range p.sites {
		perGroup[s.group][0] += s.room
		perGroup[s.group][1] += min(s.room, s.masters)
	}
	for i, g := range p.groups {
		nodes += min(g.nodes, perGroup[i][0])
		masters += min(g.masters, perGroup[i][1])
	}
	return nodes, masters
}

// order ranks the sites: the roomiest of every group, then the second of every group, and
// so on, so that groups share evenly; equals by name.
func (p *problem) order() {
	idx := make([]int, len(p.sites))
	for i := range idx {
		idx[i] = i
	}
	roomier := func(a, b int) int {
		x, y := p.sites[a], p.sites[b]
		return cmp.Or(y.room-x.room, compareNames(x.name, y.name))
	}
	slices.SortFunc(idx, roomier)
	nth := make([]int, len(p.sites)) // a site's place in its group
	seen := make([]int, len(p.groups))
	for _, i := range idx {
		g := p.sites[i].group
		nth[i] = seen[g]
		seen[g]++
	}
	slices.SortStableFunc(idx, func(a, b int) int { return nth[a] - nth[b] })
	for rank, i := range idx {
		p.sites[i].rank = rank
	}
}
