package nodesconf

import (
	"fmt"
	"strings"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Expected says what the plan has, in a few words.
func (d Difference) Expected() string {
	if d.Node < 0 {
		switch d.Kind {
		case Unreadable:
			return "a node's line"
		case Identity:
			return "the planned node"
		default:
			return "only planned nodes"
		}
	}
	n := &d.layout.plan.Nodes[d.Node]
	switch d.Kind {
	case Missing:
		return d.name() + " once"
	case Address:
		return d.name() + " at " + string(d.layout.addrs[d.Node])
	case Role:
		return d.name() + " " + d.role(n)
	case SlotSet:
		return d.name() + " slots " + slotText(d.layout.slots[d.Node])
	case Epoch:
		if n.Role == chunkdist.Replica {
			return fmt.Sprintf("%s config epoch 0 or %d", d.name(), d.layout.plan.Nodes[*n.Master].Epoch)
		}
		return fmt.Sprintf("%s config epoch %d", d.name(), n.Epoch)
	case Flag:
		return d.name() + " without failure flags"
	case Link:
		return d.name() + " connected and heard from"
	default: // Identity
		return "the planned node"
	}
}

// Got says what the view has instead, in a few words.
func (d Difference) Got() string {
	l := d.Line
	switch d.Kind {
	case Unreadable:
		return fmt.Sprintf("%.100q", d.raw)
	case Identity:
		if d.Node < 0 {
			return "a node that is not in the plan"
		}
		return d.name()
	case Unplanned:
		return fmt.Sprintf("%s at %s (%s)", l.ID, l.Addr, l.Flags)
	case Missing:
		if len(l.ID) == 0 {
			return "not known"
		}
		return "two lines"
	case Address:
		return string(l.Addr)
	case Role:
		return d.gotRole()
	case SlotSet:
		return slotText(l.Slots)
	case Epoch:
		return fmt.Sprint(l.Epoch)
	case Flag:
		return l.Flags.String()
	default: // Link
		if l.Connected {
			return "connected, no pong yet"
		}
		return "disconnected"
	}
}

// name calls the planned node by its index.
func (d Difference) name() string { return fmt.Sprintf("node %d", d.Node) }

func (d Difference) role(n *chunkdist.Node) string {
	if n.Role == chunkdist.Master {
		return "master"
	}
	return fmt.Sprintf("replica of node %d", *n.Master)
}

func (d Difference) gotRole() string {
	switch {
	case d.Line.Flags&FlagMaster != 0:
		return "master"
	case d.Line.Flags&FlagReplica == 0:
		return "neither master nor replica"
	}
	if m := d.layout.Find(d.Line.Master); m >= 0 {
		return fmt.Sprintf("replica of node %d", m)
	}
	return fmt.Sprintf("replica of %s", d.Line.Master)
}

// slotText shortens slots for a person.
func slotText(s []byte) string {
	const most = 100
	switch {
	case len(s) == 0:
		return "none"
	case len(s) > most:
		return string(s[:most]) + "…"
	}
	return string(s)
}

var flagWords = []struct {
	flag Flags
	word string
}{
	{FlagMyself, "myself"}, {FlagMaster, "master"}, {FlagReplica, "slave"}, {FlagPFail, "fail?"}, {FlagFail, "fail"},
	{FlagHandshake, "handshake"}, {FlagNoAddr, "noaddr"}, {FlagNoFailover, "nofailover"}, {FlagOther, "other"},
}

// String writes the flags as Redis does.
func (f Flags) String() string {
	var words []string
	for _, w := range flagWords {
		if f&w.flag != 0 {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return "noflags"
	}
	return strings.Join(words, ",")
}

var kindNames = [...]string{"unreadable", "identity", "unplanned", "missing", "address", "role", "slots", "epoch", "flag", "link"}

// String names the kind.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames[k]
}

// HasSlotsOf reports whether the node of the difference has exactly the slots that are
// planned for another one.
func (d Difference) HasSlotsOf(node int) bool {
	return sameSlots(d.Line.Slots, d.layout.plan.Nodes[node].Slots)
}
