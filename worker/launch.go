package worker

import (
	"context"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// executorGrace is how long an executor has to end its servers before its agent kills it.
const executorGrace = 5 * time.Second

// deployment is a mesos.Deployment whose progress can be waited for.
type deployment struct {
	*mesos.Deployment
	plan    chunkdist.Plan
	changed chan struct{} // holds a value when there is news
}

func newDeployment(plan chunkdist.Plan, follow func(mesos.DeploymentOptions) *mesos.Deployment) *deployment {
	d := &deployment{plan: plan, changed: make(chan struct{}, 1)}
	d.Deployment = follow(mesos.DeploymentOptions{OnProgress: func(mesos.Progress) {
		select {
		case d.changed <- struct{}{}:
		default: // there is news already
		}
	}})
	return d
}

// settle waits, for a bounded time, until every node is bound or has failed, and the tasks have been
// quiet for a moment: what makes one node fail often makes others fail with it, and the next attempt
// should know of all of them. Executors that start cold answer seconds apart.
func (d *deployment) settle(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	for {
		select {
		case <-d.changed:
		case <-time.After(150 * time.Millisecond):
			if p := d.Progress(); p.Bound+p.Failed == p.Total {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// launch accepts the offers that the plan uses and gives back the rest. From here on tasks may
// be running.
func (r *run) launch(ctx context.Context, session *mesos.Session, plan chunkdist.Plan, offers *offerSet) (*deployment, error) {
	launches, rest, err := r.order(plan).Launches(offers.list)
	if err != nil {
		return nil, err
	}
	d := newDeployment(plan, func(o mesos.DeploymentOptions) *mesos.Deployment { return mesos.Follow(session, plan, o) })
	if err := d.Launch(ctx, launches, rest); err != nil {
		d.Close()
		return nil, err
	}
	failpoint.Hit(failpoint.Launched)
	r.w.metrics.offers.WithLabelValues(offerAccepted, "planned").Add(float64(len(offers.list) - len(rest)))
	r.w.metrics.offers.WithLabelValues(offerDeclined, "surplus").Add(float64(len(rest)))
	return d, nil
}

// order is the plan as Mesos is asked to launch it.
func (r *run) order(plan chunkdist.Plan) mesos.Order {
	req := r.d.create
	return mesos.Order{
		Framework: r.rec.Framework, Role: req.Placement.Role,
		Bundle: bundle.Bundle{
			Plan: plan, Job: r.job, Attempt: r.rec.Attempt,
			Flavor: req.Redis.Flavor, Version: req.Redis.Version, Persistence: req.Redis.Persistence, Config: req.Redis.Config,
			MemoryMB: req.Node.MemoryMB,
		},
		Node:     chunkdist.Resources{CPUs: req.Node.CPUs, MemoryMB: float64(req.Node.MemoryMB)},
		Overhead: chunkdist.Resources{CPUs: r.w.cfg.ExecutorCPUs, MemoryMB: float64(r.w.cfg.ExecutorMemMB)},
		Executor: r.w.cfg.executor(req.Redis.Image),
	}
}
