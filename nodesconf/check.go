package nodesconf

import (
	"fmt"
	"strings"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// check refuses a plan that a server would refuse, or, worse, would accept silently as
// something else (a slot that is listed twice, two masters of one epoch).
func (d Dialect) check(plan chunkdist.Plan) error {
	if d == (Dialect{}) {
		return fmt.Errorf("no dialect was chosen")
	}
	if len(plan.Nodes) == 0 {
		return fmt.Errorf("the plan has no nodes")
	}
	type port struct {
		host string
		port int
	}
	var (
		ids    = make(map[string]int, len(plan.Nodes))
		ports  = make(map[port]int, 2*len(plan.Nodes))
		epochs = make(map[uint64]int, plan.Masters)
		owner  [chunkdist.Slots]int // node index + 1
	)
	for i, n := range plan.Nodes {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("node %d: "+format, append([]any{i}, args...)...)
		}
		if n.Index != i {
			return fail("index is %d", n.Index)
		}
		if !isID(n.ID) {
			return fail("ID %q is not 40 lowercase hexadecimal digits", n.ID)
		}
		if other, dup := ids[n.ID]; dup {
			return fail("ID %s is node %d's too", n.ID, other)
		}
		ids[n.ID] = i
		if !isAddress(n.Host) {
			return fail("host %q is not an IP address", n.Host)
		}
		for _, p := range []int{n.Port, n.BusPort} {
			if p < 1 || p > 65535 {
				return fail("port %d is not in 1 … 65535", p)
			}
			if other, dup := ports[port{n.Host, p}]; dup {
				return fail("port %d of %s is taken by node %d", p, n.Host, other)
			}
			ports[port{n.Host, p}] = i
		}
		if off := d.BusOffset(); off != 0 && n.BusPort != n.Port+off {
			return fail("%s has its bus port at data port + %d, not at %d for %d", d, off, n.BusPort, n.Port)
		}
		switch n.Role {
		case chunkdist.Master:
			if n.Master != nil {
				return fail("is a master of master %d", *n.Master)
			}
			if n.Epoch < 1 || n.Epoch > uint64(plan.Masters) {
				return fail("config epoch %d is not in 1 … %d", n.Epoch, plan.Masters)
			}
			if other, dup := epochs[n.Epoch]; dup {
				return fail("config epoch %d is node %d's too", n.Epoch, other)
			}
			epochs[n.Epoch] = i
		case chunkdist.Replica:
			if n.Master == nil || *n.Master < 0 || *n.Master >= len(plan.Nodes) || plan.Nodes[*n.Master].Role != chunkdist.Master {
				return fail("is a replica without a master")
			}
			if n.Epoch != 0 || len(n.Slots) != 0 {
				return fail("is a replica with a config epoch or slots of its own")
			}
		default:
			return fail("role %q is neither master nor replica", n.Role)
		}
		for _, r := range n.Slots {
			if r[0] < 0 || r[1] >= chunkdist.Slots || r[0] > r[1] {
				return fail("slot range %d-%d is not in 0-%d", r[0], r[1], chunkdist.Slots-1)
			}
			for s := r[0]; s <= r[1]; s++ {
				if owner[s] != 0 {
					return fail("slot %d is node %d's too", s, owner[s]-1)
				}
				owner[s] = i + 1
			}
		}
	}
	if len(epochs) != plan.Masters {
		return fmt.Errorf("the plan has %d masters, not %d", len(epochs), plan.Masters)
	}
	for s, o := range owner {
		if o == 0 {
			return fmt.Errorf("slot %d belongs to no master", s)
		}
	}
	return nil
}

// isID reports whether s is a node ID as every server accepts it.
func isID(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == ""
}

// isAddress reports whether s can be an IPv4 or IPv6 address and so nothing that could
// break a line apart. Names are refused: servers want addresses.
func isAddress(s string) bool {
	return s != "" && len(s) <= 45 && strings.Trim(s, "0123456789abcdefABCDEF.:") == "" && strings.ContainsAny(s, ".:")
}
