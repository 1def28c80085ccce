package chunkdist

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// mostNodes finds how many nodes fit on agents by trying every pair of ports for every node.
func mostNodes(agents []Agent, room []int, offset int) int {
	best := 0
	used := make(map[int]bool)
	var try func(agent, from, on, total int)
	try = func(agent, from, on, total int) {
		best = max(best, total)
		if agent == len(agents) {
			return
		}
		try(agent+1, 0, 0, total)
		if on == room[agent] {
			return
		}
		var ports []int
		for _, r := range agents[agent].Ports {
			for p := r.Begin; p <= r.End; p++ {
				ports = append(ports, p)
			}
		}
		for _, data := range ports {
			for _, bus := range ports {
				if data < from || used[data] || used[bus] || offset == 0 && data >= bus || offset != 0 && bus != data+offset {
					continue
				}
				used[data], used[bus] = true, true
				try(agent, data+1, on+1, total+1)
				used[data], used[bus] = false, false
			}
		}
	}
	try(0, 0, 0, 0)
	return best
}

func randomPorts(r *rand.Rand, n int) []PortRange {
	var out []PortRange
	for p := 1; p <= n; p++ {
		if r.IntN(5) < 3 {
			if k := len(out) - 1; k >= 0 && out[k].End == p-1 {
				out[k].End = p
			} else {
				out = append(out, PortRange{p, p})
			}
		}
	}
	return out
}

// A host has room for exactly as many nodes as can be found by trying everything, and its
// seats are on agents that offered their ports, no port twice.
func TestRoomIsExact(t *testing.T) {
	t.Parallel()
	shared := 0
	for seed := range uint64(cases(t, 3000)) {
		r := rand.New(rand.NewPCG(seed, 4))
		h := Host{Name: "h"}
		n := 1 + r.IntN(3)
		var room []int
		for i := range n {
			k := r.IntN(4)
			room = append(room, k)
			h.Agents = append(h.Agents, Agent{ID: fmt.Sprint(i), CPUs: 0.5 + float64(k), MemoryMB: 1, Ports: randomPorts(r, 9-n)})
		}
		spec := Spec{Node: Resources{CPUs: 1}, Overhead: Resources{CPUs: 0.5}, BusOffset: []int{0, 0, 1, 2, 3, -1, -2}[r.IntN(7)]}
		if sharedPorts(h.Agents) {
			shared++
		}
		want := mostNodes(h.Agents, room, spec.BusOffset)
		got := roomOf(spec, h, 100)
		if got.nodes != want {
			t.Fatalf("seed %d: room for %d, should be %d: offset %d %+v", seed, got.nodes, want, spec.BusOffset, h)
		}
		for bound := range want + 1 {
			checkSeats(t, spec, h, bound)
		}
	}
	if shared < 500 && testing.Short() {
		t.Errorf("only %d hosts have agents that share ports", shared)
	}
}

func checkSeats(t *testing.T, spec Spec, h Host, n int) {
	t.Helper()
	seats := roomOf(spec, h, n).seats(h, spec.BusOffset, n)
	if len(seats) != n {
		t.Fatalf("%d seats for %d nodes: offset %d %+v", len(seats), n, spec.BusOffset, h)
	}
	used := make(map[int]bool)
	on := make(map[string]int)
	for _, s := range seats {
		a := h.Agents[slices.IndexFunc(h.Agents, func(a Agent) bool { return a.ID == s.agent })]
		on[s.agent]++
		for _, p := range []int{s.ports.data, s.ports.bus} {
			if used[p] || !slices.ContainsFunc(a.Ports, func(r PortRange) bool { return r.Begin <= p && p <= r.End }) {
				t.Fatalf("port %d of agent %s is used twice or not offered: %+v", p, s.agent, h)
			}
			used[p] = true
		}
		if spec.BusOffset != 0 && s.ports.bus-s.ports.data != spec.BusOffset || !holds(spec, a, on[s.agent]) {
			t.Fatalf("seat %+v is wrong: %+v", s, h)
		}
	}
}
