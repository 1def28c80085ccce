package chunkdist

import (
	"math/bits"
	"slices"
)

// shareChains shares out pairs whose ports are offset apart: along each chain of ports, each
// pair is left out or given to one of the agents that offer both.
func shareChains(agents []agentRoom, offset, most int) {
	links := chainLinks(agents, offset)
	type state struct {
		at     int
		taken  bool // the pair before shares a port and is taken
		counts [maxSharers]int
	}
	best := make(map[state]int)
	var from func(s state) int
	next := func(s state, agent int) state { // -1 leaves the pair out
		s.at++
		s.taken = agent >= 0 && s.at < len(links) && links[s.at].joined
		if agent >= 0 {
			s.counts[agent]++
		}
		return s
	}
	from = func(s state) int {
		if s.at == len(links) {
			return 0
		}
		if n, ok := best[s]; ok || len(best) > maxStates {
			return n
		}
		n := from(next(s, -1))
		for set := links[s.at].agents; set != 0 && !s.taken; set &= set - 1 {
			if i := bits.TrailingZeros(uint(set)); s.counts[i] < agents[i].nodes {
				n = max(n, 1+from(next(s, i)))
			}
		}
		best[s] = n
		return n
	}
	if min(from(state{}), most) <= placed(agents) {
		return
	}
	for i := range agents {
		agents[i].pairs = []portPair{}
	}
	for s := (state{}); s.at < len(links) && placed(agents) < most; {
		choice := -1
		for set := links[s.at].agents; set != 0 && !s.taken; set &= set - 1 {
			if i := bits.TrailingZeros(uint(set)); s.counts[i] < agents[i].nodes && 1+from(next(s, i)) >= from(s) {
				choice = i
				break
			}
		}
		if choice >= 0 {
			agents[choice].pairs = append(agents[choice].pairs, links[s.at].pair)
		}
		s = next(s, choice)
	}
}

// chainLink is a pair of ports offset apart and the agents that offer both.
type chainLink struct {
	pair   portPair
	agents int
	joined bool // it shares a port with the one before it
}

// chainLinks returns the pairs, chain after chain.
func chainLinks(agents []agentRoom, offset int) []chainLink {
	step := max(offset, -offset)
	by := make(map[int]int) // agents by lower port
	for i, a := range agents {
		for _, r := range a.ports {
			for _, q := range a.ports {
				for low := max(r.Begin, q.Begin-step); low <= min(r.End, q.End-step); low++ {
					by[low] |= 1 << i
				}
			}
		}
	}
	var out []chainLink
	for low, set := range by {
		l := chainLink{pair: portPair{low, low + step}, agents: set}
		if offset < 0 {
			l.pair.data, l.pair.bus = l.pair.bus, l.pair.data
		}
		out = append(out, l)
	}
	low := func(l chainLink) int { return min(l.pair.data, l.pair.bus) }
	slices.SortFunc(out, func(a, b chainLink) int {
		if c := low(a)%step - low(b)%step; c != 0 {
			return c
		}
		return low(a) - low(b)
	})
	for i := 1; i < len(out); i++ {
		out[i].joined = low(out[i]) == low(out[i-1])+step
	}
	return out
}
