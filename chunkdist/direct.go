package chunkdist

import (
	"fmt"
	"slices"
)

// link is what two hosts hold of each other, as names of masters.
type link struct {
	hosts       hostPair
	there, back []string // masters on the first with a replica on the second, and the reverse
}

// directed returns the links of a plan in address order.
func directed(plan Plan) []link {
	at := make(map[string]int, len(plan.Hosts))
	for i, h := range plan.Hosts {
		at[h.Host] = i
	}
	index := make(map[hostPair]int)
	var out []link
	for _, n := range plan.Nodes {
		if n.Role != Replica {
			continue
		}
		a, b := at[plan.Nodes[*n.Master].Host], at[n.Host]
		pair := hostPair{min(a, b), max(a, b)}
		i, ok := index[pair]
		if !ok {
			i = len(out)
			index[pair] = i
			out = append(out, link{hosts: pair})
		}
		name := fmt.Sprintf("M%d", *n.Master)
		if a < b {
			out[i].there = append(out[i].there, name)
		} else {
			out[i].back = append(out[i].back, name)
		}
	}
	slices.SortFunc(out, func(a, b link) int { return comparePairs(a.hosts, b.hosts) })
	return out
}
