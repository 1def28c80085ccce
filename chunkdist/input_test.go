package chunkdist

import (
	"errors"
	"math"
	"testing"
)

// What cannot be right is refused in the name of its field.
func TestInvalidInputNamesTheField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field string
		wreck func(*Spec, []Host)
	}{
		{"spec.masters", func(s *Spec, _ []Host) { s.Masters = 2 }},
		{"spec.masters", func(s *Spec, _ []Host) { s.Masters = Slots + 1 }},
		{"spec.replicas", func(s *Spec, _ []Host) { s.Replicas = -1 }},
		{"spec.replicas", func(s *Spec, _ []Host) { s.Replicas = maxReplicas + 1 }},
		{"spec.bus_offset", func(s *Spec, _ []Host) { s.BusOffset = 70000 }},
		{"spec.max_nodes_per_host", func(s *Spec, _ []Host) { s.MaxNodesPerHost = -1 }},
		{"spec.domain_rule", func(s *Spec, _ []Host) { s.DomainRule = relaxed }},
		{"spec.link", func(s *Spec, _ []Host) { s.Link = 2 }},
		{"spec.node.cpus", func(s *Spec, _ []Host) { s.Node.CPUs = -0.1 }},
		{"spec.node.memory_mb", func(s *Spec, _ []Host) { s.Node.MemoryMB = math.NaN() }},
		{"spec.overhead.cpus", func(s *Spec, _ []Host) { s.Overhead.CPUs = math.Inf(1) }},
		{"spec.overhead.memory_mb", func(s *Spec, _ []Host) { s.Overhead.MemoryMB = -1 }},
		{"hosts[1].name", func(_ *Spec, h []Host) { h[1].Name = "" }},
		{"hosts[2].name", func(_ *Spec, h []Host) { h[2].Name = h[0].Name }},
		{"hosts[1].agents[0].id", func(_ *Spec, h []Host) { h[1].Agents[0].ID = "" }},
		{"hosts[2].agents[0].id", func(_ *Spec, h []Host) { h[2].Agents[0].ID = h[1].Agents[0].ID }},
		{"hosts[0].agents[0].cpus", func(_ *Spec, h []Host) { h[0].Agents[0].CPUs = math.NaN() }},
		{"hosts[0].agents[0].memory_mb", func(_ *Spec, h []Host) { h[0].Agents[0].MemoryMB = -1 }},
		{"hosts[0].agents[0].ports[0]", func(_ *Spec, h []Host) { h[0].Agents[0].Ports = []PortRange{{10, 9}} }},
		{"hosts[0].agents[0].ports[0]", func(_ *Spec, h []Host) { h[0].Agents[0].Ports = []PortRange{{0, 9}} }},
		{"hosts[0].agents[0].ports[1]", func(_ *Spec, h []Host) { h[0].Agents[0].Ports = []PortRange{{1, 9}, {9, 10}} }},
		{"hosts[0].agents[0].ports[1]", func(_ *Spec, h []Host) { h[0].Agents[0].Ports = []PortRange{{11, 12}, {1, 9}} }},
		{"hosts[0].agents[0].ports[1]", func(_ *Spec, h []Host) { h[0].Agents[0].Ports = []PortRange{{11, 12}, {13, 70000}} }},
	} {
		spec, hosts := Spec{Cluster: "c", UID: "u", Masters: 3, Replicas: 1, Node: Resources{1, 100}}, equalHosts(3, 4)
		c.wreck(&spec, hosts)
		_, err := Place(spec, hosts)
		var bad *InvalidInput
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: got %v", c.field, err)
		}
	}
}

// A change of a plan is refused for what is wrong with the plan, too.
func TestInvalidChangeNamesTheField(t *testing.T) {
	t.Parallel()
	spec, hosts, plan := sample(t)
	broken := plan
	broken.Nodes = plan.Nodes[1:]
	together := deepCopy(t, plan)
	for i := range together.Nodes {
		together.Nodes[i].Domain = "r1"
	}
	together.Hosts = nil
	otherDomain := equalHosts(6, 3)
	for name, c := range map[string]struct {
		plan  Plan
		hosts []Host
		n     int
		field string
	}{
		"no more masters":      {plan, hosts, 0, "n"},
		"more than slots":      {plan, hosts, Slots, "n"},
		"a broken plan":        {broken, hosts, 1, "plan"},
		"broken domains":       {together, hosts, 1, "plan"},
		"a host moved domains": {plan, otherDomain, 1, "hosts"},
		"a bad host":           {plan, []Host{{}}, 1, "hosts[0].name"},
	} {
		_, err := Append(spec, c.plan, c.hosts, c.n)
		var bad *InvalidInput
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var bad *InvalidInput
	if _, err := Replace(spec, broken, nil, hosts); !errors.As(err, &bad) || bad.Error() == "" {
		t.Errorf("got %v", err)
	}
}
