package nodesconf_test

import (
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// TestBadPlans breaks a good plan in one way at a time: none of them is rendered.
func TestBadPlans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want  string
		spoil func(p *chunkdist.Plan)
	}{
		{"no nodes", func(p *chunkdist.Plan) { p.Nodes = nil }},
		{"index is", func(p *chunkdist.Plan) { p.Nodes[1].Index = 0 }},
		{"40 lowercase", func(p *chunkdist.Plan) { p.Nodes[1].ID = strings.ToUpper(p.Nodes[1].ID) }},
		{"40 lowercase", func(p *chunkdist.Plan) { p.Nodes[1].ID = p.Nodes[1].ID[:39] }},
		{"is node 0's too", func(p *chunkdist.Plan) { p.Nodes[1].ID = p.Nodes[0].ID }},
		{"not an IP address", func(p *chunkdist.Plan) { p.Nodes[1].Host = "10.0.0.1 evil" }},
		{"not an IP address", func(p *chunkdist.Plan) { p.Nodes[1].Host = "" }},
		{"not an IP address", func(p *chunkdist.Plan) { p.Nodes[1].Host = "agent" }},
		{"not in 1 … 65535", func(p *chunkdist.Plan) { p.Nodes[1].Port = 0 }},
		{"not in 1 … 65535", func(p *chunkdist.Plan) { p.Nodes[1].BusPort = 65536 }},
		{"is taken by node", func(p *chunkdist.Plan) { p.Nodes[5].Port = p.Nodes[0].BusPort; p.Nodes[5].Host = p.Nodes[0].Host }},
		{"data port + 10000", func(p *chunkdist.Plan) { p.Nodes[1].BusPort++ }},
		{"is a master of master", func(p *chunkdist.Plan) { zero := 0; p.Nodes[1].Master = &zero }},
		{"config epoch 0", func(p *chunkdist.Plan) { p.Nodes[1].Epoch = 0 }},
		{"config epoch 4", func(p *chunkdist.Plan) { p.Nodes[1].Epoch = 4 }},
		{"config epoch 1 is node 0's too", func(p *chunkdist.Plan) { p.Nodes[1].Epoch = 1 }},
		{"without a master", func(p *chunkdist.Plan) { p.Nodes[4].Master = nil }},
		{"without a master", func(p *chunkdist.Plan) { five := 5; p.Nodes[4].Master = &five }},
		{"epoch or slots of its own", func(p *chunkdist.Plan) { p.Nodes[4].Epoch = 1 }},
		{"neither master nor replica", func(p *chunkdist.Plan) { p.Nodes[4].Role = "slave" }},
		{"not in 0-16383", func(p *chunkdist.Plan) { p.Nodes[2].Slots = [][2]int{{10922, 16384}} }},
		{"not in 0-16383", func(p *chunkdist.Plan) { p.Nodes[2].Slots = [][2]int{{16383, 10922}} }},
		{"slot 5460 is node 0's too", func(p *chunkdist.Plan) { p.Nodes[1].Slots = [][2]int{{5460, 10921}} }},
		{"slot 16383 belongs to no master", func(p *chunkdist.Plan) { p.Nodes[2].Slots = [][2]int{{10922, 16382}} }},
		{"3 masters, not 4", func(p *chunkdist.Plan) { p.Masters = 4 }},
	} {
		p := ring(3, 1, 3)
		c.spoil(&p)
		if _, err := lookup(t, "redis 6.2").NodesConf(p, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("expected an error with %q, got %v", c.want, err)
		}
	}
	if _, err := (nodesconf.Dialect{}).NodesConf(ring(3, 1, 3), 0); err == nil {
		t.Error("the zero dialect renders")
	}
	for _, self := range []int{-1, 6} {
		if _, err := lookup(t, "redis 7.0").NodesConf(ring(3, 1, 3), self); err == nil {
			t.Errorf("node %d is rendered", self)
		}
	}
}
