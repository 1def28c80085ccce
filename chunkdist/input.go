package chunkdist

import (
	"fmt"
	"math"
)

// InvalidInput says which field of the input cannot be right. No host can mend it, other
// than with an Infeasible.
type InvalidInput struct {
	// Field is a path such as spec.node.cpus or hosts[2].agents[0].ports[1].
	Field string
	// Problem goes on after the field: "spec.masters must be at least 3, not 2".
	Problem string
}

func (e *InvalidInput) Error() string { return e.Field + " " + e.Problem }

func invalid(field, problem string, args ...any) error {
	return &InvalidInput{Field: field, Problem: fmt.Sprintf(problem, args...)}
}

// maxReplicas only keeps the arithmetic small: no cluster comes near it.
const maxReplicas = 1000

func validateInput(spec Spec, hosts []Host) error {
	if err := validateSpec(spec); err != nil {
		return err
	}
	return validateHosts(hosts)
}

// validateSpec returns an *InvalidInput for the first field that cannot be right.
func validateSpec(s Spec) error {
	switch {
	case s.Masters < 3:
		return invalid("spec.masters", "must be at least 3, not %d: fewer cannot keep a majority when a host is lost", s.Masters)
	case s.Masters > Slots:
		return invalid("spec.masters", "must be at most %d, not %d: each master needs a slot", Slots, s.Masters)
	case s.Replicas < 0 || s.Replicas > maxReplicas:
		return invalid("spec.replicas", "must be 0 to %d, not %d", maxReplicas, s.Replicas)
	case s.BusOffset < -65534 || s.BusOffset > 65534:
		return invalid("spec.bus_offset", "must lie between -65534 and 65534, not %d", s.BusOffset)
	case s.MaxNodesPerHost < 0:
		return invalid("spec.max_nodes_per_host", "must not be negative, not %d", s.MaxNodesPerHost)
	case s.DomainRule != Required && s.DomainRule != Preferred:
		return invalid("spec.domain_rule", "is unknown: %d", s.DomainRule)
	case s.Link != LinkPair && s.Link != LinkRing:
		return invalid("spec.link", "is unknown: %d", s.Link)
	}
	for _, a := range []struct {
		field string
		value float64
	}{
		{"spec.node.cpus", s.Node.CPUs}, {"spec.node.memory_mb", s.Node.MemoryMB},
		{"spec.overhead.cpus", s.Overhead.CPUs}, {"spec.overhead.memory_mb", s.Overhead.MemoryMB},
	} {
		if problem := badAmount(a.value); problem != "" {
			return &InvalidInput{a.field, problem}
		}
	}
	return nil
}

// validateHosts returns an *InvalidInput for the first host that cannot be right.
func validateHosts(hosts []Host) error {
	names := make(map[string]int, len(hosts))
	agents := make(map[string]string, len(hosts))
	for i, h := range hosts {
		if h.Name == "" {
			return invalid(fmt.Sprintf("hosts[%d].name", i), "is empty")
		}
		if j, ok := names[h.Name]; ok {
			return invalid(fmt.Sprintf("hosts[%d].name", i), "%s is already that of hosts[%d]: the agents of one machine belong in one host", h.Name, j)
		}
		names[h.Name] = i
		for j, a := range h.Agents {
			if other, ok := agents[a.ID]; ok {
				return invalid(fmt.Sprintf("hosts[%d].agents[%d].id", i, j), "%q is already that of an agent of host %s", a.ID, other)
			}
			agents[a.ID] = h.Name
			if err := validateAgent(a); err != nil {
				err.Field = fmt.Sprintf("hosts[%d].agents[%d].%s", i, j, err.Field)
				return err
			}
		}
	}
	return nil
}

func validateAgent(a Agent) *InvalidInput {
	if a.ID == "" {
		return &InvalidInput{"id", "is empty"}
	}
	if problem := badAmount(a.CPUs); problem != "" {
		return &InvalidInput{"cpus", problem}
	}
	if problem := badAmount(a.MemoryMB); problem != "" {
		return &InvalidInput{"memory_mb", problem}
	}
	if k, problem := badRange(a.Ports); problem != "" {
		return &InvalidInput{fmt.Sprintf("ports[%d]", k), problem}
	}
	return nil
}

// badAmount says what is wrong with an amount, if anything.
func badAmount(x float64) string {
	if math.IsNaN(x) || x < 0 || x > maxAmount {
		return fmt.Sprintf("must be a number from 0 to %.0f, not %v", maxAmount, x)
	}
	return ""
}

// badRange returns the first range that is no range or out of order, and why.
func badRange(ports []PortRange) (at int, problem string) {
	last := 0
	for k, r := range ports {
		switch {
		case r.Begin < 1 || r.End > 65535 || r.Begin > r.End:
			return k, fmt.Sprintf("%d-%d is no range of ports", r.Begin, r.End)
		case r.Begin <= last:
			return k, fmt.Sprintf("%d-%d is out of order or overlaps the range before it", r.Begin, r.End)
		}
		last = r.End
	}
	return 0, ""
}
