package chunkdist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// grown returns a random plan and the specification and hosts that it was made for.
func grown(r *rand.Rand, maxHosts, maxMasters, maxReplicas int) (Spec, []Host, Plan) {
	for {
		spec, hosts, _ := randomCase(r, maxHosts, 12, maxMasters, maxReplicas)
		spec.MaxNodesPerHost, spec.ExcludeHosts = 0, nil
		if plan, err := Place(spec, hosts); err == nil {
			return spec, hosts, plan
		}
	}
}

// freeHosts returns hosts with random room, some of them hosts of a plan.
func freeHosts(r *rand.Rand, maxHosts, maxRoom int, hosts []Host) []Host {
	_, fresh, _ := randomCase(r, maxHosts, maxRoom, 4, 0)
	for i := range fresh {
		if i < len(hosts) && r.IntN(2) == 0 {
			fresh[i].Name, fresh[i].Domain = hosts[i].Name, hosts[i].Domain
			continue
		}
		fresh[i].Name = fmt.Sprintf("10.0.1.%d", i+1)
		fresh[i].Agents[0].ID += "new"
	}
	return fresh
}

// united returns the offered hosts and those of the plan that offer nothing, with the room
// of each and what it has.
func united(spec Spec, plan Plan, fresh []Host, without ...string) (hosts []Host, rooms []int, had []count) {
	var stay []Node
	for _, n := range plan.Nodes {
		if !slices.Contains(without, n.Host) {
			stay = append(stay, n)
		}
	}
	hosts = withoutPorts(sorted(fresh), stay)
	rooms = survey(spec, hosts, len(plan.Nodes)+100)
	for _, h := range loads(stay) {
		if !slices.ContainsFunc(hosts, func(f Host) bool { return f.Name == h.Host }) {
			hosts, rooms = append(hosts, Host{Name: h.Host, Domain: h.Domain}), append(rooms, 0)
		}
	}
	had = make([]count, len(hosts))
	for i, h := range hosts {
		for _, l := range loads(stay) {
			if l.Host == h.Name {
				had[i] = count{l.Masters, l.Masters + l.Replicas}
			}
		}
	}
	return hosts, rooms, had
}

// stayed returns an error if any node but those on lost hosts changed its place.
func stayed(before, after Plan, lost []string) error {
	for i, was := range before.Nodes {
		is := after.Nodes[i]
		if is.ID != was.ID || is.Role != was.Role || is.Epoch != was.Epoch || is.Index != was.Index {
			return fmt.Errorf("node %d is another", i)
		}
		if gone := slices.Contains(lost, was.Host); moved(was, is) != gone || slices.Contains(lost, is.Host) {
			return fmt.Errorf("node %d was on %s and is on %s", i, was.Host, is.Host)
		}
	}
	return nil
}

// Masters are appended exactly if some assignment of counts keeps the rules for old and new
// together; what exists stays where it is, and old masters only lose slots.
func TestAppendAgreesWithEveryCount(t *testing.T) {
	t.Parallel()
	done, n := 0, cases(t, 1000)
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 5))
		spec, hosts, plan := grown(r, 8, 8, 3)
		fresh, more := freeHosts(r, 8, 8, hosts), 1+r.IntN(6)
		after, err := Append(spec, plan, fresh, more)
		var no *Infeasible
		if err != nil && !errors.As(err, &no) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		spec.Masters += more
		all, rooms, had := united(spec, plan, fresh)
		if possible := someCounts(spec, all, rooms, had, more); possible != (err == nil) {
			t.Fatalf("seed %d: possible is %v, Append says %v", seed, possible, err)
		}
		if err != nil {
			continue
		}
		done++
		if after.Masters != plan.Masters+more {
			t.Fatalf("seed %d: %d masters", seed, after.Masters)
		}
		if err := errors.Join(after.Validate(), stayed(plan, after, nil), apartKept(spec, after)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i, was := range plan.Nodes {
			if was.Role == Master && !within(after.Nodes[i].Slots, was.Slots) {
				t.Fatalf("seed %d: node %d got slots: %v, had %v", seed, i, after.Nodes[i].Slots, was.Slots)
			}
		}
	}
	if t.Logf("%d of %d could be appended", done, n); done < n/10 || done > n*9/10 {
		t.Error("the cases are lopsided")
	}
}

// within reports whether all slots of a are in b.
func within(a, b [][2]int) bool {
	in := make(map[int]bool)
	for _, s := range slotsOf(b) {
		in[s] = true
	}
	return !slices.ContainsFunc(slotsOf(a), func(s int) bool { return !in[s] })
}

// apartKept checks the rule about copies of a shard and the majority, node by node.
func apartKept(spec Spec, plan Plan) error {
	for i, a := range plan.Nodes {
		for _, b := range plan.Nodes[:i] {
			same := a.Master != nil && (*a.Master == b.Index || b.Master != nil && *a.Master == *b.Master)
			if same && (a.Host == b.Host || spec.DomainRule == Required && a.Domain == b.Domain) {
				return fmt.Errorf("nodes %d and %d share a shard and %s", b.Index, i, a.Domain)
			}
		}
	}
	masters := make(map[string]int)
	for _, n := range plan.Nodes {
		if n.Role == Master {
			if masters[n.Domain]++; spec.DomainRule == Required && 2*masters[n.Domain] >= plan.Masters {
				return fmt.Errorf("%s holds %d of %d masters", n.Domain, masters[n.Domain], plan.Masters)
			}
		}
	}
	return nil
}

// someHomes reports whether the nodes on lost hosts can go anywhere, by trying everything.
func someHomes(spec Spec, plan Plan, lost []string, hosts []Host, rooms []int, had []count) bool {
	domain := func(h Host) string {
		if spec.DomainRule == Required {
			return h.domain()
		}
		return h.Name
	}
	nodes := slices.Clone(plan.Nodes)
	var homeless []int
	masters := make(map[string]int)
	for i, n := range nodes {
		switch {
		case slices.Contains(lost, n.Host):
			homeless = append(homeless, i)
			nodes[i].Host = ""
		case n.Role == Master:
			masters[domain(Host{Name: n.Host, Domain: n.Domain})]++
		}
	}
	added := make([]count, len(hosts))
	var try func(k int) bool
	try = func(k int) bool {
		if k == len(homeless) {
			return true
		}
		n := &nodes[homeless[k]]
		for i, h := range hosts {
			clash := added[i].nodes == rooms[i] || slices.Contains(lost, h.Name) || 2*(had[i].nodes+added[i].nodes+1) >= len(nodes)
			master := 0
			if n.Role == Master {
				master = 1
				clash = clash || 2*(had[i].masters+added[i].masters+1) >= plan.Masters || 2*(masters[domain(h)]+1) >= plan.Masters
			}
			for _, o := range nodes {
				same := o.Index != n.Index && (o.Master != nil && (*o.Master == n.Index || n.Master != nil && *o.Master == *n.Master) ||
					n.Master != nil && *n.Master == o.Index)
				clash = clash || same && o.Host != "" && (o.Host == h.Name || domain(Host{Name: o.Host, Domain: o.Domain}) == domain(h))
			}
			if clash {
				continue
			}
			was := *n
			n.Host, n.Domain = h.Name, h.domain()
			added[i].nodes, added[i].masters, masters[domain(h)] = added[i].nodes+1, added[i].masters+master, masters[domain(h)]+master
			ok := try(k + 1)
			added[i].nodes, added[i].masters, masters[domain(h)] = added[i].nodes-1, added[i].masters-master, masters[domain(h)]-master
			*n = was
			if ok {
				return true
			}
		}
		return false
	}
	return try(0)
}

// The nodes of lost hosts are re-placed exactly if some assignment keeps the rules; no other
// node moves.
func TestReplaceAgreesWithEveryAssignment(t *testing.T) {
	t.Parallel()
	done, n := 0, cases(t, 1000)
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 6))
		spec, hosts, plan := grown(r, 5, 5, 2)
		fresh := freeHosts(r, 4, 4, hosts)
		lost := []string{plan.Hosts[r.IntN(len(plan.Hosts))].Host}
		if r.IntN(2) == 0 {
			lost = append(lost, plan.Hosts[r.IntN(len(plan.Hosts))].Host)
		}
		after, err := Replace(spec, plan, lost, fresh)
		var no *Infeasible
		if err != nil && !errors.As(err, &no) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		all, rooms, had := united(spec, plan, fresh, lost...)
		if possible := someHomes(spec, plan, lost, all, rooms, had); possible != (err == nil) {
			t.Fatalf("seed %d: possible is %v, Replace says %v", seed, possible, err)
		}
		if err != nil {
			continue
		}
		done++
		if err := errors.Join(after.Validate(), stayed(plan, after, lost), apartKept(spec, after)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if t.Logf("%d of %d could be replaced", done, n); done < n/10 || done > n*9/10 {
		t.Error("the cases are lopsided")
	}
}
