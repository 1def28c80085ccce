package chunkdist

import (
	"fmt"
	"slices"
)

// relaxations says, a sentence each, where a plan does not keep fault domains apart.
func relaxations(p Plan) []string {
	type domain struct {
		masters int
		shards  map[int]int // by master: its copies here
		shared  []string    // masters with several
	}
	domains := make(map[string]*domain)
	var names []string
	for _, n := range p.Nodes {
		d := domains[n.Domain]
		if d == nil {
			d = &domain{shards: make(map[int]int)}
			domains[n.Domain] = d
			names = append(names, n.Domain)
		}
		shard := n.Index
		if n.Role == Master {
			d.masters++
		} else {
			shard = *n.Master
		}
		if d.shards[shard]++; d.shards[shard] == 2 {
			d.shared = append(d.shared, fmt.Sprintf("M%d", shard))
		}
	}
	slices.SortFunc(names, compareNames)
	var out []string
	for _, name := range names {
		d := domains[name]
		if d.masters > minority(p.Masters) {
			out = append(out, fmt.Sprintf("fault domain %s holds %d of %d masters: its loss takes the majority", name, d.masters, p.Masters))
		}
		if len(d.shared) > 0 {
			out = append(out, fmt.Sprintf("fault domain %s holds several copies of %s: %s",
				name, plural(len(d.shared), "shard", "shards"), upTo(maxNodes, d.shared, " ")))
		}
	}
	return out
}
