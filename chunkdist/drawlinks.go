package chunkdist

import (
	"cmp"
	"fmt"
	"slices"
)

// link is the replicas that one host holds of another one's masters, and the other way round
// where both do.
type link struct {
	from, to    int      // indices in Plan.Hosts
	there, back []string // names of masters of from with a replica on to, and the reverse
}

// linksDrawn returns the links of a plan in address order.
func linksDrawn(plan Plan) []link {
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
			out = append(out, link{from: pair[0], to: pair[1]})
		}
		name := fmt.Sprintf("M%d", *n.Master)
		if a < b {
			out[i].there = append(out[i].there, name)
		} else {
			out[i].back = append(out[i].back, name)
		}
	}
	for i, l := range out {
		if len(l.there) == 0 {
			out[i] = link{from: l.to, to: l.from, there: l.back}
		}
	}
	slices.SortFunc(out, func(a, b link) int { return cmp.Or(a.from-b.from, a.to-b.to) })
	return out
}
