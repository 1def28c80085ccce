package chunkdist

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
	left     int     // shards to go
	masters  []int   // per site, to be dealt
	replicas []int   // per site, to be dealt
	copies   []int   // per group, masters and replicas to be dealt
	byCopies [][]int // groups by copies left
	at       []int   // a group's place in byCopies[copies]
	circle   circle  // sites in rank order, those without replicas left out
	members  [][]int // the sites of a group, in rank order
	cursor   []int   // per site: where in the circle it dealt last
	used     []int   // per group: the last shard (counted down) that used it
	shards   []shard
}

// link deals the counts of a feasible problem.
func (p *problem) link(c counts, shape Link) []shard {
	l := newLinker(p, c)
	if shape == LinkPair && p.replicas > 0 {
		l.dealChunks()
	}
	l.dealRounds()
	return l.shards
}

func newLinker(p *problem, c counts) *linker {
	l := &linker{
		p: p, left: p.shards,
		masters:  append([]int(nil), c.masters...),
		replicas: append([]int(nil), c.replicas...),
		copies:   make([]int, len(p.groups)),
		byCopies: make([][]int, p.shards+1),
		at:       make([]int, len(p.groups)),
		members:  make([][]int, len(p.groups)),
		cursor:   make([]int, len(p.sites)),
		used:     make([]int, len(p.groups)),
		shards:   make([]shard, 0, p.shards),
	}
	order := make([]int, len(p.sites))
	for i, s := range p.sites {
		order[s.rank] = i
		l.cursor[i] = s.rank
		l.copies[s.group] += c.masters[i] + c.replicas[i]
	}
	for _, i := range order {
		if c.masters[i]+c.replicas[i] > 0 {
			g := p.sites[i].group
			l.members[g] = append(l.members[g], i)
		}
	}
	for g, n := range l.copies {
		l.used[g] = -1
		l.at[g] = len(l.byCopies[n])
		l.byCopies[n] = append(l.byCopies[n], g)
	}
	l.circle = newCircle(order, func(i int) bool { return c.replicas[i] > 0 })
	return l
}

// take deals one copy of a site's group.
func (l *linker) take(site int) {
	g := l.p.sites[site].group
	n := l.copies[g]
	row := l.byCopies[n]
	last := row[len(row)-1]
	row[l.at[g]], l.at[last] = last, l.at[g]
	l.byCopies[n] = row[:len(row)-1]
	l.copies[g] = n - 1
	l.at[g] = len(l.byCopies[n-1])
	l.byCopies[n-1] = append(l.byCopies[n-1], g)
	l.used[g] = l.left
}

func (l *linker) takeMaster(site int) {
	l.masters[site]--
	l.take(site)
}

func (l *linker) takeReplica(site int) {
	if l.replicas[site]--; l.replicas[site] == 0 {
		l.circle.remove(l.p.sites[site].rank)
	}
	l.take(site)
}

// dealRounds deals the remaining masters, one of each site per round, so that all sites
// come to the end at the same time.
func (l *linker) dealRounds() {
	var turn []int
	for rank := range l.p.sites {
		if i := l.circle.site[rank]; l.masters[i] > 0 {
			turn = append(turn, i)
		}
	}
	for len(turn) > 0 {
		still := turn[:0]
		for _, i := range turn {
			// A full group with nothing but masters left must come now.
			for m, ok := l.mastersOnly(); ok && m != i; m, ok = l.mastersOnly() {
				l.dealShard(m)
			}
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

// mastersOnly returns a site with a master left in a full group that has no replica left.
func (l *linker) mastersOnly() (int, bool) {
	for _, g := range l.byCopies[l.left] {
		if l.left == 0 {
			break
		}
		site := -1
		for _, i := range l.members[g] {
			if l.replicas[i] > 0 {
				site = -1
				break
			}
			if l.masters[i] > 0 {
				site = i
			}
		}
		if site >= 0 {
			return site, true
		}
	}
	return 0, false
}

// dealShard deals one shard with its master on a site.
func (l *linker) dealShard(master int) {
	full := append([]int(nil), l.byCopies[l.left]...)
	s := make(shard, 1, l.p.replicas+1)
	s[0] = master
	l.takeMaster(master)
	for _, g := range full {
		if l.used[g] == l.left {
			continue
		}
		for _, i := range l.members[g] {
			if l.replicas[i] > 0 {
				s = append(s, i)
				l.takeReplica(i)
				break
			}
		}
	}
	for len(s) < l.p.replicas+1 {
		i := l.circle.next(l.cursor[master], func(i int) bool { return l.used[l.p.sites[i].group] != l.left })
		l.cursor[master] = l.p.sites[i].rank
		s = append(s, i)
		l.takeReplica(i)
	}
	l.shards = append(l.shards, s)
	l.left--
}

// dealChunks deals chunks as long as it can: replicas+1 sites of different groups, each
// with a master and a replica of each other one's master.
func (l *linker) dealChunks() {
	size := l.p.replicas + 1
	whole := func(i int) bool { return l.masters[i] > 0 && l.replicas[i] >= l.p.replicas }
	turn := make([]int, 0, len(l.p.sites))
	for _, i := range l.circle.site {
		if whole(i) {
			turn = append(turn, i)
		}
	}
	ready := newCircle(l.circle.site, whole)
	for len(turn) > 0 && l.left >= size {
		dealt := false
		still := turn[:0]
		for _, i := range turn {
			if l.left < size || !whole(i) {
				continue
			}
			chunk, ok := l.chunkOf(i, &ready)
			if !ok {
				continue
			}
			dealt = true
			l.dealChunk(chunk)
			for _, j := range chunk {
				if !whole(j) {
					ready.remove(l.p.sites[j].rank)
				}
			}
			still = append(still, i)
		}
		turn = still
		if !dealt {
			return
		}
	}
}

// chunkOf returns the sites of a chunk with a first one, if there is one that leaves the
// rest possible: every group with more copies than shards will be left must be in it.
func (l *linker) chunkOf(first int, ready *circle) ([]int, bool) {
	size := l.p.replicas + 1
	chunk := []int{first}
	in := func(g int) bool {
		for _, i := range chunk {
			if l.p.sites[i].group == g {
				return true
			}
		}
		return false
	}
	for n := l.left; n > l.left-size; n-- {
		for _, g := range l.byCopies[n] {
			if in(g) {
				continue
			}
			if len(chunk) == size {
				return nil, false
			}
			found := false
			for _, i := range l.members[g] {
				if l.masters[i] > 0 && l.replicas[i] >= l.p.replicas {
					chunk, found = append(chunk, i), true
					break
				}
			}
			if !found {
				return nil, false
			}
		}
	}
	for len(chunk) < size {
		i := ready.next(l.cursor[first], func(i int) bool { return !in(l.p.sites[i].group) })
		if i < 0 {
			return nil, false
		}
		l.cursor[first] = l.p.sites[i].rank
		chunk = append(chunk, i)
	}
	return chunk, true
}

func (l *linker) dealChunk(chunk []int) {
	for k, master := range chunk {
		s := shard{master}
		l.takeMaster(master)
		for j := 1; j < len(chunk); j++ {
			i := chunk[(k+j)%len(chunk)]
			l.takeReplica(i)
			s = append(s, i)
		}
		l.shards = append(l.shards, s)
	}
	l.left -= len(chunk)
}
