package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
)

// adopt goes on with an attempt that a former owner may have launched: it subscribes with the
// framework's ID, without asking for offers, reconciles, and compares with the recorded plan.
func (r *run) adopt(ctx context.Context) error {
	plan, err := r.s.plan(ctx, r.rec.PlanKey)
	if err != nil {
		return err
	}
	if err := plan.Validate(); err != nil {
		return fmt.Errorf("worker: the recorded plan: %w", err)
	}
	session, err := r.subscribe(ctx, true)
	if errors.Is(err, mesos.ErrFrameworkRemoved) {
		return &jobs.Failure{
			Reason: contracts.ReasonLaunchFailed, Err: err,
			Message: "Mesos had removed the framework by the time another worker took the job over.",
		}
	}
	if err != nil {
		return err
	}
	defer session.Close()
	r.dropLease(ctx)
	limited, stop := context.WithTimeoutCause(ctx, r.w.cfg.LaunchTimeout, errSlow)
	defer stop()
	var found mesos.Found
	d := newDeployment(plan, func(o mesos.DeploymentOptions) *mesos.Deployment {
		var resumed *mesos.Deployment
		resumed, found, err = mesos.Resume(limited, session, plan, o)
		return resumed
	})
	switch {
	case ctx.Err() != nil && err != nil:
		return errors.Join(context.Cause(ctx), err)
	case err != nil && errors.Is(context.Cause(limited), errSlow):
		return &jobs.Failure{Reason: contracts.ReasonLaunchFailed, Message: jobs.Sentence(err), Err: err}
	case err != nil:
		return err
	}
	defer d.Close()
	r.log.Info("job taken over", "phase", r.rec.Phase, "found", found)
	if found != mesos.FoundAll {
		return &jobs.Failure{
			Reason: contracts.ReasonLaunchFailed, Details: &contracts.Details{Tasks: d.Failures()},
			Message: fmt.Sprintf("The worker that launched the cluster died, and %s.", found),
		}
	}
	r.touch()
	return r.form(ctx, session, d, plan)
}
