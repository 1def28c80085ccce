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

// What a refusal costs: the reason, a row for every host, and the nearest feasible requests.
func BenchmarkInfeasible(b *testing.B) {
	for _, c := range []struct {
		name           string
		hosts, masters int
		racks          int
		memory         float64
	}{
		{"10 hosts short of memory", 10, 60, 0, 4096},
		{"1000 hosts short of memory", 1000, 6000, 0, 4096},
		{"10000 hosts short of memory", 10000, 8192, 0, 16384},
		{"10000 hosts 2 racks", 10000, 8192, 2, 1024},
	} {
		b.Run(c.name, func(b *testing.B) {
			hosts := fleet(c.hosts, c.racks)
			spec := Spec{Cluster: "c", UID: "u", Masters: c.masters, Replicas: 1, Node: Resources{0.5, c.memory}, Overhead: Resources{0.1, 32}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Place(spec, hosts); err == nil {
					b.Fatal("feasible")
				}
			}
		})
	}
}

func BenchmarkChange(b *testing.B) {
	hosts := fleet(10000, 0)
	spec := Spec{Cluster: "c", UID: "u", Masters: 4096, Replicas: 1, Node: Resources{0.5, 1024}, Overhead: Resources{0.1, 32}}
	plan, err := Place(spec, hosts[:5000])
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append 1024x1 to 4096x1, 10000 hosts", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Append(spec, plan, hosts, 1024); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("replace 100 hosts of 4096x1, 10000 hosts", func(b *testing.B) {
		var lost []string
		for _, h := range plan.Hosts[:100] {
			lost = append(lost, h.Host)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Replace(spec, plan, lost, hosts); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	hosts := fleet(10000, 0)
	spec := Spec{Cluster: "c", UID: "u", Masters: 8192, Replicas: 1, Node: Resources{0.5, 1024}, Overhead: Resources{0.1, 32}}
	plan, err := Place(spec, hosts)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(spec, hosts, plan); err != nil {
			b.Fatal(err)
		}
	}
}
