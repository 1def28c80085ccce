package chunkdist

import "fmt"

// Infeasible says why no plan keeps the rules on the hosts given, what each host was short
// of, and what would be possible.
type Infeasible struct {
	Cluster  string
	Masters  int
	Replicas int
	// Need and Have are nodes or masters, as Rule says: what the cluster has and how much
	// of it the hosts can hold under the rules.
	Need, Have int
	// Rule is what stood in the way: RuleCapacity where there is no room, RuleMajority where
	// the masters are too concentrated, RuleApart or RuleHalf where there are too few hosts.
	Rule Rule
	// Shortages says for every host, in address order, what one more node would take.
	Shortages []Shortage
	// Nearest is the nearest feasible request, in words.
	Nearest string
}

// Shortage is what one host was short of.
type Shortage struct {
	Host string
	// Dimension is cpus, memory_mb, ports, bus_ports, nodes or the name of a rule.
	Dimension string
	// Need is what one more node on this host would take in all, Have what there is.
	Need, Have float64
	// Message is the shortage as a sentence.
	Message string
}

func (e *Infeasible) Error() string {
	return fmt.Sprintf("cluster %s needs %d nodes, the hosts hold %d", e.Cluster, e.Need, e.Have)
}

func diagnose(spec Spec, hosts []Host) *Infeasible {
	nodes, _ := newProblem(spec, hosts, survey(spec, hosts, spec.Masters), nil, spec.Masters).most()
	return &Infeasible{Cluster: spec.Cluster, Masters: spec.Masters, Replicas: spec.Replicas,
		Need: spec.Masters * (spec.Replicas + 1), Have: nodes, Rule: RuleCapacity}
}
