package chunkdist

import "slices"

// portPair is the two ports of a node.
type portPair struct{ data, bus int }

// pairs calls yield with the pairs of ports that nodes can take, lowest first and as many
// as there can be, until yield says no. No port is in two pairs.
//
// With an offset the ports p, p+|offset|, p+2|offset| … form chains. Taking each chain's
// pairs from its low end wastes a port only where the chain is odd, so the count is the most.
func pairs(ports []PortRange, offset int, yield func(portPair) bool) {
	if offset == 0 {
		anyPairs(ports, yield)
		return
	}
	step := max(offset, -offset)
	var high []int // upper ports that are taken, ascending; those below the scan are dropped
	for _, r := range ports {
		for _, q := range ports {
			// low runs over the ports of r whose partner is in q: both ascend, so low does.
			for low := max(r.Begin, q.Begin-step); low <= min(r.End, q.End-step); low++ {
				for len(high) > 0 && high[0] < low {
					high = high[1:]
				}
				if len(high) > 0 && high[0] == low {
					continue
				}
				high = append(high, low+step)
				p := portPair{data: low, bus: low + step}
				if offset < 0 {
					p.data, p.bus = p.bus, p.data
				}
				if !yield(p) {
					return
				}
			}
		}
	}
}

// anyPairs pairs the ports off in their order.
func anyPairs(ports []PortRange, yield func(portPair) bool) {
	data := 0
	for _, r := range ports {
		for p := r.Begin; p <= r.End; p++ {
			if data == 0 {
				data = p
				continue
			}
			if !yield(portPair{data, p}) {
				return
			}
			data = 0
		}
	}
}

// countPairs returns how many nodes the ports are enough for, counting no further than bound.
func countPairs(ports []PortRange, offset, bound int) int {
	if offset == 0 {
		return min(countPorts(ports)/2, bound)
	}
	if bound <= 0 {
		return 0
	}
	n := 0
	pairs(ports, offset, func(portPair) bool {
		n++
		return n < bound
	})
	return n
}

func countPorts(ports []PortRange) int {
	n := 0
	for _, r := range ports {
		n += r.End - r.Begin + 1
	}
	return n
}

// minus returns the ports of a that are not in b.
func minus(a, b []PortRange) []PortRange {
	var out []PortRange
	for _, r := range a {
		for _, s := range b {
			if s.End < r.Begin || s.Begin > r.End {
				continue
			}
			if s.Begin > r.Begin {
				out = append(out, PortRange{r.Begin, s.Begin - 1})
			}
			r.Begin = s.End + 1
		}
		if r.Begin <= r.End {
			out = append(out, r)
		}
	}
	return out
}

func overlaps(a, b []PortRange) bool {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].End < b[j].Begin:
			i++
		case b[j].End < a[i].Begin:
			j++
		default:
			return true
		}
	}
	return false
}

func sortPorts(ports []PortRange) {
	slices.SortFunc(ports, func(a, b PortRange) int { return a.Begin - b.Begin })
}
