package chunkdist

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// attempt looks for the smallest change of one kind that makes a request feasible, and
// returns it in words; empty if there is none.
type attempt func(request, *Infeasible) string

// nearest returns what the attempts found: every change has been tried.
func nearest(r request, e *Infeasible, attempts ...attempt) string {
	var out []string
	for _, try := range attempts {
		if s := try(r, e); s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", or ")
}

// otherMasters looks for the nearest number of masters, fewer or more. More can be possible
// where fewer are not: the majority rule wants three hosts to hold 3 or 5 masters, but not 4.
func otherMasters(r request, _ *Infeasible) string {
	rooms := survey(r.spec, r.hosts, r.shards+maxMore)
	most := 0
	for _, n := range rooms {
		most += n
	}
	most /= r.spec.Replicas + 1
	had := r.spec.Masters - r.shards
	try := func(shards int) bool {
		spec := r.spec
		spec.Masters = had + shards
		_, ok := solvable(spec, r.hosts, rooms, r.had, shards)
		return ok
	}
	least := 3 // with no masters there
	if had > 0 {
		least = 1
	}
	best := 0
	for n, tries := min(r.shards-1, most), 0; n >= least && tries < maxTries && best == 0; n, tries = n-1, tries+1 {
		if try(n) {
			best = n
		}
	}
	for n := r.shards + 1; n <= min(most, r.shards+maxMore, Slots-had); n++ {
		if best > 0 && r.shards-best <= n-r.shards {
			break
		}
		if try(n) {
			best = n
			break
		}
	}
	if best == 0 {
		return ""
	}
	return fmt.Sprintf("%s instead of %d", plural(best, "master", "masters"), r.shards)
}

// maxTries and maxMore bound how far otherMasters looks down and up; maxHosts how many
// hosts moreMemory looks at.
const (
	maxTries = 64
	maxMore  = 16
	maxHosts = 8
)

func fewerReplicas(r request, _ *Infeasible) string {
	if len(r.had) > 0 {
		return ""
	}
	was := r.spec.Replicas
	for r.spec.Replicas--; r.spec.Replicas >= 1; r.spec.Replicas-- {
		if r.feasible() {
			return fmt.Sprintf("%s of each instead of %d", plural(r.spec.Replicas, "replica", "replicas"), was)
		}
	}
	return ""
}

// moreHosts looks for how many more hosts like the roomiest one would do, each in a fault
// domain of its own.
func moreHosts(r request, _ *Infeasible) string {
	rooms := survey(r.spec, r.hosts, r.shards)
	best := -1
	for i, n := range rooms {
		if n > 0 && (best < 0 || n > rooms[best]) {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	like := r.hosts[best]
	try := func(n int) bool {
		more := r
		more.hosts = slices.Clone(r.hosts)
		for i := range n {
			h := like
			h.Name = fmt.Sprintf("another %d", i)
			h.Domain = h.Name
			more.hosts = append(more.hosts, h)
		}
		if r.solves != nil {
			return r.solves(more)
		}
		_, ok := solvable(r.spec, more.hosts, append(slices.Clone(rooms), slices.Repeat(rooms[best:best+1], n)...), r.had, r.shards)
		return ok
	}
	most := 4 * r.shards * (r.spec.Replicas + 1)
	n := 1
	for ; n < most && !try(n); n *= 2 {
	}
	n = n/2 + 1 + sortSearch(n-n/2-1, func(k int) bool { return try(n/2 + 1 + k) })
	if !try(n) {
		return ""
	}
	inDomain := ""
	if r.spec.DomainRule == Required && like.Domain != "" {
		inDomain = " in " + plural(n, "fault domain", "fault domains") + " of their own"
		if n == 1 {
			inDomain = " in a fault domain of its own"
		}
	}
	return fmt.Sprintf("%s like %s%s", plural(n, "more host", "more hosts"), like.Name, inDomain)
}

// sortSearch returns the least i in [0, n) for which ok is true, n if there is none.
func sortSearch(n int, ok func(int) bool) int {
	lo, hi := 0, n
	for lo < hi {
		if mid := (lo + hi) / 2; ok(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// smallerNodes looks for the most memory, then for the most CPU, that a node may take.
func smallerNodes(r request, _ *Infeasible) string {
	mb := int(math.Ceil(r.spec.Node.MemoryMB)) - 1
	least := max(1, int(math.Ceil(r.spec.LeastMemoryMB)))
	most := max(0, mb-least+1) // proposals
	less := sortSearch(most, func(k int) bool {
		try := r
		try.spec.Node.MemoryMB = float64(mb - k)
		return try.feasible()
	})
	if less < most {
		return fmt.Sprintf("memory_mb %d instead of %s", mb-less, number3(r.spec.Node.MemoryMB))
	}
	tenths := int(math.Ceil(r.spec.Node.CPUs*10)) - 1
	less = sortSearch(tenths, func(k int) bool {
		try := r
		try.spec.Node.CPUs = float64(tenths-k) / 10
		return try.feasible()
	})
	if less < tenths {
		return fmt.Sprintf("cpus %s instead of %s", number3(float64(tenths-less)/10), number3(r.spec.Node.CPUs))
	}
	return ""
}

// moreMemory looks for the host, of the first few that are short of it, on which the least
// more memory would do.
func moreMemory(r request, e *Infeasible) string {
	if e.Rule != RuleCapacity {
		return ""
	}
	best, least := "", math.Inf(1)
	tries := 0
	for _, s := range e.Shortages {
		if s.Dimension != "memory_mb" || tries == maxHosts {
			continue
		}
		tries++
		more := s.Need - s.Have + r.spec.Node.MemoryMB*float64(e.Need-e.Have-1)
		if more < least && r.withMemory(s.Host, more).feasible() {
			best, least = s.Host, more
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("%s MB more on %s", number3(least), best)
}

// withMemory returns the request with more memory on the agents of one host.
func (r request) withMemory(name string, more float64) request {
	r.hosts = slices.Clone(r.hosts)
	for i, h := range r.hosts {
		if h.Name == name {
			r.hosts[i].Agents = slices.Clone(h.Agents)
			for j := range r.hosts[i].Agents {
				r.hosts[i].Agents[j].MemoryMB += more
			}
		}
	}
	return r
}

// freerRules looks for a limit of the request itself that stands in the way.
func freerRules(r request, _ *Infeasible) string {
	if max := r.spec.MaxNodesPerHost; max > 0 {
		for n := max + 1; n <= max+maxTries; n++ {
			if r.spec.MaxNodesPerHost = n; r.feasible() {
				return fmt.Sprintf("max_nodes_per_host %d instead of %d", n, max)
			}
		}
		r.spec.MaxNodesPerHost = max
	}
	if len(r.spec.ExcludeHosts) > 0 {
		if r.spec.ExcludeHosts = nil; r.feasible() {
			return "no excluded hosts"
		}
	}
	if r.spec.DomainRule == Required {
		if r.spec.DomainRule = Preferred; r.feasible() {
			return "fault domains preferred instead of required"
		}
	}
	return ""
}
