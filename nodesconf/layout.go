package nodesconf

import (
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Layout is a plan, prepared for comparing views with it. It may be used by several
// goroutines.
type Layout struct {
	plan  chunkdist.Plan
	index map[[40]byte]int32
	addrs [][]byte
	slots [][]byte
}

// NewLayout prepares a plan. The plan must not change afterwards.
func NewLayout(plan chunkdist.Plan) (*Layout, error) {
	l := &Layout{
		plan:  plan,
		index: make(map[[40]byte]int32, len(plan.Nodes)),
		addrs: make([][]byte, len(plan.Nodes)),
		slots: make([][]byte, len(plan.Nodes)),
	}
	for i, n := range plan.Nodes {
		if n.Index != i || !isID(n.ID) {
			return nil, fmt.Errorf("plan of %s: node %d has index %d and ID %q", plan.Cluster, i, n.Index, n.ID)
		}
		if n.Role == chunkdist.Replica && (n.Master == nil || *n.Master < 0 || *n.Master >= len(plan.Nodes)) {
			return nil, fmt.Errorf("plan of %s: node %d is a replica without a master", plan.Cluster, i)
		}
		id := [40]byte([]byte(n.ID))
		if _, dup := l.index[id]; dup {
			return nil, fmt.Errorf("plan of %s: two nodes have the ID %s", plan.Cluster, n.ID)
		}
		l.index[id] = int32(i)
		l.addrs[i] = fmt.Appendf(nil, "%s:%d@%d", n.Host, n.Port, n.BusPort)
		l.slots[i] = canonicalRanges(n.Slots)
	}
	return l, nil
}

// Plan is the plan that the layout was made from.
func (l *Layout) Plan() chunkdist.Plan { return l.plan }

// Find returns the index of the planned node with an ID, or -1.
func (l *Layout) Find(id []byte) int {
	if len(id) != 40 {
		return -1
	}
	if i, ok := l.index[[40]byte(id)]; ok {
		return int(i)
	}
	return -1
}

// canonicalRanges writes ranges as a server prints them: ascending, neighbours joined.
func canonicalRanges(ranges [][2]int) []byte {
	var out []byte
	for i := 0; i < len(ranges); i++ {
		first, last := ranges[i][0], ranges[i][1]
		for i+1 < len(ranges) && ranges[i+1][0] == last+1 {
			i++
			last = ranges[i][1]
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = appendRange(out, first, last)
	}
	return out
}
