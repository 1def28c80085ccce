package nodesconf

import (
	"bytes"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Kind says in which respect a view differs from the plan.
type Kind int

// The kinds of differences.
const (
	// Unreadable: a line that no server writes.
	Unreadable Kind = iota
	// Identity: the node that printed the view is not the planned one.
	Identity
	// Unplanned: a node that is not in the plan.
	Unplanned
	// Missing: a planned node that is not in the view, or is in it twice.
	Missing
	// Address: a planned node at another ip:port@bus.
	Address
	// Role: another role, or another master.
	Role
	// SlotSet: other slots, or slots on the move.
	SlotSet
	// Epoch: another config epoch. A replica's is 0 or its master's, depending on the server.
	Epoch
	// Flag: fail?, fail, handshake or noaddr.
	Flag
	// Link: no connection to a peer, or no pong from it yet.
	Link
)

// Difference is one deviation of a view. Its Line points into the view and into the Comparer:
// both are good only until the function that was given it returns.
type Difference struct {
	Kind Kind
	// Node is the index of the planned node that the difference is about; -1 is none.
	Node int
	// Line is the line at fault; its zero value where there is none.
	Line   *Line
	layout *Layout
	raw    []byte
}

// Comparer compares views with a layout. It keeps one bit per planned node between calls and
// is for one goroutine.
type Comparer struct {
	layout *Layout
	seen   []uint64
	line   Line
}

// Comparer returns a new one.
func (l *Layout) Comparer() *Comparer {
	return &Comparer{layout: l, seen: make([]uint64, (len(l.plan.Nodes)+63)/64)}
}

// Compare compares the answer to CLUSTER NODES (or the nodes.conf) of the planned node self
// with the plan and calls yield for each difference, until yield returns false. If the view is
// another node's, that is the only difference. Of a node whose role differs, slots and epoch
// are not compared: they follow from the role. Nothing is allocated as long as nothing differs.
func (c *Comparer) Compare(view []byte, self int, yield func(Difference) bool) {
	if other := c.layout.Find(Myself(view)); other != self {
		yield(Difference{Kind: Identity, Node: other, Line: &Line{}, layout: c.layout})
		return
	}
	clear(c.seen)
	for len(view) > 0 {
		var line []byte
		line, view = NextLine(view)
		if len(line) > 0 && !IsVars(line) && !c.compareLine(line, self, yield) {
			return
		}
	}
	for i := range c.layout.plan.Nodes {
		if !c.saw(i) && !yield(Difference{Kind: Missing, Node: i, Line: &Line{}, layout: c.layout}) {
			return
		}
	}
}

func (c *Comparer) saw(i int) bool { return c.seen[i/64]&(1<<(i%64)) != 0 }

// compareLine compares one node's line. It returns false when yield did.
func (c *Comparer) compareLine(line []byte, self int, yield func(Difference) bool) bool {
	d := Difference{Node: -1, Line: &c.line, layout: c.layout, raw: line}
	if ParseLine(line, &c.line) != nil {
		d.Kind = Unreadable
		return yield(d)
	}
	d.Node = c.layout.Find(c.line.ID)
	switch {
	case d.Node < 0:
		d.Kind = Unplanned
		return yield(d)
	case c.saw(d.Node):
		d.Kind = Missing
		return yield(d)
	}
	c.seen[d.Node/64] |= 1 << (d.Node % 64)
	return c.compareNode(d, d.Node == self, yield)
}

// compareNode compares the line of a planned node. It returns false when yield did.
func (c *Comparer) compareNode(d Difference, self bool, yield func(Difference) bool) bool {
	l, n := &c.line, &c.layout.plan.Nodes[d.Node]
	report := func(kind Kind) bool {
		d.Kind = kind
		return yield(d)
	}
	if l.Flags&FlagNoAddr == 0 && !bytes.Equal(l.Addr, c.layout.addrs[d.Node]) && !report(Address) {
		return false
	}
	if l.Flags&(FlagPFail|FlagFail|FlagHandshake|FlagNoAddr) != 0 && !report(Flag) {
		return false
	}
	if !self && (!l.Connected || l.PongReceived == 0) && !report(Link) {
		return false
	}
	if !c.sameRole(n) {
		return report(Role)
	}
	if !bytes.Equal(l.Slots, c.layout.slots[d.Node]) && !sameSlots(l.Slots, n.Slots) && !report(SlotSet) {
		return false
	}
	epoch := n.Epoch
	if n.Role == chunkdist.Replica && l.Epoch != 0 {
		epoch = c.layout.plan.Nodes[*n.Master].Epoch
	}
	return l.Epoch == epoch || report(Epoch)
}

func (c *Comparer) sameRole(n *chunkdist.Node) bool {
	l := &c.line
	if n.Role == chunkdist.Master {
		return l.Flags&FlagMaster != 0 && l.Flags&FlagReplica == 0 && l.Master == nil
	}
	return l.Flags&FlagReplica != 0 && l.Flags&FlagMaster == 0 && c.layout.Find(l.Master) == *n.Master
}

// sameSlots compares slot by slot, whatever the way in which they are written.
func sameSlots(tokens []byte, planned [][2]int) bool {
	var set [chunkdist.Slots / 64]uint64
	count := 0
	for {
		t, rest, more, err := NextSlots(tokens)
		if err != nil || more && t.Kind != SlotsOwned {
			return false
		}
		if !more {
			break
		}
		for s := t.First; s <= t.Last; s++ {
			if set[s/64]&(1<<(s%64)) == 0 {
				set[s/64] |= 1 << (s % 64)
				count++
			}
		}
		tokens = rest
	}
	for _, r := range planned {
		for s := r[0]; s <= r[1]; s++ {
			if set[s/64]&(1<<(s%64)) == 0 {
				return false
			}
			count--
		}
	}
	return count == 0
}
