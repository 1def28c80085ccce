package chunkdist

// tally keeps the copies that each group still has to get, and which groups have how many.
type tally struct {
	groupOf func(site int) int
	copies  []int   // by group
	byCount [][]int // groups by copies
	at      []int   // by group: its place in byCount[copies]
	members []*circle
	place   []int // by site: its place in its group's circle
	turn    []int // by group: the place in its circle that dealt last
	used    []int // by group: the last shard that has it, or -1
}

func newTally(groups int, order []int, c counts, groupOf func(site int) int) *tally {
	t := &tally{
		groupOf: groupOf,
		copies:  make([]int, groups), at: make([]int, groups), members: make([]*circle, groups),
		place: make([]int, len(order)), turn: make([]int, groups), used: make([]int, groups),
	}
	sites := make([][]int, groups)
	most := 0
	for _, i := range order {
		if n := c.masters[i] + c.replicas[i]; n > 0 {
			g := groupOf(i)
			t.copies[g] += n
			t.place[i] = len(sites[g])
			sites[g] = append(sites[g], i)
			most = max(most, t.copies[g])
		}
	}
	t.byCount = make([][]int, most+1)
	for g, n := range t.copies {
		t.used[g], t.turn[g] = -1, -1
		t.members[g] = newCircle(sites[g], nil, func(i int) bool { return c.replicas[i] > 0 })
		t.at[g] = len(t.byCount[n])
		t.byCount[n] = append(t.byCount[n], g)
	}
	return t
}

// with returns the groups with n copies to get.
func (t *tally) with(n int) []int {
	if n >= len(t.byCount) {
		return nil
	}
	return t.byCount[n]
}

// take notes that a shard takes a copy from a site.
func (t *tally) take(site, shard int) {
	g := t.groupOf(site)
	n := t.copies[g]
	row := t.byCount[n]
	last := row[len(row)-1]
	row[t.at[g]], t.at[last] = last, t.at[g]
	t.byCount[n] = row[:len(row)-1]
	t.copies[g] = n - 1
	t.at[g] = len(t.byCount[n-1])
	t.byCount[n-1] = append(t.byCount[n-1], g)
	t.used[g] = shard
}

// has reports whether a shard has a copy in a group.
func (t *tally) has(shard, g int) bool { return t.used[g] == shard }

// replica returns the group's site whose turn it is to deal a replica.
func (t *tally) replica(g int, ok func(site int) bool) (site int, found bool) {
	at, found := t.members[g].next(t.turn[g], ok)
	if !found {
		return 0, false
	}
	t.turn[g] = at
	return t.members[g].site[at], true
}

// drop notes that a site has no replica left.
func (t *tally) drop(site int) { t.members[t.groupOf(site)].drop(t.place[site]) }
