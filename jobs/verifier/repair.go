package verifier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// A manual failover that has not come about after 5 s is given up by the server itself.
const (
	repairPause = 6 * time.Second
	repairTries = 3
)

// drift is what a planned master says of its own shard after a failover.
type drift struct {
	// promoted: one of its planned replicas is master now, with exactly its slots.
	promoted bool
	// replica: the planned master is that one's replica, with the link up.
	replica bool
}

// note takes a role difference within the shard of node i, in i's own view.
func (f *drift) note(v *Verifier, i int, d nodesconf.Difference, replication []byte) {
	if v.plan.Nodes[i].Role != chunkdist.Master {
		return
	}
	if d.Node == i {
		m := v.layout.Find(d.Line.Master)
		f.replica = m >= 0 && v.shard(m) == i && m != i && string(field(replication, "master_link_status")) == "up"
		return
	}
	if d.Line.Flags&nodesconf.FlagMaster != 0 {
		f.promoted = d.HasSlotsOf(i)
	}
}

// drifted reports whether every node answers, roles are all that differs anywhere, and some
// planned master could take over again.
func (v *Verifier) drifted() bool {
	var any bool
	for i := range v.results {
		r := &v.results[i]
		if !r.asked || r.failed&^setOf(CheckRoles) != 0 {
			return false
		}
		any = any || r.drift.promoted && r.drift.replica
	}
	return any
}

// repairs are the failovers of one Verify.
type repairs struct {
	v     *Verifier
	tries map[int]int
	last  time.Time
	told  map[int]string
}

func newRepairs(v *Verifier) *repairs {
	return &repairs{v: v, tries: make(map[int]int), told: make(map[int]string)}
}

// try asks every planned master that has been failed over to take over again, if the options
// allow it and that is all that is wrong.
func (p *repairs) try(ctx context.Context) {
	v := p.v
	if !v.opts.Repair || ctx.Err() != nil || !v.drifted() || time.Since(p.last) < repairPause {
		return
	}
	for i := range v.results {
		d := v.results[i].drift
		if !d.promoted || !d.replica || p.tries[i] >= repairTries {
			continue
		}
		p.tries[i]++
		p.last = time.Now()
		replies, err := v.exchange(ctx, i, command{"CLUSTER", "FAILOVER"})
		if err == nil {
			err = replies[0].err
		}
		if err != nil {
			v.foundText(&v.results[i], i, CheckRoles, "CLUSTER FAILOVER is taken", err.Error())
			continue
		}
		v.aged = true // a failover always takes a new epoch
		p.told[i] = fmt.Sprintf("node %d %s: had been failed over, is master again", i, v.address(i))
	}
}

// done lists what was repaired, if the cluster is as planned now.
func (p *repairs) done(ok bool) []string {
	if !ok {
		return nil
	}
	var nodes []int
	for i := range p.told {
		nodes = append(nodes, i)
	}
	slices.Sort(nodes)
	var list []string
	for _, i := range nodes {
		list = append(list, p.told[i])
	}
	return list
}
