package chunkdist

import (
	"fmt"
	"slices"
)

// diagnose explains why the homeless nodes have no homes.
func (m *moves) diagnose(r request) *Infeasible {
	e := &Infeasible{Cluster: r.spec.Cluster, Request: plural(len(m.nodes), "node", "nodes") + " of lost hosts",
		Replicas: r.spec.Replicas, Hosts: len(r.hosts), Rule: RuleCapacity, Need: len(m.nodes)}
	e.about(r.spec, m.p)
	for i := range m.p.sites {
		s := &m.p.sites[i]
		if s.host < 0 {
			continue
		}
		e.Have += s.room
		e.Shortages = append(e.Shortages, m.shortages(r.spec, r.hosts[s.host], s)...)
	}
	if e.Have >= e.Need {
		// Where only the meeting of master and replica stands in the way, one is too many.
		e.Rule, e.Have = RuleApart, min(m.flow(nil), e.Need-1)
		if r.spec.Replicas == 0 {
			e.Rule = RuleMajority
		}
	}
	e.Nearest = nearest(r, e, moreHosts, smallerNodes, moreMemory, freerRules)
	return e
}

// shortages says what keeps a site from taking all the homeless.
func (m *moves) shortages(spec Spec, h Host, s *site) []Shortage {
	may := 0
	for _, n := range m.nodes {
		if !m.forbid[barred{n.shard, s.group}] {
			may++
		}
	}
	room := roomOf(spec, h, len(m.nodes)).nodes
	switch {
	case slices.Contains(spec.ExcludeHosts, h.Name):
		return []Shortage{{h.Name, string(RuleExclusion), 1, 0, "the request excludes it"}}
	case room < len(m.nodes) && room <= may:
		return shortOf(spec, h, room)
	case may < len(m.nodes):
		return []Shortage{{h.Name, string(RuleApart), float64(len(m.nodes)), float64(may),
			fmt.Sprintf("it may take %d of the %d nodes, it holds copies of the others' shards", may, len(m.nodes))}}
	default:
		return []Shortage{{h.Name, string(RuleHalf), float64(len(m.nodes)), float64(s.room),
			fmt.Sprintf("it may take %s more, so as not to hold half of all", plural(s.room, "node", "nodes"))}}
	}
}
