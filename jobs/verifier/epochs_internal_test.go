package verifier

import (
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// TestAgreeOnEpochs judges epochs above the planned ones after a pass over three masters.
func TestAgreeOnEpochs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// views are the epochs that each node knows the masters with.
		views [3][3]uint64
		bad   bool
	}{
		{"as planned", [3][3]uint64{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}}, false},
		{"one is later", [3][3]uint64{{1, 9, 3}, {1, 9, 3}, {1, 9, 3}}, false},
		{"two are later", [3][3]uint64{{8, 9, 3}, {8, 9, 3}, {8, 9, 3}}, false},
		{"one view is behind", [3][3]uint64{{1, 9, 3}, {1, 2, 3}, {1, 9, 3}}, true},
		{"two views contradict", [3][3]uint64{{1, 9, 3}, {1, 8, 3}, {1, 9, 3}}, true},
		{"two masters share a later one", [3][3]uint64{{9, 9, 3}, {9, 9, 3}, {9, 9, 3}}, true},
		{"a later one is another's planned", [3][3]uint64{{3, 2, 3}, {3, 2, 3}, {3, 2, 3}}, true},
		{"one is earlier", [3][3]uint64{{1, 2, 2}, {1, 2, 2}, {1, 2, 2}}, true},
	} {
		v := threeMasters(t)
		for i, view := range c.views {
			for j, epoch := range view {
				n := v.plan.Nodes[j]
				if epoch != n.Epoch && !v.epochs.accept(j, n, epoch) {
					v.foundText(&v.results[i], i, CheckEpochs, "", "")
				}
			}
		}
		v.agreeOnEpochs()
		bad := false
		for _, r := range v.results {
			bad = bad || r.failed == setOf(CheckEpochs)
		}
		if bad != c.bad {
			t.Errorf("%s: bad is %v", c.name, bad)
		}
	}
}

func threeMasters(t *testing.T) *Verifier {
	t.Helper()
	plan := chunkdist.Plan{Masters: 3}
	for i := range 3 {
		plan.Nodes = append(plan.Nodes, chunkdist.Node{
			Index: i, ID: chunkdist.NodeID("x", i), Role: chunkdist.Master, Epoch: uint64(i + 1), Slots: [][2]int{chunkdist.SlotRange(i, 3)},
		})
	}
	d, err := nodesconf.LookupDialect(nodesconf.Redis, "7.0")
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(plan, d, Options{AgedEpochs: true})
	if err != nil {
		t.Fatal(err)
	}
	v.begin()
	return v
}

// TestKeySlot: the checksum is the one of the Redis Cluster specification.
func TestKeySlot(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]uint16{"123456789": 0x31c3, "": 0} {
		if got := crc16(s); got != want {
			t.Errorf("crc16(%q) is %#x, not %#x", s, got, want)
		}
	}
	// CLUSTER KEYSLOT foo is 12182.
	if got := crc16("foo") % 16384; got != 12182 {
		t.Errorf("foo is in slot %d", got)
	}
}
