package chunkdist

import (
	"fmt"
	"testing"
)

func equalHosts(n, nodes int) []Host {
	var hosts []Host
	for i := range n {
		hosts = append(hosts, Host{Name: fmt.Sprintf("10.0.0.%d", i+1), Agents: []Agent{{
			ID: fmt.Sprintf("a%d", i+1), CPUs: float64(nodes), MemoryMB: float64(nodes) * 100,
			Ports: []PortRange{{31000, 31000 + 2*nodes - 1}}}}})
	}
	return hosts
}

func TestPlaceSmall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		masters, replicas, hosts int
		ok                       bool
	}{
		{3, 1, 3, true}, {4, 1, 3, false}, {4, 2, 5, true}, {6, 1, 4, true}, {30, 1, 6, true}, {5, 0, 3, true},
		{3, 1, 10, true}, {3, 1, 2, false}, {3, 2, 3, true}, {5, 1, 3, true}, {7, 3, 5, true}, {4, 1, 4, true},
	} {
		for _, link := range []Link{LinkPair, LinkRing} {
			t.Run(fmt.Sprintf("%dx%d on %d link %d", c.masters, c.replicas, c.hosts, link), func(t *testing.T) {
				t.Parallel()
				spec := Spec{Cluster: "c", UID: "u", Masters: c.masters, Replicas: c.replicas, Node: Resources{1, 100}, Link: link}
				plan, err := Place(spec, equalHosts(c.hosts, 20))
				if (err == nil) != c.ok {
					t.Fatalf("got %v", err)
				}
				for _, n := range plan.Nodes {
					if n.Role == Master {
						t.Log(n.Index, n.Host)
					} else {
						t.Log(n.Index, n.Host, "of", *n.Master)
					}
				}
				t.Logf("%+v %+v", plan.Risk, plan.Balance)
			})
		}
	}
}
