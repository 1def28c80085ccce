package mesos

import (
	"errors"
	"os"
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Whatever an offers file holds, it is refused or leads to hosts that the planner takes: what
// it plans on them then keeps every rule, which Place checks itself.
func FuzzOffersFile(f *testing.F) {
	seed, err := os.ReadFile("../internal/cli/testdata/offers.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, "*", "host")
	f.Add([]byte(`[]`), "team", "zone")
	f.Add([]byte(`[{"id":{"value":"o"},"framework_id":{"value":"f"},"agent_id":{"value":"a"},"hostname":"10.0.0.1","resources":[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":5,"end":1}]}}]}]`), "", "attribute:rack")
	f.Fuzz(func(t *testing.T, file []byte, role, domain string) {
		offers, err := ParseOffers(file)
		if err != nil {
			return
		}
		hosts, _, err := HostsOf(offers, Query{Role: role, FaultDomain: domain})
		if err != nil {
			return
		}
		spec := chunkdist.Spec{Cluster: "c", UID: "u", Masters: 3, Replicas: 1, Node: chunkdist.Resources{CPUs: 0.1, MemoryMB: 64}}
		_, err = chunkdist.Place(spec, hosts)
		var short *chunkdist.Infeasible
		if err != nil && !errors.As(err, &short) {
			t.Fatalf("hosts of offers that were accepted: %v", err)
		}
	})
}
