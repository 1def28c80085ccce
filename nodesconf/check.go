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
	c := &checker{
		dialect: d, plan: plan,
		ids: make(map[string]int, len(plan.Nodes)), ports: make(map[port]int, 2*len(plan.Nodes)), epochs: make(map[uint64]int, plan.Masters),
	}
	for i := range plan.Nodes {
		n := &plan.Nodes[i]
		if n.Index != i {
			return fmt.Errorf("node %d: index is %d", i, n.Index)
		}
		for _, rule := range []func(*chunkdist.Node) error{c.name, c.address, c.role, c.slots} {
			if err := rule(n); err != nil {
				return fmt.Errorf("node %d: %w", i, err)
			}
		}
	}
	if len(c.epochs) != plan.Masters {
		return fmt.Errorf("the plan has %d masters, not %d", len(c.epochs), plan.Masters)
	}
	for s, o := range c.owner {
		if o == 0 {
			return fmt.Errorf("slot %d belongs to no master", s)
		}
	}
	return nil
}

// checker remembers what the nodes so far have taken, by node index.
type checker struct {
	dialect Dialect
	plan    chunkdist.Plan
	ids     map[string]int
	ports   map[port]int
	epochs  map[uint64]int
	owner   [chunkdist.Slots]int // node index + 1
}

type port struct {
	host string
	port int
}

func (c *checker) name(n *chunkdist.Node) error {
	if !isID(n.ID) {
		return fmt.Errorf("ID %q is not 40 lowercase hexadecimal digits", n.ID)
	}
	if other, dup := c.ids[n.ID]; dup {
		return fmt.Errorf("ID %s is node %d's too", n.ID, other)
	}
	c.ids[n.ID] = n.Index
	return nil
}

func (c *checker) address(n *chunkdist.Node) error {
	if !isAddress(n.Host) {
		return fmt.Errorf("host %q is not an IP address", n.Host)
	}
	for _, p := range []int{n.Port, n.BusPort} {
		if p < 1 || p > 65535 {
			return fmt.Errorf("port %d is not in 1 … 65535", p)
		}
		if other, dup := c.ports[port{n.Host, p}]; dup {
			return fmt.Errorf("port %d of %s is taken by node %d", p, n.Host, other)
		}
		c.ports[port{n.Host, p}] = n.Index
	}
	if off := c.dialect.BusOffset(); off != 0 && n.BusPort != n.Port+off {
		return fmt.Errorf("%s has its bus port at data port + %d, not at %d for %d", c.dialect, off, n.BusPort, n.Port)
	}
	return nil
}

func (c *checker) role(n *chunkdist.Node) error {
	switch n.Role {
	case chunkdist.Master:
		if n.Master != nil {
			return fmt.Errorf("is a master of master %d", *n.Master)
		}
		if n.Epoch < 1 || n.Epoch > uint64(c.plan.Masters) {
			return fmt.Errorf("config epoch %d is not in 1 … %d", n.Epoch, c.plan.Masters)
		}
		if other, dup := c.epochs[n.Epoch]; dup {
			return fmt.Errorf("config epoch %d is node %d's too", n.Epoch, other)
		}
		c.epochs[n.Epoch] = n.Index
	case chunkdist.Replica:
		if n.Master == nil || *n.Master < 0 || *n.Master >= len(c.plan.Nodes) || c.plan.Nodes[*n.Master].Role != chunkdist.Master {
			return fmt.Errorf("is a replica without a master")
		}
		if n.Epoch != 0 || len(n.Slots) != 0 {
			return fmt.Errorf("is a replica with a config epoch or slots of its own")
		}
	default:
		return fmt.Errorf("role %q is neither master nor replica", n.Role)
	}
	return nil
}

func (c *checker) slots(n *chunkdist.Node) error {
	for _, r := range n.Slots {
		if r[0] < 0 || r[1] >= chunkdist.Slots || r[0] > r[1] {
			return fmt.Errorf("slot range %d-%d is not in 0-%d", r[0], r[1], chunkdist.Slots-1)
		}
		for s := r[0]; s <= r[1]; s++ {
			if c.owner[s] != 0 {
				return fmt.Errorf("slot %d is node %d's too", s, c.owner[s]-1)
			}
			c.owner[s] = n.Index + 1
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
