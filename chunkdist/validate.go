package chunkdist

import (
	"errors"
	"fmt"
	"slices"
)

// Broken is one rule that a plan does not keep.
type Broken struct {
	// Rule names it.
	Rule Rule
	// Problem is the sentence.
	Problem string
}

func (b *Broken) Error() string { return string(b.Rule) + ": " + b.Problem }

// Rule is the name of a safety rule.
type Rule string

// The safety rules.
const (
	RuleShape     Rule = "shape"     // indices, IDs, roles, epochs and counts are those of the plan
	RuleSlots     Rule = "slots"     // each slot has one master
	RulePorts     Rule = "ports"     // a port is used once per host
	RuleApart     Rule = "apart"     // no two copies of a shard share a host, nor a required domain
	RuleMajority  Rule = "majority"  // losing a host, or a required domain, leaves most masters alive
	RuleHalf      Rule = "half"      // a host holds fewer than half of the nodes
	RuleCapacity  Rule = "capacity"  // no agent holds more than it offered
	RuleExclusion Rule = "exclusion" // no node on an excluded host or beyond max_nodes_per_host
)

const maxReported = 20

type findings struct {
	errs  []error
	extra int
}

func (f *findings) add(r Rule, format string, args ...any) {
	if len(f.errs) == maxReported {
		f.extra++
		return
	}
	f.errs = append(f.errs, &Broken{r, fmt.Sprintf(format, args...)})
}

func (f *findings) err() error {
	if f.extra > 0 {
		f.errs = append(f.errs, fmt.Errorf("and %d more", f.extra))
	}
	return errors.Join(f.errs...)
}

// Validate checks what can be checked of a plan without the hosts that it was made for: for
// whoever loads one. It returns nil or the first 20 *Broken, joined. Domains are not
// considered; Check does.
func (p Plan) Validate() error {
	var f findings
	if !p.validateShape(&f) {
		return f.err()
	}
	p.validateSlots(&f)
	p.validatePorts(&f)
	p.validateHosts(&f)
	p.validateApart(&f, false)
	return f.err()
}

// validateShape reports whether the nodes are sound enough for the other checks.
func (p Plan) validateShape(f *findings) bool {
	if p.Masters < 3 || p.Replicas < 0 || len(p.Nodes) != p.Masters*(p.Replicas+1) {
		f.add(RuleShape, "%d masters with %d replicas each are %d nodes, at least 3 masters; the plan has %d nodes",
			p.Masters, p.Replicas, p.Masters*(p.Replicas+1), len(p.Nodes))
		return false
	}
	masters := 0
	epochs := make(map[uint64]int)
	for i, n := range p.Nodes {
		if n.Index != i {
			f.add(RuleShape, "node %d is at place %d", n.Index, i)
		}
		if n.ID != NodeID(p.UID, n.Index) {
			f.add(RuleShape, "node %d has ID %q, not the one that follows from the UID", n.Index, n.ID)
		}
		if n.Host == "" || n.Agent == "" {
			f.add(RuleShape, "node %d has no host or no agent", n.Index)
		}
		switch n.Role {
		case Master:
			masters++
			if n.Master != nil || n.Epoch == 0 {
				f.add(RuleShape, "master %d has a master or config epoch 0", n.Index)
			}
			if m, ok := epochs[n.Epoch]; ok {
				f.add(RuleShape, "masters %d and %d share config epoch %d", m, n.Index, n.Epoch)
			}
			epochs[n.Epoch] = n.Index
		case Replica:
			if n.Master == nil || *n.Master < 0 || *n.Master >= len(p.Nodes) || p.Nodes[*n.Master].Role != Master || n.Epoch != 0 || len(n.Slots) > 0 {
				f.add(RuleShape, "replica %d has no master, or an epoch or slots", n.Index)
			}
		default:
			f.add(RuleShape, "node %d has role %q", n.Index, n.Role)
		}
	}
	if masters != p.Masters {
		f.add(RuleShape, "%d nodes are masters, not %d", masters, p.Masters)
	}
	return len(f.errs) == 0
}

func (p Plan) validateSlots(f *findings) {
	var owner [Slots]int // node index + 1
	for _, n := range p.Nodes {
		if n.Role == Master && len(n.Slots) == 0 {
			f.add(RuleSlots, "master %d has no slots", n.Index)
		}
		for _, r := range n.Slots {
			if r[0] < 0 || r[1] >= Slots || r[0] > r[1] {
				f.add(RuleSlots, "master %d has %d-%d, which is no range of slots", n.Index, r[0], r[1])
				continue
			}
			for s := r[0]; s <= r[1]; s++ {
				if owner[s] != 0 {
					f.add(RuleSlots, "slot %d is in masters %d and %d", s, owner[s]-1, n.Index)
					break
				}
				owner[s] = n.Index + 1
			}
		}
	}
	for s, o := range owner {
		if o == 0 {
			f.add(RuleSlots, "slot %d has no master", s)
			break
		}
	}
}

func (p Plan) validatePorts(f *findings) {
	type hostPort struct {
		host string
		port int
	}
	taken := make(map[hostPort]int, 2*len(p.Nodes))
	for _, n := range p.Nodes {
		for _, port := range [2]int{n.Port, n.BusPort} {
			if port < 1 || port > 65535 {
				f.add(RulePorts, "node %d has port %d", n.Index, port)
				continue
			}
			at := hostPort{n.Host, port}
			if other, ok := taken[at]; ok {
				f.add(RulePorts, "nodes %d and %d both have port %d of %s", other, n.Index, port, n.Host)
			}
			taken[at] = n.Index
		}
	}
}

func (p Plan) validateHosts(f *findings) {
	hosts := countLoads(p.Nodes)
	if len(p.Hosts) > 0 { // whoever keeps a plan small may leave them out
		listed := make(map[string]HostLoad, len(p.Hosts))
		for _, h := range p.Hosts {
			listed[h.Host] = h
		}
		if len(listed) != len(hosts) || slices.ContainsFunc(hosts, func(h HostLoad) bool { return listed[h.Host] != h }) {
			f.add(RuleShape, "the list of hosts does not count the nodes")
		}
	}
	for _, h := range hosts {
		if h.Masters > minority(p.Masters) {
			f.add(RuleMajority, "%s holds %d of %d masters: its loss leaves no majority", h.Host, h.Masters, p.Masters)
		}
		if n := h.Masters + h.Replicas; n > minority(len(p.Nodes)) {
			f.add(RuleHalf, "%s holds %d of %d nodes: half or more", h.Host, n, len(p.Nodes))
		}
	}
}

// validateApart finds copies of a shard that share a host or, with domains, a fault domain.
func (p Plan) validateApart(f *findings, domains bool) {
	type copyAt struct {
		shard int
		place string
	}
	what := "host"
	if domains {
		what = "fault domain"
	}
	seen := make(map[copyAt]int, len(p.Nodes))
	count := make([]int, len(p.Nodes))
	for _, n := range p.Nodes {
		at := copyAt{n.Index, n.Host}
		if n.Role == Replica {
			at.shard = *n.Master
			count[*n.Master]++
		}
		if domains {
			at.place = n.Domain
		}
		if other, ok := seen[at]; ok {
			f.add(RuleApart, "nodes %d and %d of one shard share %s %s", other, n.Index, what, at.place)
		}
		seen[at] = n.Index
	}
	for _, n := range p.Nodes {
		if n.Role == Master && count[n.Index] != p.Replicas && !domains {
			f.add(RuleShape, "master %d has %d replicas, not %d", n.Index, count[n.Index], p.Replicas)
		}
	}
}
