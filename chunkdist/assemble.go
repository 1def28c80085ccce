package chunkdist

// assemble gives every copy of the shards its index, its agent and its ports.
func assemble(spec Spec, hosts []Host, p *problem, shards []shard) Plan {
	plan := Plan{Cluster: spec.Cluster, UID: spec.UID, Masters: spec.Masters, Replicas: spec.Replicas}
	plan.Nodes = make([]Node, len(shards)*(spec.Replicas+1))
	free := seatsOf(spec, hosts, p, shards)
	put := func(n Node, site int) {
		h := hosts[p.sites[site].host]
		s := free[site][0]
		free[site] = free[site][1:]
		n.ID = NodeID(plan.UID, n.Index)
		n.Host, n.Domain, n.Agent = h.Name, h.domain(), s.agent
		n.Port, n.BusPort = s.ports.data, s.ports.bus
		plan.Nodes[n.Index] = n
	}
	for m, s := range shards {
		put(Node{Index: m, Role: Master, Epoch: uint64(m) + 1, Slots: [][2]int{SlotRange(m, len(shards))}}, s[0])
	}
	for m, s := range shards {
		for k, site := range s[1:] {
			put(Node{Index: len(shards) + m*spec.Replicas + k, Role: Replica, Master: &m, Slots: [][2]int{}}, site)
		}
	}
	describe(&plan)
	return plan
}

// seatsOf returns the seats of each site, as many as it has copies.
func seatsOf(spec Spec, hosts []Host, p *problem, shards []shard) [][]seat {
	count := make([]int, len(p.sites))
	for _, s := range shards {
		for _, i := range s {
			count[i]++
		}
	}
	out := make([][]seat, len(p.sites))
	node, overhead := amountsOf(spec.Node), amountsOf(spec.Overhead)
	for i, n := range count {
		if n > 0 {
			h := hosts[p.sites[i].host]
			out[i] = roomOf(h, node, overhead, spec.BusOffset, n).seats(h, spec.BusOffset, n)
		}
	}
	return out
}
