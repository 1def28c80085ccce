package chunkdist

// assemble returns the plan with shards added to it: every copy gets its index, its agent and
// its ports. Indices go on after those of the nodes that the plan has: the masters' first,
// then the replicas'. The new masters have no slots yet.
func assemble(spec Spec, plan Plan, hosts []Host, p *problem, shards []shard) Plan {
	first := len(plan.Nodes)
	nodes := make([]Node, first, first+len(shards)*(plan.Replicas+1))
	copy(nodes, plan.Nodes)
	free := seatsOf(spec, hosts, p, shards)
	add := func(n Node, site int) {
		h := hosts[p.sites[site].host]
		s := free[site][0]
		free[site] = free[site][1:]
		n.Index = len(nodes)
		n.ID = NodeID(plan.UID, n.Index)
		n.Host, n.Domain, n.Agent = h.Name, h.domain(), s.agent
		n.Port, n.BusPort = s.ports.data, s.ports.bus
		nodes = append(nodes, n)
	}
	for _, s := range shards {
		add(Node{Role: Master, Epoch: uint64(len(nodes)) + 1}, s[0])
	}
	for k, s := range shards {
		for _, site := range s[1:] {
			master := first + k
			add(Node{Role: Replica, Master: &master, Slots: [][2]int{}}, site)
		}
	}
	plan.Nodes = nodes
	plan.Masters += len(shards)
	describe(&plan, spec.DomainRule)
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
	for i, n := range count {
		if n > 0 {
			h := hosts[p.sites[i].host]
			out[i] = roomOf(spec, h, n).seats(h, spec.BusOffset, n)
		}
	}
	return out
}
