package chunkdist

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestQuality(t *testing.T) {
	for _, link := range []Link{LinkPair, LinkRing} {
		for _, R := range []int{1, 2} {
			for _, kind := range []string{"equal", "random"} {
				want, got, maxl, ideal, cases, worst := 0, 0, 0, 0, 0, ""
				worstGap := 0
				for seed := range uint64(400) {
					r := rand.New(rand.NewPCG(seed, 9))
					H := 3 + r.IntN(20)
					M := 3 + r.IntN(40)
					var hosts []Host
					for i := range H {
						n := 60
						if kind == "random" {
							n = r.IntN(20)
						}
						hosts = append(hosts, Host{Name: fmt.Sprintf("10.0.0.%d", i+1), Agents: []Agent{{ID: fmt.Sprint(i), CPUs: float64(n), MemoryMB: 1e6, Ports: []PortRange{{1000, 2000}}}}})
					}
					spec := Spec{Cluster: "c", UID: "u", Masters: M, Replicas: R, Node: Resources{1, 1}, Link: link}
					plan, err := Place(spec, hosts)
					if err != nil {
						continue
					}
					cases++
					part := map[string]map[string]bool{}
					for _, n := range plan.Nodes {
						if n.Role == Replica {
							h := plan.Nodes[*n.Master].Host
							if part[h] == nil {
								part[h] = map[string]bool{}
							}
							part[h][n.Host] = true
						}
					}
					gap := 0
					for _, h := range plan.Hosts {
						w := 0
						others := 0
						for _, o := range plan.Hosts {
							if o.Host != h.Host && o.Replicas > 0 {
								others++
							}
						}
						w = min(h.Masters*R, others)
						want += w
						got += len(part[h.Host])
						gap += w - len(part[h.Host])
					}
					if gap > worstGap {
						worstGap = gap
						worst = fmt.Sprintf("seed %d %dx%d on %d hosts gap %d %+v", seed, M, R, len(plan.Hosts), gap, plan.Hosts)
					}
					maxl += plan.Balance.Links.Max
					u := len(plan.Hosts)
					if link == LinkPair {
						ideal += max(2, (M*R+u*(u-1)/2-1)/(u*(u-1)/2))
					} else {
						ideal += (M*R + u*(u-1)/2 - 1) / (u * (u - 1) / 2)
					}
				}
				t.Logf("link %d R %d %s: %d cases, partners %d of %d, max links %d ideal %d; %s", link, R, kind, cases, got, want, maxl, ideal, worst)
			}
		}
	}
}
