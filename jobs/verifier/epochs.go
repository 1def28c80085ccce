package verifier

import (
	"fmt"
	"sync/atomic"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// epochTable gathers, over one pass, the config epochs above the planned ones.
type epochTable struct {
	epoch []atomic.Uint64 // by node, as first seen; 0 where it is as planned
	views []atomic.Int64  // how many views have that epoch
}

func newEpochTable(nodes int) *epochTable {
	return &epochTable{epoch: make([]atomic.Uint64, nodes), views: make([]atomic.Int64, nodes)}
}

// accept takes an epoch that differs from the planned one, unless it is below. Whether all
// views have the same is judged at the end of a pass. A replica's is its master's business.
func (t *epochTable) accept(i int, n chunkdist.Node, epoch uint64) bool {
	if n.Role == chunkdist.Replica {
		return true
	}
	if epoch < n.Epoch {
		return false
	}
	if t.epoch[i].CompareAndSwap(0, epoch) || t.epoch[i].Load() == epoch {
		t.views[i].Add(1)
	}
	return true
}

// agreeOnEpochs judges the table of a whole pass: every view has a master's new epoch, and
// no two masters have the same.
func (v *Verifier) agreeOnEpochs() {
	if !v.aged {
		return
	}
	owner := make(map[uint64]int, v.plan.Masters)
	for _, i := range v.masters() {
		epoch := v.epochs.epoch[i].Load()
		if epoch == 0 {
			epoch = v.plan.Nodes[i].Epoch
		} else if views := int(v.epochs.views[i].Load()); views != len(v.plan.Nodes) {
			v.foundText(&v.results[i], i, CheckEpochs,
				fmt.Sprintf("all %d nodes know config epoch %d", len(v.plan.Nodes), epoch), fmt.Sprintf("%d do", views))
		}
		if other, dup := owner[epoch]; dup {
			v.foundText(&v.results[i], i, CheckEpochs, "a config epoch of its own", fmt.Sprintf("%d, as node %d", epoch, other))
		}
		owner[epoch] = i
	}
}
