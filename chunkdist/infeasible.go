package chunkdist

import (
	"fmt"
	"strings"
)

// Infeasible says why no plan keeps the rules on the hosts given, what each host was short
// of, and what would be possible.
type Infeasible struct {
	Cluster string
	// Request is what was to be placed: "3 masters × 1 replica".
	Request string
	// Replicas of each master; Hosts is how many were offered.
	Replicas, Hosts int
	// Rule is what stood in the way. RuleCapacity: there is no room; RuleExclusion: there is
	// room, but not where and as much as the request lets it be used; RuleHalf, RuleApart
	// and RuleMajority: the room is there, but on too few hosts or fault domains.
	Rule Rule
	// Need is how many nodes (of RuleMajority: masters) are to be placed; Have how many of
	// them the hosts can hold under the rules up to Rule.
	Need, Have int
	// Shortages says for every host, in address order, what kept it from holding more.
	Shortages []Shortage
	// Nearest is the nearest feasible request, in words; empty where none was found.
	Nearest string

	domains int    // how many fault domains the hosts are in, where copies are kept apart by them
	limits  string // what RuleExclusion is about
}

// Shortage is what one host was short of.
type Shortage struct {
	Host string
	// Dimension is cpus, memory_mb, ports, bus_ports, agents or the name of a Rule.
	Dimension string
	// Need is what one more node or master on this host would have taken in all; Have is
	// what there is.
	Need, Have float64
	// Message is the shortage as a sentence without its host.
	Message string
}

// Error is one sentence: what is short, by how much, and where one can see it.
func (e *Infeasible) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no plan for cluster %s (%s): %s", e.Cluster, e.Request, e.reason())
	if s, hosts := e.commonest(); hosts > 0 {
		fmt.Fprintf(&b, "; short of %s on %d of %s, such as %s, where %s", s.Dimension, hosts, plural(e.Hosts, "host", "hosts"), s.Host, s.Message)
	}
	if e.Nearest != "" {
		fmt.Fprintf(&b, "; possible: %s", e.Nearest)
	}
	return b.String()
}

// reason says which rule stood in the way.
func (e *Infeasible) reason() string {
	if e.Hosts == 0 {
		return "no host was offered"
	}
	on := "on " + plural(e.Hosts, "host", "hosts")
	if e.domains > 0 {
		on += " in " + plural(e.domains, "fault domain", "fault domains")
	}
	short := fmt.Sprintf("%d of %s, %d short", e.Have, plural(e.Need, "node", "nodes"), e.Need-e.Have)
	switch e.Rule {
	case RuleExclusion:
		return fmt.Sprintf("%s, which leaves room %s for %s", e.limits, on, short)
	case RuleHalf:
		return fmt.Sprintf("no host may hold half of the nodes, which leaves room %s for %s", on, short)
	case RuleApart:
		where := "on different hosts"
		if e.domains > 0 {
			where = "in different fault domains"
		}
		return fmt.Sprintf("the %d copies of a shard must be %s, which leaves room %s for %s", e.Replicas+1, where, on, short)
	case RuleMajority:
		where := "host"
		if e.domains > 0 {
			where = "fault domain"
		}
		return fmt.Sprintf("no %s may hold half of the masters, which leaves room %s for %d of %s, %d short",
			where, on, e.Have, plural(e.Need, "master", "masters"), e.Need-e.Have)
	default:
		return fmt.Sprintf("there is room %s for %s", on, short)
	}
}

// commonest returns the first shortage of the dimension that most hosts are short of,
// where that adds to the reason.
func (e *Infeasible) commonest() (Shortage, int) {
	if e.Rule != RuleCapacity {
		return Shortage{}, 0
	}
	hosts := make(map[string]int)
	var best Shortage
	for _, s := range e.Shortages {
		hosts[s.Dimension]++
	}
	for _, s := range e.Shortages {
		if hosts[s.Dimension] > hosts[best.Dimension] {
			best = s
		}
	}
	return best, hosts[best.Dimension]
}

func shardsInWords(masters, replicas int) string {
	return fmt.Sprintf("%s × %s", plural(masters, "master", "masters"), plural(replicas, "replica", "replicas"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
