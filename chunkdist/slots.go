package chunkdist

import "slices"

// shareSlots gives the masters from nodes[first] on their slots: each old master keeps the
// lowest of its slots, up to its share; what is over goes to the new masters in order.
func shareSlots(nodes []Node, first int) {
	var old, fresh []int
	for i, n := range nodes {
		switch {
		case n.Role != Master:
		case i < first:
			old = append(old, i)
		default:
			fresh = append(fresh, i)
		}
	}
	masters := len(old) + len(fresh)
	var over []int
	for k, i := range old {
		share := Slots / masters
		if k < Slots%masters {
			share++
		}
		slots := slotsOf(nodes[i].Slots)
		keep := min(share, len(slots))
		over = append(over, slots[keep:]...)
		nodes[i].Slots = ranges(slots[:keep])
	}
	slices.Sort(over)
	for k, i := range fresh {
		nodes[i].Slots = ranges(over[k*len(over)/len(fresh) : (k+1)*len(over)/len(fresh)])
	}
}

func slotsOf(ranges [][2]int) []int {
	var out []int
	for _, r := range ranges {
		for s := r[0]; s <= r[1]; s++ {
			out = append(out, s)
		}
	}
	return out
}

// ranges returns ascending slots as inclusive ranges.
func ranges(slots []int) [][2]int {
	out := [][2]int{}
	for _, s := range slots {
		if k := len(out) - 1; k >= 0 && out[k][1] == s-1 {
			out[k][1] = s
		} else {
			out = append(out, [2]int{s, s})
		}
	}
	return out
}
