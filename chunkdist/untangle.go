package chunkdist

// maxSwaps bounds how many swaps untangle considers.
const maxSwaps = 200_000

// untangle evens out the links between sites: two shards swap the sites of a replica where
// that takes links from pairs of sites that have many and gives them to pairs that have few.
// Counts stay as they are, since every site gives a replica for one that it gets.
//
// The sum of the squares of the links falls with every swap, so it ends; chunks, dealt as
// two shards that mirror each other, swap as chunks; larger chunks stay as they are.
func (l *linker) untangle() {
	if l.p.replicas == 0 {
		return
	}
	u := &untangler{l: l, links: make(map[[2]int]int, len(l.shards)*l.p.replicas)}
	if l.p.replicas > 1 {
		u.first = l.chunked
	}
	sites := make(map[int]bool)
	for _, s := range l.shards {
		for _, r := range s[1:] {
			u.add(s[0], r, 1)
		}
		for _, i := range s {
			sites[i] = true
		}
	}
	pairs := len(sites) * (len(sites) - 1) / 2
	u.fair = (len(l.shards)*l.p.replicas + pairs - 1) / pairs
	tries := maxSwaps
	for swapped := true; swapped && tries > 0; {
		swapped = false
		for a := u.first; a < len(l.shards); a++ {
			for k := 1; k <= l.p.replicas; k++ {
				if u.at(l.shards[a][0], l.shards[a][k]) > u.fair*u.width(a) && u.improve(a, k, &tries) {
					swapped = true
				}
			}
		}
	}
}

type untangler struct {
	l     *linker
	links map[[2]int]int // by sites, the lower first
	first int            // shards before it stay as they are
	fair  int            // links of a pair of sites if all had the same, rounded up
}

func (u *untangler) at(a, b int) int { return u.links[[2]int{min(a, b), max(a, b)}] }

func (u *untangler) add(a, b, n int) { u.links[[2]int{min(a, b), max(a, b)}] += n }

// width is how many shards swap together: 2 where a shard is half of a chunk of two.
func (u *untangler) width(a int) int {
	if a < u.l.chunked && u.l.p.replicas == 1 {
		return 2
	}
	return 1
}

// improve looks through the shards after a for one to swap its replica k with.
func (u *untangler) improve(a, k int, tries *int) bool {
	n := len(u.l.shards) - u.first
	for d := 1; d < n && *tries > 0; d++ {
		b := u.first + (a-u.first+d)%n
		if u.width(a) != u.width(b) || u.width(a) == 2 && b == a^1 {
			continue
		}
		for j := 1; j <= u.l.p.replicas; j++ {
			*tries--
			if u.swap(a, k, b, j) {
				return true
			}
		}
	}
	return false
}

// swap swaps the sites of replica k of shard a and replica j of shard b if that is better.
func (u *untangler) swap(a, k, b, j int) bool {
	s, t := u.l.shards[a], u.l.shards[b]
	w := u.width(a)
	if u.at(s[0], s[k])+u.at(t[0], t[j])-u.at(s[0], t[j])-u.at(t[0], s[k]) <= 2*w || !u.fits(s, k, t[j]) || !u.fits(t, j, s[k]) {
		return false
	}
	u.add(s[0], s[k], -w)
	u.add(t[0], t[j], -w)
	s[k], t[j] = t[j], s[k]
	u.add(s[0], s[k], w)
	u.add(t[0], t[j], w)
	if w == 2 {
		// A ⇄ B and C ⇄ D become A ⇄ D and C ⇄ B: the other halves follow.
		u.l.shards[a^1] = shard{s[1], s[0]}
		u.l.shards[b^1] = shard{t[1], t[0]}
	}
	return true
}

// fits reports whether a shard can have a site as its replica k: its other copies must be in
// other groups.
func (u *untangler) fits(s shard, k, site int) bool {
	for i, other := range s {
		if i != k && u.l.ring.groupOf(other) == u.l.ring.groupOf(site) {
			return false
		}
	}
	return true
}
