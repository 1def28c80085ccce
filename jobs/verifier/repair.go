package verifier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// A manual failover that has not come about after 5 s is given up by the server itself. It does not
// ask for votes again before 4 times cluster-node-timeout have passed since it did so in vain (60 s
// by default), and each FAILOVER halts the writes of its shard: so tries are ever further apart.
const (
	repairPause = 6 * time.Second
	repairTries = 5 // at 0, 6, 18, 42, 90 s
)

// drift is what a planned master says of its own shard after a failover.
type drift struct {
	// promoted: one of its planned replicas is master now, with exactly its slots.
	promoted bool
	// replica: the planned master is that one's replica, with the link up.
	replica bool
}

// repairable reports whether the planned master can take over again.
func (f *drift) repairable() bool { return f.promoted && f.replica }

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
		any = any || r.drift.repairable()
	}
	return any
}

// repairs are the failovers of one Verify: one at a time, because masters vote once in an
// epoch, so two that are asked for together hinder each other.
type repairs struct {
	v       *Verifier
	asked   map[int]*repair
	pending int // the node that was asked last; -1 is none
	since   time.Time
}

// repair is what was asked of one planned master.
type repair struct {
	tries int
	next  time.Time
	told  string
}

func newRepairs(v *Verifier) *repairs {
	return &repairs{v: v, asked: make(map[int]*repair), pending: -1}
}

// try asks a planned master that has been failed over to take over again, if the options allow
// it, that kind of drift is all that is wrong, and the one asked before is done or has had its time.
func (p *repairs) try(ctx context.Context) {
	v := p.v
	if !v.opts.Repair || ctx.Err() != nil || !v.drifted() {
		return
	}
	if p.pending >= 0 && v.results[p.pending].drift.repairable() && time.Since(p.since) < repairPause {
		return
	}
	i := p.due()
	if i < 0 {
		return
	}
	r := p.asked[i]
	p.pending, p.since = i, time.Now()
	r.next = p.since.Add(repairPause << r.tries)
	r.tries++
	r.told = fmt.Sprintf("node %d %s: had been failed over, is master again", i, v.address(i))
	v.aged = true // a failover takes a new epoch, also one whose reply is lost
	replies, err := v.exchange(ctx, i, command{"CLUSTER", "FAILOVER"})
	if err == nil {
		err = replies[0].err
	}
	if err != nil {
		v.foundText(&v.results[i], i, CheckRoles, "CLUSTER FAILOVER is taken", err.Error())
	}
}

// due is the planned master that is to be asked now, of several the one asked least; -1 is none.
func (p *repairs) due() int {
	best := -1
	for i := range p.v.results {
		if !p.v.results[i].drift.repairable() {
			continue
		}
		r := p.asked[i]
		if r == nil {
			r = new(repair)
			p.asked[i] = r
		}
		if r.tries < repairTries && !time.Now().Before(r.next) && (best < 0 || r.tries < p.asked[best].tries) {
			best = i
		}
	}
	return best
}

// done lists what was repaired, if the cluster is as planned now.
func (p *repairs) done(ok bool) []string {
	if !ok {
		return nil
	}
	var nodes []int
	for i, r := range p.asked {
		if r.tries > 0 {
			nodes = append(nodes, i)
		}
	}
	slices.Sort(nodes)
	var list []string
	for _, i := range nodes {
		list = append(list, p.asked[i].told)
	}
	return list
}
