package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
)

// buryCrasher ends a job that has taken too many workers with it: its message goes to the dead
// letters, and the job is cleaned up and fails. If the clean-up takes as many workers again, it
// is left to Mesos, which removes a framework that nobody subscribes for after
// Config.CreateFailover.
func (r *run) buryCrasher(ctx context.Context) error {
	cleaning := r.rec.Cleanup || r.rec.Pending != nil
	most := r.w.cfg.MaxCrashes
	if cleaning {
		most *= 2
	}
	if r.rec.Terminal != nil || r.rec.Crashes < most {
		return nil
	}
	why := fmt.Sprintf("%d workers ended without finishing or handing back this job, the last in phase %s.", r.rec.Crashes, r.rec.Phase)
	if cleaning {
		why = fmt.Sprintf("%d workers ended without finishing or handing back this job, the last while they cleaned up after it.", r.rec.Crashes)
		if r.rec.Framework != "" {
			if err := r.leaveToMesos(ctx, r.rec.Crashes == most); err != nil {
				return err
			}
			why += fmt.Sprintf(" Mesos removes the framework %s by itself, %v after its last scheduler.", r.rec.Framework, r.w.cfg.CreateFailover)
		}
	}
	if _, err := r.w.deadLetter(ctx, r.d, contracts.ReasonInternal, why); err != nil {
		return err
	}
	outcome := &contracts.Outcome{Type: contracts.EventFailed, Reason: contracts.ReasonInternal, Message: why}
	if !cleaning {
		return r.abandon(ctx, outcome, nil)
	}
	return r.save(ctx, func(rec *contracts.JobRecord) error {
		rec.Pending = outcome
		jobs.Cleaned(rec, r.elapsed())
		return nil
	})
}

// leaveToMesos makes sure that Mesos removes the framework soon: a former owner may have raised
// its failover timeout to years. first says that nobody has tried yet: if this kills a worker as
// well, the next one does without.
func (r *run) leaveToMesos(ctx context.Context, first bool) error {
	if r.rec.Phase != contracts.PhaseVerifying || !first {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	session, err := r.subscribe(ctx, true) // says the short timeout
	if errors.Is(err, mesos.ErrFrameworkRemoved) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("worker: shorten the failover timeout of framework %s: %w", r.rec.Framework, err)
	}
	session.Close()
	return nil
}
