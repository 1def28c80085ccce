package chunkdist

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file holds the second opinion: a planner that knows no theorem. It asks whether any
// assignment of counts to hosts keeps the rules, by going through all of them; whether a
// plan that Place returns keeps them is for rulesKept, which shares no code with Check.

// count is how many masters and nodes a set of hosts holds.
type count struct{ masters, nodes int }

// someCounts reports whether shards can be added to what hosts had so that the rules about
// numbers hold: a shard has at most one copy in a domain, so a domain gets at most as many
// new nodes as there are new shards. It tries everything. spec.Masters are those of old and
// new together.
func someCounts(spec Spec, hosts []Host, rooms []int, had []count, shards int) bool {
	total := count{shards, shards * (spec.Replicas + 1)}
	nodesInAll := spec.Masters * (spec.Replicas + 1)
	domains := make(map[string][]int)
	for i, h := range hosts {
		d := h.Name
		if h.Domain != "" && spec.DomainRule == Required {
			d = h.Domain
		}
		domains[d] = append(domains[d], i)
	}
	all := map[count]bool{{}: true}
	for _, members := range domains {
		domain, hadMasters := map[count]bool{{}: true}, 0
		for _, i := range members {
			hadMasters += had[i].masters
		}
		for _, i := range members {
			next := make(map[count]bool)
			room := rooms[i]
			if slices.Contains(spec.ExcludeHosts, hosts[i].Name) {
				room = 0
			}
			for c := range domain {
				for nodes := 0; nodes <= room; nodes++ {
					for masters := 0; masters <= nodes; masters++ {
						sum := count{c.masters + masters, c.nodes + nodes}
						over := 2*(nodes+had[i].nodes) >= nodesInAll || 2*(masters+had[i].masters) >= spec.Masters ||
							2*(sum.masters+hadMasters) >= spec.Masters || sum.nodes > shards ||
							spec.MaxNodesPerHost > 0 && nodes+had[i].nodes > spec.MaxNodesPerHost
						if nodes == 0 || !over {
							next[sum] = true
						}
					}
				}
			}
			domain = next
		}
		next := make(map[count]bool)
		for a := range all {
			for b := range domain {
				if sum := (count{a.masters + b.masters, a.nodes + b.nodes}); sum.masters <= total.masters && sum.nodes <= total.nodes {
					next[sum] = true
				}
			}
		}
		all = next
	}
	return all[total]
}

// someCountsFresh is someCounts on hosts that had nothing.
func someCountsFresh(spec Spec, hosts []Host, rooms []int) bool {
	return someCounts(spec, hosts, rooms, make([]count, len(hosts)), spec.Masters)
}

// someShards reports the same by going through all assignments of copies to hosts, shard
// after shard. Only tiny cases end within a lifetime.
func someShards(spec Spec, hosts []Host, rooms []int) bool {
	type state struct {
		shard int
		used  string
	}
	dead := make(map[state]bool)
	masters, nodes, inDomain := make([]int, len(hosts)), make([]int, len(hosts)), make(map[string]int)
	domain := func(h int) string {
		if hosts[h].Domain != "" && spec.DomainRule == Required {
			return hosts[h].Domain
		}
		return hosts[h].Name
	}
	fits := func(h int) bool {
		return !slices.Contains(spec.ExcludeHosts, hosts[h].Name) && nodes[h] < rooms[h] &&
			2*(nodes[h]+1) < spec.Masters*(spec.Replicas+1) && (spec.MaxNodesPerHost == 0 || nodes[h] < spec.MaxNodesPerHost)
	}
	var deal func(shard int) bool
	var replicas func(shard, from int, in []int) bool
	deal = func(shard int) bool {
		if shard == spec.Masters {
			return true
		}
		at := state{shard, fmt.Sprint(masters, nodes)}
		if dead[at] {
			return false
		}
		for h := range hosts {
			d := domain(h)
			if !fits(h) || 2*(inDomain[d]+1) >= spec.Masters || 2*(masters[h]+1) >= spec.Masters {
				continue
			}
			masters[h], nodes[h], inDomain[d] = masters[h]+1, nodes[h]+1, inDomain[d]+1
			ok := replicas(shard, 0, []int{h})
			masters[h], nodes[h], inDomain[d] = masters[h]-1, nodes[h]-1, inDomain[d]-1
			if ok {
				return true
			}
		}
		dead[at] = true
		return false
	}
	replicas = func(shard, from int, in []int) bool {
		if len(in) == spec.Replicas+1 {
			return deal(shard + 1)
		}
		for h := from; h < len(hosts); h++ {
			if !fits(h) || slices.ContainsFunc(in, func(i int) bool { return domain(i) == domain(h) }) {
				continue
			}
			nodes[h]++
			ok := replicas(shard, h+1, append(slices.Clone(in), h))
			nodes[h]--
			if ok {
				return true
			}
		}
		return false
	}
	return deal(0)
}

// randomCase returns a case of 1 to maxHosts hosts with room for 0 to maxRoom nodes.
func randomCase(r *rand.Rand, maxHosts, maxRoom, maxMasters, maxReplicas int) (Spec, []Host, []int) {
	spec := Spec{Cluster: "c", UID: "u", Masters: 3 + r.IntN(maxMasters-2), Replicas: r.IntN(maxReplicas + 1),
		Node: Resources{0.1, 100}, Overhead: Resources{0.2, 32}, Link: Link(r.IntN(2))}
	n := 1 + r.IntN(maxHosts)
	var hosts []Host
	var rooms []int
	domains := 0
	if r.IntN(2) == 0 {
		domains = 1 + r.IntN(n)
		spec.DomainRule = DomainRule(r.IntN(2))
	}
	top := 1 + r.IntN(maxRoom)
	for i := range n {
		room := r.IntN(top + 1)
		h := Host{Name: fmt.Sprintf("10.0.0.%d", i+1), Agents: []Agent{{ID: fmt.Sprint("a", i),
			CPUs: 0.2 + 0.1*float64(room), MemoryMB: 32 + 100*float64(room), Ports: []PortRange{{31000, 31100}}}}}
		switch r.IntN(3) { // which dimension is short
		case 0:
			h.Agents[0].CPUs = 64
			h.Agents[0].Ports = []PortRange{{31000, 31000 + 2*room}}
		case 1:
			h.Agents[0].MemoryMB = 99999
		}
		if domains > 0 && r.IntN(8) > 0 {
			h.Domain = fmt.Sprint("rack", r.IntN(domains))
		}
		hosts, rooms = append(hosts, h), append(rooms, room)
	}
	if r.IntN(6) == 0 {
		spec.MaxNodesPerHost = 1 + r.IntN(6)
	}
	if r.IntN(6) == 0 {
		spec.ExcludeHosts = []string{hosts[r.IntN(n)].Name}
	}
	return spec, hosts, rooms
}

// cases is how many random cases the reference tests go through.
func cases(t *testing.T, usual int) int {
	s := os.Getenv("CHUNKDIST_CASES")
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// seeds returns 0 … n-1.
func seeds(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i)
	}
	return out
}

// keptSeeds returns the seeds of testdata/seeds.txt.
func keptSeeds(t *testing.T) []uint64 {
	t.Helper()
	data, err := os.ReadFile("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []uint64
	for line := range strings.Lines(string(data)) {
		for _, word := range strings.Fields(line) {
			if word == "#" {
				break
			}
			seed, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, seed)
		}
	}
	return out
}

// planner is Place, or something that claims to be as good.
type planner func(Spec, []Host) (Plan, error)

// agree plans one case and compares it with the reference.
func agree(place planner, spec Spec, hosts []Host, possible bool) error {
	plan, err := place(spec, hosts)
	if _, no := err.(*Infeasible); err != nil && !no {
		return fmt.Errorf("Place: %w", err)
	}
	if possible != (err == nil) {
		return fmt.Errorf("possible is %v, Place says %v", possible, err)
	}
	if err == nil {
		return rulesKept(spec, hosts, plan)
	}
	return nil
}

// A request is refused exactly if no assignment of counts keeps the rules, and every plan
// keeps all of them.
func TestPlaceAgreesWithEveryCount(t *testing.T) {
	t.Parallel()
	n := cases(t, 3000)
	feasible := 0
	for _, seed := range append(keptSeeds(t), seeds(n)...) {
		spec, hosts, rooms := randomCase(rand.New(rand.NewPCG(seed, 1)), 12, 20, 12, 3)
		possible := someCountsFresh(spec, hosts, rooms)
		if err := agree(Place, spec, hosts, possible); err != nil {
			t.Fatalf("seed %d: %v\n%+v\n%+v", seed, err, spec, hosts)
		}
		if possible {
			feasible++
		}
	}
	t.Logf("%d of %d cases are feasible", feasible, n)
	if feasible < n/10 || feasible > n*9/10 {
		t.Errorf("the cases are lopsided")
	}
}

// The same on tiny cases, where the reference goes through whole assignments.
func TestPlaceAgreesWithEveryAssignment(t *testing.T) {
	t.Parallel()
	for seed := range uint64(cases(t, 3000)) {
		spec, hosts, rooms := randomCase(rand.New(rand.NewPCG(seed, 2)), 5, 4, 5, 2)
		possible := someShards(spec, hosts, rooms)
		if possible != someCountsFresh(spec, hosts, rooms) {
			t.Fatalf("seed %d: the two references differ", seed)
		}
		if err := agree(Place, spec, hosts, possible); err != nil {
			t.Fatalf("seed %d: %v\n%+v\n%+v", seed, err, spec, hosts)
		}
	}
}

// rulesKept checks a plan against the rules as they are written down, pair by pair.
func rulesKept(spec Spec, hosts []Host, plan Plan) error {
	if len(plan.Nodes) != spec.Masters*(spec.Replicas+1) {
		return fmt.Errorf("%d nodes", len(plan.Nodes))
	}
	domain := make(map[string]string)
	agents := make(map[string]Agent)
	for _, h := range hosts {
		domain[h.Name] = h.Domain
		for _, a := range h.Agents {
			agents[h.Name+" "+a.ID] = a
		}
	}
	shard := func(n Node) int {
		if n.Role == Master {
			return n.Index
		}
		return *n.Master
	}
	onHost, mastersOn, mastersIn, onAgent := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	slots := make([]int, Slots)
	for i, a := range plan.Nodes {
		if slices.Contains(spec.ExcludeHosts, a.Host) {
			return fmt.Errorf("node %d is on an excluded host", i)
		}
		onHost[a.Host]++
		onAgent[a.Host+" "+a.Agent]++
		if a.Role == Master {
			mastersOn[a.Host]++
			mastersIn[a.Domain]++
		}
		for _, r := range a.Slots {
			for s := r[0]; s <= r[1]; s++ {
				slots[s]++
			}
		}
		inOffer := func(port int) bool {
			for _, r := range agents[a.Host+" "+a.Agent].Ports {
				if r.Begin <= port && port <= r.End {
					return true
				}
			}
			return false
		}
		if !inOffer(a.Port) || !inOffer(a.BusPort) || a.Port == a.BusPort || spec.BusOffset != 0 && a.BusPort-a.Port != spec.BusOffset {
			return fmt.Errorf("node %d has ports %d and %d", i, a.Port, a.BusPort)
		}
		for _, b := range plan.Nodes[:i] {
			if a.Host == b.Host && (a.Port == b.Port || a.Port == b.BusPort || a.BusPort == b.Port || a.BusPort == b.BusPort) {
				return fmt.Errorf("nodes %d and %d share a port", b.Index, i)
			}
			if shard(a) != shard(b) {
				continue
			}
			if a.Host == b.Host {
				return fmt.Errorf("nodes %d and %d share a shard and a host", b.Index, i)
			}
			if d := domain[a.Host]; spec.DomainRule == Required && d != "" && d == domain[b.Host] {
				return fmt.Errorf("nodes %d and %d share a shard and a domain", b.Index, i)
			}
		}
	}
	for h, n := range onHost {
		if 2*n >= len(plan.Nodes) || spec.MaxNodesPerHost > 0 && n > spec.MaxNodesPerHost {
			return fmt.Errorf("%s holds %d nodes", h, n)
		}
		if 2*mastersOn[h] >= spec.Masters {
			return fmt.Errorf("%s holds %d masters", h, mastersOn[h])
		}
	}
	for d, n := range mastersIn {
		if spec.DomainRule == Required && 2*n >= spec.Masters {
			return fmt.Errorf("%s holds %d masters", d, n)
		}
	}
	for name, k := range onAgent {
		a := agents[name]
		if float64(k)*spec.Node.CPUs+spec.Overhead.CPUs > a.CPUs+1e-9 || float64(k)*spec.Node.MemoryMB+spec.Overhead.MemoryMB > a.MemoryMB+1e-9 {
			return fmt.Errorf("agent %s holds %d nodes", name, k)
		}
	}
	for s, n := range slots {
		if n != 1 {
			return fmt.Errorf("slot %d has %d masters", s, n)
		}
	}
	return nil
}
