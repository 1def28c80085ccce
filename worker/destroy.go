package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/nats-io/nats.go/jetstream"
)

// destroyCluster ends a cluster: its framework is torn down, its nodes are gone, its name is
// free. A cluster that is not there is destroyed already.
func (r *run) destroyCluster(ctx context.Context) error {
	c, rev, err := r.s.cluster(ctx, r.rec.Cluster)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		message := "There is no cluster of this name."
		if r.rec.Phase == contracts.PhaseDestroying {
			message = "" // a former owner of this job removed it
		}
		return r.destroyed(ctx, message)
	}
	if err != nil {
		return err
	}
	maker, its, err := r.w.maker(ctx, c)
	switch {
	case err != nil:
		return err
	case askedAfter(its, r.rec):
		return r.destroyed(ctx, fmt.Sprintf("The cluster that has the name now was asked for after this request, by job %s.", c.Job))
	case maker == making:
		return r.cancelCreate(ctx, c)
	}
	// A former owner that wakes up here must not touch what has come since.
	if err := r.guard(ctx); err != nil {
		return err
	}
	if maker == gone {
		if err := r.s.removeCluster(ctx, c.Cluster, rev); err != nil {
			return err
		}
		return r.destroyed(ctx, fmt.Sprintf("The job %s had reserved the name and is no more.", c.Job))
	}
	r.d.create = c.Request // its role is the framework's
	c.State = contracts.ClusterDestroying
	if err := r.s.putCluster(ctx, c, rev); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Destroying)
	message := fmt.Sprintf("Tearing down framework %s.", c.Framework)
	if err := r.emitIn(ctx, contracts.PhaseDestroying, contracts.EventProgress, contracts.EventData{Message: message}); err != nil {
		return err
	}
	if err := r.teardown(ctx, c.Framework); err != nil {
		return err
	}
	failpoint.Hit(failpoint.TornDown)
	if c.Plan != nil {
		if err := r.awaitGone(ctx, jobs.PlanOf(*c.Plan)); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.Gone)
	// A record of another framework is another cluster's, which got the name meanwhile.
	now, rev, err := r.s.cluster(ctx, c.Cluster)
	if err == nil && now.Job == c.Job && now.Framework == c.Framework {
		err = r.s.removeCluster(ctx, c.Cluster, rev)
	}
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return err
	}
	failpoint.Hit(failpoint.Removed)
	return r.destroyed(ctx, "")
}

// askedAfter says that the job that made a cluster was asked for after the one that is to destroy it: the
// cluster that was meant has gone, by this job's hand or another's, and the next has its name. A forgotten
// job, with a zero record, was not: records live longer than requests are worked on.
func askedAfter(maker, destroyer contracts.JobRecord) bool {
	// The sequence alone would begin again with a new queue, the time alone jumps with the leader's clock.
	return maker.MsgSeq > destroyer.MsgSeq && maker.Received.After(destroyer.Received)
}

func (r *run) destroyed(ctx context.Context, message string) error {
	return r.finish(ctx, contracts.EventDestroyed, contracts.EventData{Message: message})
}

// cancelCreate asks the job that is creating the cluster to stop; when it has, there is
// nothing left to destroy.
func (r *run) cancelCreate(ctx context.Context, c contracts.ClusterRecord) error {
	if err := r.s.requestCancel(ctx, contracts.CancelRequest{ID: r.job, Job: c.Job}); err != nil {
		return err
	}
	return &notNow{delay: pause(r.rec.Waits, 250*time.Millisecond, 2*time.Second), failure: &jobs.Failure{
		Reason: contracts.ReasonDeadlineExceeded, Final: true,
		Message: fmt.Sprintf("The job %s, which was creating the cluster, had not stopped when the deadline was over.", c.Job),
	}}
}

// settle is how long a cluster that lives may differ from its plan for a moment: a node that was
// busy, a replica that syncs, a failover whose epochs are still being told.
const settle = 15 * time.Second

// verifyCluster verifies a cluster that is there against its recorded plan.
func (r *run) verifyCluster(ctx context.Context) error {
	c, _, err := r.s.cluster(ctx, r.rec.Cluster)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return &jobs.Failure{Reason: contracts.ReasonInvalidRequest, Final: true,
			Message: fmt.Sprintf("There is no cluster named %q.", r.rec.Cluster), Details: &contracts.Details{Field: "cluster"}}
	}
	if err != nil {
		return err
	}
	if c.State != contracts.ClusterVerified || c.Plan == nil {
		return &jobs.Failure{Reason: contracts.ReasonInvalidRequest, Final: true,
			Message: fmt.Sprintf("The cluster %q is in state %s; it can be verified once it has been created.", c.Cluster, c.State)}
	}
	plan := jobs.PlanOf(*c.Plan)
	bar := r.bar(ctx, contracts.PhaseVerifying, "verified")
	if err := bar.enter(len(plan.Nodes)); err != nil {
		return err
	}
	// A cluster that has lived may have failed over and back: its epochs are above the planned ones.
	v, err := r.verifier(plan, c.Request.Redis, verifier.Options{Repair: r.d.verify.Repair, AgedEpochs: true})
	if err != nil {
		return err
	}
	defer v.Close()
	defer r.patient()()
	var report contracts.Report
	if r.d.verify.Repair {
		report, err = v.Verify(ctx, bar.report)
	} else {
		report, err = v.Confirm(ctx, settle, bar.report)
	}
	if context.Cause(ctx) != nil && !errors.Is(context.Cause(ctx), errDeadline) {
		return context.Cause(ctx)
	}
	if err != nil || !report.OK {
		return notAsPlanned(contracts.ReasonVerificationFailed, report, err)
	}
	wire := jobs.WirePlan(plan)
	return r.finish(ctx, contracts.EventVerified, contracts.EventData{Plan: &wire, Report: &report})
}
