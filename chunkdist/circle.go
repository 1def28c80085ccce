package chunkdist

// circle is the sites in rank order, as a ring from which sites are removed.
type circle struct {
	site []int // by rank
	hop  []int // by rank: a rank at or after it that may still be in; itself while it is in
}

// newCircle returns the ring of the sites (given in rank order) that are in.
func newCircle(order []int, in func(site int) bool) circle {
	c := circle{site: order, hop: make([]int, len(order)+1)}
	for rank, i := range order {
		c.hop[rank] = rank
		if !in(i) {
			c.hop[rank] = rank + 1
		}
	}
	c.hop[len(order)] = len(order)
	return c
}

func (c *circle) remove(rank int) { c.hop[rank] = rank + 1 }

// at returns the first rank from a rank on that is in; len(site) if there is none.
func (c *circle) at(rank int) int {
	for c.hop[rank] != rank {
		c.hop[rank] = c.hop[c.hop[rank]]
		rank = c.hop[rank]
	}
	return rank
}

// next returns the first site after a rank, once round, that is in and that ok accepts;
// -1 if there is none.
func (c *circle) next(after int, ok func(site int) bool) int {
	for rank := c.at(after + 1); rank < len(c.site); rank = c.at(rank + 1) {
		if ok(c.site[rank]) {
			return c.site[rank]
		}
	}
	for rank := c.at(0); rank <= after && rank < len(c.site); rank = c.at(rank + 1) {
		if ok(c.site[rank]) {
			return c.site[rank]
		}
	}
	return -1
}
