package chunkdist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// mutation breaks one step of the planner; a nil step is the real one.
type mutation struct {
	name    string
	hosts   func([]Host) []Host
	problem func(*problem)
	counts  func(*problem, *counts)
	shards  func(*problem, []shard)
	plan    func(*Plan)
}

// place is Place without its own Check, with one step broken.
func (m mutation) place(spec Spec, hosts []Host) (plan Plan, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if m.hosts != nil {
		hosts = m.hosts(hosts)
	}
	hosts = sorted(hosts)
	r := request{spec: spec, hosts: hosts, shards: spec.Masters}
	p, _ := r.solve()
	if m.problem != nil {
		m.problem(p)
	}
	if !p.feasible() {
		return Plan{}, &Infeasible{}
	}
	p.order(r.spec, r.hosts)
	c := p.count(spec.Link)
	if m.counts != nil {
		m.counts(p, &c)
	}
	shards := p.link(c, spec.Link)
	if m.shards != nil {
		m.shards(p, shards)
	}
	plan = assemble(spec, Plan{Cluster: spec.Cluster, UID: spec.UID, Replicas: spec.Replicas}, hosts, p, shards)
	for k := range plan.Masters {
		plan.Nodes[k].Slots = [][2]int{SlotRange(k, plan.Masters)}
	}
	if m.plan != nil {
		m.plan(&plan)
	}
	return plan, nil
}

var mutations = []mutation{
	{name: "a host may hold half of the nodes", problem: func(p *problem) {
		for i := range p.sites {
			p.sites[i].room++
		}
	}},
	{name: "a host may hold half of the masters", problem: func(p *problem) {
		for i := range p.sites {
			p.sites[i].masters++
		}
		for i := range p.groups {
			p.groups[i].masters++
		}
	}},
	{name: "a domain may hold half of the masters", problem: func(p *problem) {
		for i := range p.groups {
			p.groups[i].masters++
		}
	}},
	{name: "a domain may hold more copies than there are shards", problem: func(p *problem) {
		for i := range p.groups {
			p.groups[i].nodes++
		}
	}},
	{name: "domains do not matter", hosts: func(hosts []Host) []Host {
		hosts = slices.Clone(hosts)
		for i := range hosts {
			hosts[i].Domain = ""
		}
		return hosts
	}},
	{name: "an even number of masters is needed", problem: func(p *problem) {
		if p.shards%2 == 1 {
			p.sites = nil
		}
	}},
	{name: "at least four hosts are needed", problem: func(p *problem) {
		if len(p.sites) < 4 {
			p.sites = nil
		}
	}},
	{name: "the last host is not used", hosts: func(hosts []Host) []Host { return hosts[:len(hosts)-1] }},
	{name: "one room too few is counted", problem: func(p *problem) {
		for i := range p.sites {
			p.sites[i].room = max(0, p.sites[i].room-1)
		}
	}},
	{name: "replicas move to the first site", counts: func(p *problem, c *counts) {
		c.replicas[0] += c.replicas[len(c.replicas)-1]
		c.replicas[len(c.replicas)-1] = 0
	}},
	{name: "masters move to the first site", counts: func(p *problem, c *counts) {
		c.masters[0] += c.masters[len(c.masters)-1]
		c.masters[len(c.masters)-1] = 0
	}},
	{name: "two shards swap replicas unseen", shards: func(p *problem, shards []shard) {
		if p.replicas > 0 {
			s, t := shards[0], shards[len(shards)-1]
			s[1], t[1] = t[1], s[1]
		}
	}},
	{name: "a shard gets a site twice", shards: func(p *problem, shards []shard) {
		if p.replicas > 1 {
			shards[0][2] = shards[0][1]
		}
	}},
	{name: "the bus port is the next one's data port", plan: func(p *Plan) {
		for i := range p.Nodes {
			p.Nodes[i].BusPort = p.Nodes[i].Port + 2
		}
	}},
	{name: "ranges of slots overlap", plan: func(p *Plan) {
		for i := range p.Masters - 1 {
			p.Nodes[i].Slots[0][1]++
		}
	}},
	{name: "the last slot is forgotten", plan: func(p *Plan) { p.Nodes[p.Masters-1].Slots[0][1]-- }},
}

// Every broken planner is told from the right one by the tests that the right one passes.
func TestMutationsAreCaught(t *testing.T) {
	t.Parallel()
	judge := func(p planner) error {
		for _, seed := range keptSeeds(t) {
			spec, hosts, rooms := randomCase(rand.New(rand.NewPCG(seed, 1)), 12, 20, 12, 3)
			if err := agree(p, spec, hosts, someCountsFresh(spec, hosts, rooms)); err != nil {
				return fmt.Errorf("seed %d: %w", seed, err)
			}
		}
		return nil
	}
	if err := judge(mutation{}.place); err != nil {
		t.Fatalf("the planner without a mutation: %v", err)
	}
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			err := judge(m.place)
			if err == nil {
				t.Fatal("not caught")
			}
			t.Log(err)
		})
	}
}

// The linker's law is what keeps it from painting itself into a corner: without it, it does.
func TestLinkingWithoutTheLawGetsStuck(t *testing.T) {
	t.Parallel()
	stuck := func(seed uint64, lawless bool) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("stuck: %v", p)
			}
		}()
		spec, hosts, _ := randomCase(rand.New(rand.NewPCG(seed, 1)), 12, 20, 12, 3)
		r := request{spec: spec, hosts: sorted(hosts), shards: spec.Masters}
		p, ok := r.solve()
		if !ok {
			return nil
		}
		p.order(r.spec, r.hosts)
		l := newLinker(p, p.count(spec.Link))
		if lawless {
			l.law = func(*tally, int) []int { return nil }
		}
		l.deal(spec.Link)
		return nil
	}
	caught := 0
	for seed := range uint64(1000) {
		if err := stuck(seed, false); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if stuck(seed, true) != nil {
			caught++
		}
	}
	if caught == 0 {
		t.Error("the law makes no difference")
	}
	t.Logf("stuck in %d of 1000 cases", caught)
}
