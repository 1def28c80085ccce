package mesos

import (
	"context"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Found says what became of a plan that another worker may have launched.
type Found int

const (
	// FoundAll: every task is known, alive or ended. Go on with the Deployment.
	FoundAll Found = iota
	// FoundNone: no task is there. The plan can be launched with this Deployment, from new
	// offers, or given up.
	FoundNone
	// FoundSome: tasks are missing; they count as failed. Tear down.
	FoundSome
)

func (f Found) String() string {
	switch f {
	case FoundAll:
		return "all tasks are known"
	case FoundNone:
		return "no task is known"
	default:
		return "some tasks are missing"
	}
}

// Resume takes a Session's events over for a plan of which is not known whether it was
// launched: it reconciles until the master has said of every task what became of it. After a
// restart of the master that can take until the agents are back; ctx bounds it, and on an error
// there is no Deployment.
func Resume(ctx context.Context, s *Session, plan chunkdist.Plan, o DeploymentOptions) (*Deployment, Found, error) {
	d := newDeployment(s, plan, o, true)
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		var found Found
		var done bool
		if err := d.command(ctx, func() { found, done = d.judge() }); err != nil {
			d.Close()
			return nil, 0, fmt.Errorf("mesos: resume: %w", err)
		}
		if done {
			return d, found, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			p := d.Progress()
			d.Close()
			return nil, 0, fmt.Errorf("mesos: resume: %d of %d tasks are accounted for: %w", p.Launched, p.Total, context.Cause(ctx))
		case <-d.ctx.Done():
			d.Close()
			return nil, 0, fmt.Errorf("mesos: resume: %w", context.Cause(d.ctx))
		}
	}
}

// judge ends the resuming once every task has an answer.
func (d *Deployment) judge() (_ Found, done bool) {
	known, absent, done := d.nodes.found()
	if !done {
		return 0, false
	}
	d.resuming = false
	d.reconcile.at = time.Time{}
	switch {
	case absent == 0:
		return FoundAll, true
	case known == 0:
		d.nodes.forget()
		return FoundNone, true
	default:
		d.nodes.failAbsent()
		d.publish()
		return FoundSome, true
	}
}
