package chunkdist

// circle is sites in a fixed order, as a ring that sites drop out of.
type circle struct {
	site []int // by place
	// hop leads from a place to one at or after it that may still be in; to itself while it
	// is in. Shortened on every walk, so a long stretch of dropouts is walked once.
	hop []int
	// run leads from a place past the places after it that are in the same group, as far as
	// is known; it only ever grows, since dropouts only lengthen a run.
	run     []int
	groupOf func(site int) int
}

func newCircle(order []int, groupOf func(site int) int, in func(site int) bool) *circle {
	c := &circle{site: order, groupOf: groupOf, hop: make([]int, len(order)+1), run: make([]int, len(order))}
	for at, i := range order {
		c.hop[at], c.run[at] = at, at+1
		if !in(i) {
			c.hop[at] = at + 1
		}
	}
	c.hop[len(order)] = len(order)
	return c
}

// drop takes the site at a place out.
func (c *circle) drop(at int) { c.hop[at] = at + 1 }

// from returns the first place from one on whose site is in; len(site) if there is none.
func (c *circle) from(at int) int {
	for c.hop[at] != at {
		c.hop[at] = c.hop[c.hop[at]]
		at = c.hop[at]
	}
	return at
}

// next returns the place of the first site after a place, once round and that place last,
// that ok accepts; false if there is none.
func (c *circle) next(after int, ok func(site int) bool) (at int, found bool) {
	for _, lap := range [2][2]int{{after + 1, len(c.site)}, {0, after + 1}} {
		for at := c.from(lap[0]); at < lap[1]; at = c.from(at + 1) {
			if ok(c.site[at]) {
				return at, true
			}
		}
	}
	return 0, false
}

// nextGroup is next by group: it walks from group to group instead of from site to site.
func (c *circle) nextGroup(after int, ok func(group int) bool) (at int, found bool) {
	for _, lap := range [2][2]int{{after + 1, len(c.site)}, {0, after + 1}} {
		for at := c.from(lap[0]); at < lap[1]; at = c.past(at) {
			if ok(c.groupOf(c.site[at])) {
				return at, true
			}
		}
	}
	return 0, false
}

// past returns the first place after one whose site is in and in another group.
func (c *circle) past(at int) int {
	g := c.groupOf(c.site[at])
	to := c.from(c.run[at])
	for to < len(c.site) && c.groupOf(c.site[to]) == g {
		to = c.from(c.run[to])
	}
	c.run[at] = to
	return to
}
