package nodesconf_test

import (
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// ring is a plan of masters and replicas over hosts 10.0.0.1 … in a ring, with bus ports
// at data port + 10000, so that every dialect can render it.
func ring(masters, replicas, hosts int) chunkdist.Plan {
	const uid = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"
	p := chunkdist.Plan{Cluster: "orders", UID: uid, Masters: masters, Replicas: replicas}
	for i := range masters * (1 + replicas) {
		m, r := i%masters, i/masters
		n := chunkdist.Node{
			Index: i,
			ID:    chunkdist.NodeID(uid, i),
			Host:  fmt.Sprintf("10.0.0.%d", 1+(m+r)%hosts),
			Port:  20000 + i, BusPort: 30000 + i,
			Role:  chunkdist.Master,
			Slots: [][2]int{},
		}
		if r == 0 {
			n.Epoch, n.Slots = uint64(i+1), append(n.Slots, chunkdist.SlotRange(m, masters))
		} else {
			n.Role, n.Master = chunkdist.Replica, &m
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}
