package chunkdist

import "slices"

// shard is the sites of one shard's copies: the master's, then the replicas'.
type shard []int

// linker deals the counted copies to shards, one shard after the other.
//
// Its law: a group that has as many copies left as shards are left is full, and a full group
// must be in the next shard. As long as that is kept, no group ever has more copies left
// than shards are left, and that is all it takes for the rest to be possible
// (docs/placement.md). So every other choice is free, and is made for the shape of the links.
type linker struct {
	p        *problem
	left     int                            // shards to go
	law      func(t *tally, left int) []int // which groups must be in the next shard
	masters  []int                          // by site: to be dealt
	replicas []int                          // by site: to be dealt
	groups   *tally
	wishes   *tally // nil where the groups are all there is
	tallies  []*tally
	ring     *circle // sites in rank order; those without replicas drop out
	over     []int   // wishes that start with more copies than there are shards
	cursor   []int   // by site: whose replica it took last, as a place in the ring
	shards   []shard
	chunked  int // how many of the shards, the first ones, are in chunks
}

// link deals the counts of a feasible problem.
func (p *problem) link(c counts, shape Link) []shard {
	l := newLinker(p, c)
	l.deal(shape)
	l.untangle()
	return l.shards
}

func newLinker(p *problem, c counts) *linker {
	order := make([]int, len(p.sites))
	for i, s := range p.sites {
		order[s.rank] = i
	}
	group := func(i int) int { return p.sites[i].group }
	wish := func(i int) int { return p.sites[i].wish }
	l := &linker{
		p: p, left: p.shards, law: (*tally).with,
		masters:  slices.Clone(c.masters),
		replicas: slices.Clone(c.replicas),
		groups:   newTally(len(p.groups), order, c, group),
		cursor:   make([]int, len(p.sites)),
		shards:   make([]shard, 0, p.shards),
	}
	l.tallies = []*tally{l.groups}
	l.ring = newCircle(order, group, func(i int) bool { return c.replicas[i] > 0 })
	if p.wishes != nil {
		l.wishes = newTally(len(p.wishes), order, c, wish)
		l.tallies = append(l.tallies, l.wishes)
		l.ring.groupOf = wish
		for g, n := range l.wishes.copies {
			if n > l.left {
				l.over = append(l.over, g)
			}
		}
	}
	for i, s := range p.sites {
		l.cursor[i] = s.rank
	}
	return l
}

// deal deals all shards: as many as it can in chunks if these are wanted, the others in rounds.
func (l *linker) deal(shape Link) {
	if shape == LinkPair && l.p.replicas > 0 {
		l.dealChunks()
		l.chunked = len(l.shards)
	}
	l.dealRounds()
}

// take deals one copy of a site to the next shard.
func (l *linker) take(site int, role Role) {
	for _, t := range l.tallies {
		t.take(site, l.left)
	}
	if role == Master {
		l.masters[site]--
		return
	}
	if l.replicas[site]--; l.replicas[site] == 0 {
		l.ring.drop(l.p.sites[site].rank)
		for _, t := range l.tallies {
			t.drop(site)
		}
	}
}

// dealRounds deals the masters, one of each site per round, so that all sites come to the
// end together.
func (l *linker) dealRounds() {
	turn := slices.Clone(l.ring.site)
	for len(turn) > 0 {
		still := turn[:0]
		for _, i := range turn {
			if l.masters[i] > 0 {
				l.dealShard(i)
			}
			if l.masters[i] > 0 {
				still = append(still, i)
			}
		}
		turn = still
	}
}

// dealShard deals one shard with its master on a site: with a copy of every full group, the
// others from the sites that come next in the ring.
//
// A full group that is not the master's has a replica to give: had it none, all its copies
// were masters, as many as shards are left, and this master would be one of them.
func (l *linker) dealShard(master int) {
	full := slices.Sorted(slices.Values(l.law(l.groups, l.left)))
	s := make(shard, 1, l.p.replicas+1)
	s[0] = master
	l.take(master, Master)
	add := func(site int) {
		s = append(s, site)
		l.take(site, Replica)
	}
	for _, g := range full {
		if !l.groups.has(l.left, g) {
			site, _ := l.groups.replica(g, func(int) bool { return true })
			add(site)
		}
	}
	for _, g := range l.fullWishes(l.left) {
		if len(s) <= l.p.replicas && !l.wishes.has(l.left, g) {
			if site, ok := l.wishes.replica(g, l.unused); ok {
				add(site)
			}
		}
	}
	for len(s) <= l.p.replicas {
		at := l.nextReplica(l.cursor[master])
		l.cursor[master] = at
		add(l.ring.site[at])
	}
	l.shards = append(l.shards, s)
	l.left--
}

// fullWishes returns the wished-for domains with at least n copies to get: the law holds for
// them as far as it can.
func (l *linker) fullWishes(n int) []int {
	if l.wishes == nil {
		return nil
	}
	full := slices.Clone(l.wishes.with(n))
	for _, g := range l.over {
		if l.wishes.copies[g] > n {
			full = append(full, g)
		}
	}
	slices.Sort(full)
	return full
}

// unused reports whether the next shard has no copy yet in the group of a site.
func (l *linker) unused(site int) bool { return !l.groups.has(l.left, l.p.sites[site].group) }

// nextReplica returns the place in the ring of the next site after one that can give a
// replica to the next shard, in a wished-for domain of its own if there is one.
func (l *linker) nextReplica(after int) int {
	apart := l.groups
	if l.wishes != nil {
		apart = l.wishes
	}
	at, ok := l.ring.nextGroup(after, func(g int) bool { return !apart.has(l.left, g) })
	if !ok {
		at, _ = l.ring.next(after, l.unused)
	}
	return at
}
