package chunkdist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// equalHosts returns n hosts with room for so many nodes of 1 CPU and 100 MB each.
func equalHosts(n, nodes int) []Host {
	var hosts []Host
	for i := range n {
		hosts = append(hosts, Host{Name: fmt.Sprintf("10.0.0.%d", i+1), Agents: []Agent{{
			ID: fmt.Sprintf("a%d", i+1), CPUs: float64(nodes), MemoryMB: float64(nodes) * 100,
			Ports: []PortRange{{31000, 31000 + 2*nodes - 1}}}}})
	}
	return hosts
}

// The sizes that people ask for, on equal hosts with plenty of room.
func TestCommonSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		masters, replicas, hosts int
		ok                       bool
	}{
		{3, 1, 3, true}, {3, 1, 2, false}, {3, 1, 10, true}, {3, 2, 3, true}, {3, 2, 2, false}, {3, 0, 3, true},
		{4, 1, 3, false}, {4, 1, 4, true}, {4, 2, 5, true}, {5, 0, 3, true}, {5, 1, 3, true}, {6, 1, 3, true},
		{6, 1, 4, true}, {7, 3, 5, true}, {30, 1, 6, true}, {30, 4, 5, true}, {30, 4, 4, false}, {1200, 1, 100, true},
	} {
		for _, link := range []Link{LinkPair, LinkRing} {
			spec := Spec{Cluster: "c", UID: "u", Masters: c.masters, Replicas: c.replicas, Node: Resources{1, 100}, Link: link}
			if _, err := Place(spec, equalHosts(c.hosts, 60)); (err == nil) != c.ok {
				t.Errorf("%d × %d on %d hosts: %v", c.masters, c.replicas, c.hosts, err)
			}
		}
	}
}

// Three masters with a replica each on three hosts are the ring: A's on B, B's on C, C's on A.
func TestThreeOnThreeAreTheRing(t *testing.T) {
	t.Parallel()
	plan, err := Place(Spec{Cluster: "c", UID: "u", Masters: 3, Replicas: 1, Node: Resources{1, 100}}, equalHosts(3, 2))
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, n := range plan.Nodes {
		hosts = append(hosts, n.Host)
	}
	if want := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.3", "10.0.0.1"}; !slices.Equal(hosts, want) {
		t.Errorf("got %v", hosts)
	}
}

// Amounts are compared in thousandths: three nodes of 0.1 CPUs fit on 0.3.
func TestThousandthsAreExact(t *testing.T) {
	t.Parallel()
	hosts := equalHosts(3, 20)
	for i := range hosts {
		hosts[i].Agents[0].CPUs, hosts[i].Agents[0].MemoryMB = 0.3, 0.3
	}
	spec := Spec{Cluster: "c", UID: "u", Masters: 3, Replicas: 1, Node: Resources{0.1, 0.1}, Overhead: Resources{0.1, 0.1}}
	if _, err := Place(spec, hosts); err != nil {
		t.Error(err)
	}
	spec.Node.CPUs = 0.101
	var no *Infeasible
	if _, err := Place(spec, hosts); !errors.As(err, &no) || no.Rule != RuleCapacity || no.Shortages[0].Dimension != "cpus" {
		t.Errorf("got %v", err)
	}
}

// Nodes that take nothing but ports are bounded by the ports and the rules.
func TestNodesThatTakeNothing(t *testing.T) {
	t.Parallel()
	if _, err := Place(Spec{Cluster: "c", UID: "u", Masters: 6, Replicas: 1}, equalHosts(4, 3)); err != nil {
		t.Error(err)
	}
}

// Hosts are listed as their addresses count, not as they spell.
func TestAddressesInOrder(t *testing.T) {
	t.Parallel()
	names := []string{"", "10.0.0.2", "10.0.0.02", "10.0.0.2a", "10.0.0.10", "10.0.1.1", "10.1", "a", "a0", "a1", "a1b", "a01c", "a10", "b"}
	for i, a := range names {
		for j, b := range names {
			if got := compareNames(a, b); (got < 0) != (i < j) && !(a == "10.0.0.02" || b == "10.0.0.02") || (got == 0) != (i == j) {
				t.Errorf("compareNames(%q, %q) = %d", a, b, got)
			}
		}
	}
}

// The worst host and the worst pair are those that trying every pair finds.
func TestRiskIsTheWorst(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		spec, _, plan := grown(rand.New(rand.NewPCG(seed, 7)), 10, 12, 2)
		loss := func(hosts ...string) Loss {
			l := Loss{Hosts: hosts}
			alive := make(map[int]int) // copies by master
			for _, n := range plan.Nodes {
				shard := n.Index
				if n.Role == Replica {
					shard = *n.Master
				}
				gone := slices.Contains(hosts, n.Host)
				if gone && n.Role == Master {
					l.MastersLost++
				}
				if !gone {
					alive[shard]++
				}
			}
			l.ShardsLost = spec.Masters - len(alive)
			l.MajorityKept = 2*(spec.Masters-l.MastersLost) > spec.Masters
			return l
		}
		var one, two Loss
		worse := func(a, b Loss) bool {
			return a.ShardsLost > b.ShardsLost || a.ShardsLost == b.ShardsLost && a.MastersLost > b.MastersLost
		}
		for i, a := range plan.Hosts {
			if l := loss(a.Host); one.Hosts == nil || worse(l, one) {
				one = l
			}
			for _, b := range plan.Hosts[i+1:] {
				if l := loss(a.Host, b.Host); two.Hosts == nil || worse(l, two) {
					two = l
				}
			}
		}
		if got := fmt.Sprint(plan.Risk); got != fmt.Sprint(Risk{one, two}) {
			t.Fatalf("seed %d: risk is %s, should be %v", seed, got, Risk{one, two})
		}
	}
}

// A drawing of a plan or a refusal of any size stays readable.
func TestDrawingsAreBounded(t *testing.T) {
	t.Parallel()
	spec := Spec{Cluster: "c", UID: "u", Masters: 2000, Replicas: 1, Node: Resources{1, 100}}
	plan, err := Place(spec, equalHosts(200, 60))
	if err != nil {
		t.Fatal(err)
	}
	spec.Masters = 9000
	_, err = Place(spec, equalHosts(200, 60))
	var no *Infeasible
	if !errors.As(err, &no) {
		t.Fatal(err)
	}
	for want, drawn := range map[string]string{"and 140 hosts more": Draw(plan), "and 540 more": DrawInfeasible(no)} {
		if n := strings.Count(drawn, "\n"); n > 2*maxRows+20 || !strings.Contains(drawn, want) {
			t.Errorf("%d lines:\n%s", n, drawn)
		}
	}
}
