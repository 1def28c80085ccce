package chunkdist

import (
	"maps"
	"slices"
)

// describe fills in what follows from a plan's nodes: Hosts, Risk, Balance, and Relaxed where
// the domains are only preferred.
func describe(p *Plan, rule DomainRule) {
	p.Hosts = loads(p.Nodes)
	links := linksOf(p)
	p.Risk = Risk{OneHost: worstHost(p), TwoHosts: worstPair(p, links)}
	p.Balance = balanceOf(p.Hosts, links)
	p.Relaxed = nil
	if rule != Required {
		p.Relaxed = relaxations(*p)
	}
}

// loads counts the nodes of each host, sorted by address.
func loads(nodes []Node) []HostLoad {
	out := countLoads(nodes)
	slices.SortFunc(out, func(a, b HostLoad) int { return compareNames(a.Host, b.Host) })
	return out
}

// countLoads counts the nodes of each host, in the order of their first nodes.
func countLoads(nodes []Node) []HostLoad {
	at := make(map[string]int, len(nodes)/2)
	var out []HostLoad
	for _, n := range nodes {
		i, ok := at[n.Host]
		if !ok {
			i = len(out)
			at[n.Host] = i
			out = append(out, HostLoad{Host: n.Host, Domain: n.Domain})
		}
		if n.Role == Master {
			out[i].Masters++
		} else {
			out[i].Replicas++
		}
	}
	return out
}

// hostPair is two indices in Plan.Hosts, the lower one first.
type hostPair [2]int

// linksOf counts the master-replica links between each two linked hosts.
func linksOf(p *Plan) map[hostPair]int {
	at := make(map[string]int, len(p.Hosts))
	for i, h := range p.Hosts {
		at[h.Host] = i
	}
	host := make(map[int]int, p.Masters) // by node index of the master
	for _, n := range p.Nodes {
		if n.Role == Master {
			host[n.Index] = at[n.Host]
		}
	}
	links := make(map[hostPair]int)
	for _, n := range p.Nodes {
		if n.Role == Replica {
			a, b := host[*n.Master], at[n.Host]
			links[hostPair{min(a, b), max(a, b)}]++
		}
	}
	return links
}

// loss returns what is gone with masters and shards.
func (p *Plan) loss(masters, shards int, hosts ...int) Loss {
	l := Loss{MastersLost: masters, ShardsLost: shards, MajorityKept: masters <= minority(p.Masters)}
	for _, h := range hosts {
		l.Hosts = append(l.Hosts, p.Hosts[h].Host)
	}
	return l
}

// shardsLost is the shards gone with a number of masters, where a shard is its master alone.
func (p *Plan) shardsLost(masters int) int {
	if p.Replicas > 0 {
		return 0
	}
	return masters
}

func worstHost(p *Plan) Loss {
	worst := 0
	for i, h := range p.Hosts {
		if h.Masters > p.Hosts[worst].Masters {
			worst = i
		}
	}
	m := p.Hosts[worst].Masters
	return p.loss(m, p.shardsLost(m), worst)
}

// worstPair returns the pair whose loss takes the most shards, of these the most masters.
// Only pairs that share a shard need to be looked at, and the two hosts with the most
// masters: there is no table of all pairs. With two replicas or more no pair takes a shard.
func worstPair(p *Plan, links map[hostPair]int) Loss {
	if len(p.Hosts) < 2 {
		return worstHost(p)
	}
	worst := mostMasters(p.Hosts)
	m := p.Hosts[worst[0]].Masters + p.Hosts[worst[1]].Masters
	l := p.loss(m, p.shardsLost(m), worst[0], worst[1])
	if p.Replicas != 1 {
		return l
	}
	for _, pair := range slices.SortedFunc(maps.Keys(links), comparePairs) {
		m, s := p.Hosts[pair[0]].Masters+p.Hosts[pair[1]].Masters, links[pair]
		if s > l.ShardsLost || s == l.ShardsLost && m > l.MastersLost {
			l = p.loss(m, s, pair[0], pair[1])
		}
	}
	return l
}

func comparePairs(a, b hostPair) int {
	if a[0] != b[0] {
		return a[0] - b[0]
	}
	return a[1] - b[1]
}

// mostMasters returns the first pair of hosts, in address order, with the most masters.
func mostMasters(hosts []HostLoad) hostPair {
	first, second := 0, 1
	if hosts[1].Masters > hosts[0].Masters {
		first, second = 1, 0
	}
	for i := 2; i < len(hosts); i++ {
		switch m := hosts[i].Masters; {
		case m > hosts[first].Masters:
			first, second = i, first
		case m > hosts[second].Masters:
			second = i
		}
	}
	return hostPair{min(first, second), max(first, second)}
}

func balanceOf(hosts []HostLoad, links map[hostPair]int) *Balance {
	var b Balance
	for i, h := range hosts {
		b.Nodes.add(h.Masters+h.Replicas, i == 0)
		b.Masters.add(h.Masters, i == 0)
	}
	first := true
	for _, n := range links {
		b.Links.add(n, first)
		first = false
	}
	return &b
}

func (s *Spread) add(n int, first bool) {
	if first {
		s.Min, s.Max = n, n
	}
	s.Min, s.Max = min(s.Min, n), max(s.Max, n)
}
