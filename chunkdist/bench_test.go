package chunkdist

import (
	"fmt"
	"testing"
)

// fleet returns n hosts of three sizes, in racks if there are any.
func fleet(n, racks int) []Host {
	hosts := make([]Host, n)
	for i := range hosts {
		size := 8 * float64(1+i%3)
		hosts[i] = Host{
			Name: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255),
			Agents: []Agent{{ID: fmt.Sprintf("agent-%d", i), CPUs: size, MemoryMB: 1024 * size,
				Ports: []PortRange{{21000, 24000}, {31000, 34000}}}},
		}
		if racks > 0 {
			hosts[i].Domain = fmt.Sprintf("rack-%d", i%racks)
		}
	}
	return hosts
}

func BenchmarkPlace(b *testing.B) {
	for _, c := range []struct {
		name                            string
		hosts, masters, replicas, racks int
		change                          func(*Spec)
	}{
		{"3 hosts 3x1", 3, 3, 1, 0, nil},
		{"100 hosts 60x1", 100, 60, 1, 0, nil},
		{"1000 hosts 600x1", 1000, 600, 1, 0, nil},
		{"1000 hosts 600x1 ring", 1000, 600, 1, 0, func(s *Spec) { s.Link = LinkRing }},
		{"2500 hosts 2048x1", 2500, 2048, 1, 0, nil},
		{"5000 hosts 4096x1", 5000, 4096, 1, 0, nil},
		{"10000 hosts 8192x1", 10000, 8192, 1, 0, nil},
		{"10000 hosts 8192x1 ring", 10000, 8192, 1, 0, func(s *Spec) { s.Link = LinkRing }},
		{"10000 hosts 8192x1 20 racks", 10000, 8192, 1, 20, nil},
		{"10000 hosts 8192x1 2 racks preferred", 10000, 8192, 1, 2, func(s *Spec) { s.DomainRule = Preferred }},
		{"10000 hosts 8192x1 bus+10000", 10000, 8192, 1, 0, func(s *Spec) { s.BusOffset = 10000 }},
		{"10000 hosts 8192x4", 10000, 8192, 4, 0, nil},
		{"1000 hosts 8192x1", 1000, 8192, 1, 0, func(s *Spec) { s.Node = Resources{0.1, 100} }},
		{"20 hosts 8192x1 ring", 20, 8192, 1, 0, func(s *Spec) { s.Node = Resources{0.001, 1}; s.Link = LinkRing }},
		{"10000 hosts 8192x0", 10000, 8192, 0, 0, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			hosts := fleet(c.hosts, c.racks)
			spec := Spec{Cluster: "c", UID: "u", Masters: c.masters, Replicas: c.replicas, Node: Resources{0.5, 1024}, Overhead: Resources{0.1, 32}}
			if c.change != nil {
				c.change(&spec)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Place(spec, hosts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
