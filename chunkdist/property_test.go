package chunkdist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// drawCase draws a request and hosts: any sizes, one to three agents, ports of all kinds.
func drawCase(t *rapid.T) (Spec, []Host) {
	spec := Spec{
		Cluster: "c", UID: "u",
		Masters:    rapid.IntRange(3, 14).Draw(t, "masters"),
		Replicas:   rapid.IntRange(0, 3).Draw(t, "replicas"),
		Node:       Resources{0.1, 0.3},
		Overhead:   Resources{0.2, 0.1},
		Link:       rapid.SampledFrom([]Link{LinkPair, LinkRing}).Draw(t, "link"),
		DomainRule: rapid.SampledFrom([]DomainRule{Required, Preferred}).Draw(t, "rule"),
		BusOffset:  rapid.SampledFrom([]int{0, 0, 10000, 7}).Draw(t, "bus"),
	}
	if rapid.IntRange(0, 4).Draw(t, "bounded") == 0 {
		spec.MaxNodesPerHost = rapid.IntRange(1, 8).Draw(t, "max")
	}
	n := rapid.IntRange(1, 12).Draw(t, "hosts")
	domains := rapid.IntRange(0, 4).Draw(t, "domains")
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i] = drawHost(t, fmt.Sprintf("10.0.0.%d", i+1), domains)
	}
	return spec, hosts
}

func drawHost(t *rapid.T, name string, domains int) Host {
	h := Host{Name: name}
	if domains > 0 {
		h.Domain = fmt.Sprint("rack", rapid.IntRange(1, domains).Draw(t, "domain"))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "agents") + 1 {
		a := Agent{ID: fmt.Sprint(name, "/", i),
			CPUs:     0.1 * float64(rapid.IntRange(0, 12).Draw(t, "cpus")),
			MemoryMB: 0.1 * float64(rapid.IntRange(0, 40).Draw(t, "memory"))}
		for _, begin := range []int{1000, 11000} {
			if k := rapid.IntRange(0, 24).Draw(t, "ports"); k > 0 {
				a.Ports = append(a.Ports, PortRange{begin, begin + k - 1})
			}
		}
		h.Agents = append(h.Agents, a)
	}
	return h
}

// place plans a drawn case; ok says whether there is a plan.
func place(t *rapid.T, spec Spec, hosts []Host) (plan Plan, ok bool) {
	plan, err := Place(spec, hosts)
	var no *Infeasible
	if err != nil && !errors.As(err, &no) {
		t.Fatal(err)
	}
	return plan, err == nil
}

// Every plan keeps every rule, by Check and by the rules as they are written down.
func TestEveryPlanKeepsEveryRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		if plan, ok := place(t, spec, hosts); ok {
			if err := errors.Join(Check(spec, hosts, plan), rulesKept(spec, hosts, plan)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Preferred domains are kept as required ones are wherever that is possible; where it is
// not, the plan says so.
func TestPreferredIsRequiredWherePossible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		spec.DomainRule = Required
		strict, ok := place(t, spec, hosts)
		spec.DomainRule = Preferred
		loose, okLoose := place(t, spec, hosts)
		switch {
		case ok && !reflect.DeepEqual(strict, loose):
			t.Fatal("the plans differ")
		case !ok && okLoose:
			spec.DomainRule = Required
			if kept := Check(spec, hosts, loose) == nil; kept || len(loose.Relaxed) == 0 {
				t.Fatalf("kept is %v, relaxed %q", kept, loose.Relaxed)
			}
		}
	})
}

// Where preferred domains cannot be kept, hardly more copies share one with another copy of
// their shard than the domains' sizes force to.
func TestPreferredMakesTheBestOfIt(t *testing.T) {
	t.Parallel()
	shared, forced, relaxed := 0, 0, 0
	for seed := range uint64(6000) {
		spec, hosts, _ := randomCase(rand.New(rand.NewPCG(seed, 1)), 12, 20, 12, 3)
		if spec.DomainRule != Preferred || spec.Replicas == 0 {
			continue
		}
		plan, err := Place(spec, hosts)
		if err != nil || len(plan.Relaxed) == 0 {
			continue
		}
		relaxed++
		type domainShard struct {
			domain string
			shard  int
		}
		copies := make(map[domainShard]int)
		for _, n := range plan.Nodes {
			at := domainShard{n.Domain, n.Index}
			if n.Role == Replica {
				at.shard = *n.Master
			}
			if copies[at]++; copies[at] > 1 {
				shared++
			}
		}
		hosts = sorted(hosts)
		spec.DomainRule = Required
		apart, _ := newProblem(spec, hosts, survey(spec, hosts, spec.Masters), nil, spec.Masters).most()
		forced += max(0, len(plan.Nodes)-apart)
	}
	t.Logf("%d plans are relaxed, %d copies share a domain, %d are forced to", relaxed, shared, forced)
	if shared < forced || shared*100 > forced*104 || relaxed < 100 {
		t.Error("too many")
	}
}

// The same hosts in another order give the same plan, and the input is left alone.
func TestPlanDependsOnNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		before := fmt.Sprint(hosts)
		plan, err := Place(spec, hosts)
		if fmt.Sprint(hosts) != before {
			t.Fatal("the hosts were changed")
		}
		rand.New(rand.NewPCG(1, uint64(len(hosts)))).Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
		again, err2 := Place(spec, hosts)
		if !reflect.DeepEqual(plan, again) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("%v %v\n%v %v", plan, err, again, err2)
		}
	})
}

// One more host, or more of anything on a host, never makes a feasible request infeasible.
func TestMoreNeverHurts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		if _, ok := place(t, spec, hosts); !ok {
			return
		}
		if _, ok := place(t, spec, append(slices.Clone(hosts), drawHost(t, "10.0.1.1", 2))); !ok {
			t.Fatal("one more host made it infeasible")
		}
		i := rapid.IntRange(0, len(hosts)-1).Draw(t, "more on")
		a := &hosts[i].Agents[0]
		a.CPUs, a.MemoryMB = a.CPUs+0.1, a.MemoryMB+0.3
		a.Ports = append(slices.Clone(a.Ports), PortRange{21000, 21001})
		if _, ok := place(t, spec, hosts); !ok {
			t.Fatal("more room on a host made it infeasible")
		}
	})
}

// A host that holds fewer nodes than another one, by more than a master and its replicas,
// has no room for one more.
func TestCountsAreEvenWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		for i := range hosts {
			hosts[i].Domain = ""
		}
		plan, ok := place(t, spec, hosts)
		if !ok {
			return
		}
		nodes, most := make(map[string]int), 0
		for _, h := range plan.Hosts {
			nodes[h.Host] = h.Masters + h.Replicas
			most = max(most, nodes[h.Host])
		}
		unit := 1
		if spec.Link == LinkPair {
			unit = spec.Replicas + 1
		}
		for _, h := range hosts {
			bound := min(minority(len(plan.Nodes)), spec.Masters)
			if spec.MaxNodesPerHost > 0 {
				bound = min(bound, spec.MaxNodesPerHost)
			}
			room := roomOf(spec, h, bound).nodes
			if n := nodes[h.Name]; most-n > unit && n < room {
				t.Fatalf("%s holds %d of at most %d, another one %d", h.Name, n, room, most)
			}
		}
	})
}

// A host that gets nothing, although it could hold a master and its replicas, has no more free
// than any host that gets something.
func TestRoomiestHostsFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		spec.Masters, spec.Replicas = rapid.IntRange(3, 5).Draw(t, "few"), rapid.IntRange(0, 1).Draw(t, "replica")
		for i := range hosts {
			hosts[i].Domain = ""
		}
		plan, ok := place(t, spec, hosts)
		if !ok {
			return
		}
		least := Slots * 3
		used := func(h Host) bool {
			return slices.ContainsFunc(plan.Hosts, func(l HostLoad) bool { return l.Host == h.Name })
		}
		for _, h := range hosts {
			if used(h) {
				least = min(least, freeFor(spec, h))
			}
		}
		for _, h := range hosts {
			if !used(h) && roomOf(spec, h, spec.Replicas+1).nodes > spec.Replicas && (spec.MaxNodesPerHost == 0 || spec.MaxNodesPerHost > spec.Replicas) && freeFor(spec, h) > least {
				t.Fatalf("%s has room for %d and gets nothing, another has %d", h.Name, freeFor(spec, h), least)
			}
		}
	})
}

// On equal hosts each host fails over to as many hosts as it has replicas of its masters, or
// to all others, but for one where an odd count has to be closed; chunks of three and more
// stay together.
func TestLinksAreSpread(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(4, 20).Draw(t, "hosts")
		spec := Spec{Cluster: "c", UID: "u", Masters: n * rapid.IntRange(1, 4).Draw(t, "each"), Replicas: 1, Node: Resources{0.1, 1},
			Link: rapid.SampledFrom([]Link{LinkPair, LinkRing}).Draw(t, "link")}
		plan, ok := place(t, spec, equalHosts(n, 40))
		if !ok {
			t.Fatal("infeasible")
		}
		partners := make(map[string]map[string]bool)
		for _, r := range plan.Nodes[spec.Masters:] {
			m := plan.Nodes[*r.Master].Host
			if partners[m] == nil {
				partners[m] = make(map[string]bool)
			}
			partners[m][r.Host] = true
		}
		for _, h := range plan.Hosts {
			if got, want := len(partners[h.Host]), min(h.Masters, n-1); got < want-1 {
				t.Fatalf("%s has %d masters and fails over to %d of %d hosts", h.Host, h.Masters, got, want)
			}
		}
	})
}

var suggestions = []struct {
	says  *regexp.Regexp
	apply func(n int, s *Spec)
}{
	{regexp.MustCompile(`(\d+) masters instead`), func(n int, s *Spec) { s.Masters = n }},
	{regexp.MustCompile(`(\d+) replicas? of each instead`), func(n int, s *Spec) { s.Replicas = n }},
	{regexp.MustCompile(`max_nodes_per_host (\d+) instead`), func(n int, s *Spec) { s.MaxNodesPerHost = n }},
	{regexp.MustCompile(`(fault domains preferred)()`), func(_ int, s *Spec) { s.DomainRule = Preferred }},
}

// An Infeasible speaks of every host, and what it says is possible is possible.
func TestInfeasibleTellsTheTruth(t *testing.T) {
	t.Parallel()
	tried := make([]int, len(suggestions)+1)
	rapid.Check(t, func(t *rapid.T) {
		spec, hosts := drawCase(t)
		_, err := Place(spec, hosts)
		var no *Infeasible
		if !errors.As(err, &no) {
			return
		}
		if no.Have >= no.Need || no.Error() == "" || DrawInfeasible(no) == "" {
			t.Fatalf("%d of %d: %v", no.Have, no.Need, no)
		}
		for _, h := range hosts {
			i := slices.IndexFunc(no.Shortages, func(s Shortage) bool { return s.Host == h.Name })
			if i < 0 || no.Shortages[i].Need <= no.Shortages[i].Have || no.Shortages[i].Message == "" {
				t.Fatalf("nothing about %s: %+v", h.Name, no)
			}
		}
		for k, s := range suggestions {
			if m := s.says.FindStringSubmatch(no.Nearest); m != nil {
				tried[k]++
				other := spec
				n, _ := strconv.Atoi(m[1])
				s.apply(n, &other)
				if _, err := Place(other, hosts); err != nil {
					t.Fatalf("it says %q, but: %v", m[0], err)
				}
			}
		}
		if m := regexp.MustCompile(`(\d+) more hosts? like ([0-9.]+)`).FindStringSubmatch(no.Nearest); m != nil {
			tried[len(suggestions)]++
			n, _ := strconv.Atoi(m[1])
			like := hosts[slices.IndexFunc(hosts, func(h Host) bool { return h.Name == m[2] })]
			for i := range n {
				if _, ok := (request{spec: spec, hosts: hosts, shards: spec.Masters}).solve(); ok {
					t.Fatalf("it says %q, but %d do", m[0], i)
				}
				h := Host{Name: fmt.Sprint("more", i)}
				for j, a := range like.Agents {
					a.ID = fmt.Sprint("more", i, j)
					h.Agents = append(h.Agents, a)
				}
				hosts = append(hosts, h)
			}
			if _, err := Place(spec, hosts); err != nil {
				t.Fatalf("it says %q, but: %v", m[0], err)
			}
		}
	})
	t.Logf("suggestions tried: %v", tried)
}
