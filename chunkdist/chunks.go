package chunkdist

import "slices"

// dealChunks deals chunks as long as it can: replicas+1 sites of different groups, each with
// a master and with a replica of each other one's master. What is left over (odd counts,
// lopsided sites) is for dealRounds.
func (l *linker) dealChunks() {
	size := l.p.replicas + 1
	ready := newCircle(l.ring.site, l.ring.groupOf, l.whole)
	turn := slices.Clone(l.ring.site)
	for dealt := true; dealt; {
		dealt = false
		still := turn[:0]
		for _, i := range turn {
			if l.left < size || !l.whole(i) {
				continue
			}
			chunk := l.chunkOf(i, ready)
			if chunk == nil {
				continue
			}
			dealt = true
			still = append(still, i)
			l.dealChunk(chunk)
			for _, j := range chunk {
				if !l.whole(j) {
					ready.drop(l.p.sites[j].rank)
				}
			}
		}
		turn = still
	}
}

// whole reports whether a site can be in a chunk: it has a master and its share of replicas.
func (l *linker) whole(site int) bool {
	return l.masters[site] > 0 && l.replicas[site] >= l.p.replicas
}

// chunkOf returns the sites of a chunk with a first one, or nil if there is none that keeps
// the law: a group with more copies than shards will be left must be in it.
func (l *linker) chunkOf(first int, ready *circle) []int {
	size := l.p.replicas + 1
	chunk := []int{first}
	has := func(g int, groupOf func(int) int) bool {
		return slices.ContainsFunc(chunk, func(i int) bool { return groupOf(i) == g })
	}
	for _, t := range l.tallies {
		for _, g := range l.overfull(t, size) {
			if has(g, t.groupOf) {
				continue
			}
			at, ok := ready.next(l.cursor[first], func(i int) bool { return t.groupOf(i) == g && !has(ready.groupOf(i), ready.groupOf) })
			if !ok || len(chunk) == size {
				return nil
			}
			chunk = append(chunk, ready.site[at])
		}
	}
	for len(chunk) < size {
		at, ok := ready.nextGroup(l.cursor[first], func(g int) bool { return !has(g, ready.groupOf) })
		if !ok {
			return nil
		}
		l.cursor[first] = at
		chunk = append(chunk, ready.site[at])
	}
	return chunk
}

// overfull returns the groups that would have more copies left than shards if the next few
// shards were without them.
func (l *linker) overfull(t *tally, few int) []int {
	var out []int
	for n := l.left; n > l.left-few; n-- {
		out = append(out, t.with(n)...)
	}
	slices.Sort(out)
	return out
}

// dealChunk deals a shard for each site of a chunk.
func (l *linker) dealChunk(chunk []int) {
	for k, master := range chunk {
		s := shard{master}
		l.take(master, Master)
		for j := 1; j < len(chunk); j++ {
			site := chunk[(k+j)%len(chunk)]
			s = append(s, site)
			l.take(site, Replica)
		}
		l.shards = append(l.shards, s)
	}
	l.left -= len(chunk)
}
