package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
)

const (
	// teardownTimeout bounds reaching Mesos for a TEARDOWN; the job is then handed back and
	// tried again.
	teardownTimeout = 30 * time.Second
	// goneTimeout bounds the wait for processes after a TEARDOWN: executors get 5 s by default
	// before they are killed.
	goneTimeout = 20 * time.Second
	// maxCleanups is how often a clean-up waits that long. A node that still answers then is on
	// an agent that is cut off from its master; Mesos ends it when the agent is back.
	maxCleanups = 3
)

// cleanUp tears the attempt's framework down and waits until none of its nodes is left.
func (r *run) cleanUp(ctx context.Context) error {
	if r.rec.Framework != "" {
		err := r.teardown(ctx, r.rec.Framework)
		if err != nil && r.rec.PlanKey == "" && (errors.Is(err, mesos.ErrInvalidFramework) || errors.Is(err, mesos.ErrUnauthorized)) {
			r.log.Warn("Mesos lets nobody tear the framework down; it has no task, so Mesos removes it by itself, if it has it at all", "error", err)
			err = nil
		}
		if err != nil {
			return err
		}
		r.dropLease(ctx)
		failpoint.Hit(failpoint.TornDown)
	}
	if r.rec.PlanKey != "" {
		plan, err := r.s.plan(ctx, r.rec.PlanKey)
		if err != nil {
			return err
		}
		err = r.awaitGone(ctx, r.unreported(plan))
		if err != nil && (ctx.Err() != nil || r.rec.CleanupTries < maxCleanups) {
			return err
		}
		if err != nil {
			r.log.Warn("nodes of the torn-down cluster still answer; Mesos ends them when their agent is back", "error", err)
		}
	}
	failpoint.Hit(failpoint.Gone)
	err := r.save(ctx, func(rec *contracts.JobRecord) error {
		jobs.Cleaned(rec, r.elapsed())
		return nil
	})
	if err == nil {
		failpoint.Hit(failpoint.Cleaned)
	}
	return err
}

// unreported is the plan without the nodes whose end their executor has reported.
func (r *run) unreported(plan chunkdist.Plan) chunkdist.Plan {
	plan.Nodes = slices.DeleteFunc(slices.Clone(plan.Nodes), func(n chunkdist.Node) bool {
		return slices.Contains(r.rec.AvoidPorts, hostPort(n.Host, n.Port))
	})
	return plan
}

// teardown ends a framework and every task of it. One that Mesos has removed already is fine.
func (r *run) teardown(ctx context.Context, framework string) error {
	ctx, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	if err := r.w.mesos.Teardown(ctx, r.framework(framework, time.Minute, true)); err != nil {
		return fmt.Errorf("worker: tear down framework %s: %w", framework, err)
	}
	return nil
}

// awaitGone waits until no node of a torn-down plan is left. A host that does not answer at all
// keeps nobody waiting beyond the timeout: Mesos ends the tasks when it comes back.
func (r *run) awaitGone(ctx context.Context, plan chunkdist.Plan) error {
	ctx, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	err := awaitGone(ctx, plan, r.touch)
	var l left
	if errors.As(err, &l) && len(l.ours)+len(l.silent) == 0 {
		r.log.Warn("hosts of the torn-down cluster do not answer; Mesos ends their tasks when they come back", "error", err)
		return nil
	}
	return err
}
