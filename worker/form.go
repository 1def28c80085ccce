package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// form takes a launched cluster to its verification: all nodes bound, the barrier released, all
// running, formed, verified, kept.
func (r *run) form(ctx context.Context, session *mesos.Session, d *deployment, plan chunkdist.Plan) error {
	err := r.awaitTasks(ctx, d, contracts.PhaseLaunching, "bound to their ports",
		func(p mesos.Progress) int { return p.Bound }, d.WaitBound)
	if err != nil {
		return err
	}
	if err := d.Go(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.GoSent)
	err = r.awaitTasks(ctx, d, contracts.PhaseStarting, "answering",
		func(p mesos.Progress) int { return p.Running }, d.WaitRunning)
	if err != nil {
		return err
	}
	report, err := r.verify(ctx, d, plan)
	if err != nil {
		return err
	}
	return r.keep(ctx, session, plan, report)
}

// awaitTasks enters a phase in which tasks make progress, and waits for its end within the
// launch timeout.
func (r *run) awaitTasks(ctx context.Context, d *deployment, phase contracts.Phase, what string,
	count func(mesos.Progress) int, wait func(context.Context) error) error {
	bar := r.bar(ctx, phase, what)
	if err := bar.enter(d.Progress().Total); err != nil {
		return err
	}
	limited, stop := context.WithTimeoutCause(ctx, r.w.cfg.LaunchTimeout, errSlow)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- wait(limited) }()
	for {
		select {
		case <-d.changed:
			p := d.Progress()
			if bar.report(count(p), p.Total); bar.failed() != nil {
				stop()
				return errors.Join(bar.failed(), <-done)
			}
		case err := <-done:
			return r.tasksDone(ctx, limited, d, phase, what, count(d.Progress()), err)
		}
	}
}

var errSlow = errors.New("worker: the nodes took longer than the launch timeout")

// tasksDone says what the end of a wait for tasks means.
func (r *run) tasksDone(ctx, limited context.Context, d *deployment, phase contracts.Phase, what string, done int, err error) error {
	var task *mesos.TaskError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &task):
		d.settle(ctx)
		return r.taskFailure(phase, task, d)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case !errors.Is(context.Cause(limited), errSlow):
		return err
	}
	f := &jobs.Failure{
		Reason:  contracts.ReasonLaunchFailed,
		Message: fmt.Sprintf("Only %d of %d nodes were %s after %v.", done, d.Progress().Total, what, r.w.cfg.LaunchTimeout),
		Err:     err,
	}
	if phase == contracts.PhaseStarting {
		f.Reason = contracts.ReasonStartFailed
	}
	return f
}

// maxTasks bounds the failed tasks that an event lists.
const maxTasks = 20

// taskFailure is what failed tasks say about the attempt: Mesos could not launch them, or, where
// the executor itself says so, or later, the server could not start.
func (r *run) taskFailure(phase contracts.Phase, task *mesos.TaskError, d *deployment) *jobs.Failure {
	all := d.Failures()
	f := &jobs.Failure{Reason: contracts.ReasonLaunchFailed, Message: jobs.Sentence(task), Err: task}
	if phase != contracts.PhaseLaunching || endedByExecutor(task.TaskFailure) {
		f.Reason = contracts.ReasonStartFailed
	}
	for _, t := range all {
		f.Hosts = append(f.Hosts, t.Host)
		if n := t.Node; endedByExecutor(t) && n >= 0 && n < len(d.plan.Nodes) {
			f.Ports = append(f.Ports, hostPort(t.Host, d.plan.Nodes[n].Port), hostPort(t.Host, d.plan.Nodes[n].BusPort))
		}
	}
	f.Details = &contracts.Details{Tasks: all[:min(len(all), maxTasks)]}
	return f
}

// endedByExecutor says that the executor itself reported the end of a task, which it does only
// when the server's process is gone. Whatever listens on its ports is a stranger.
func endedByExecutor(t contracts.TaskFailure) bool { return t.State == "TASK_FAILED" && t.Reason == "" }

// verify waits until the nodes agree with the plan: first that they have formed a cluster, a
// cheap question, then everything.
func (r *run) verify(ctx context.Context, d *deployment, plan chunkdist.Plan) (_ contracts.Report, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() { // a dead node, or a framework that is another's now, does not verify: say so at once
		defer close(watched)
		stop(d.WaitFailed(ctx))
	}()
	defer func() { stop(nil); <-watched }()

	// A former owner that was verifying may have repaired the cluster, which raises epochs.
	again := r.rec.Phase == contracts.PhaseVerifying
	v, err := r.verifier(plan, r.d.create.Redis, verifier.Options{Repair: true, AgedEpochs: again})
	if err != nil {
		return contracts.Report{}, err
	}
	defer v.Close()
	defer r.patient()()
	forming := r.bar(ctx, contracts.PhaseForming, "in a formed cluster")
	if err := forming.enter(len(plan.Nodes)); err != nil {
		return contracts.Report{}, err
	}
	report, err := v.Form(ctx, forming.report)
	if err != nil || !report.OK {
		return report, r.unverified(ctx, d, contracts.ReasonFormingFailed, report, err)
	}
	verifying := r.bar(ctx, contracts.PhaseVerifying, "as planned")
	if err := verifying.enter(len(plan.Nodes)); err != nil {
		return contracts.Report{}, err
	}
	report, err = v.Verify(ctx, verifying.report)
	if err != nil || !report.OK {
		return report, r.unverified(ctx, d, contracts.ReasonVerificationFailed, report, err)
	}
	return report, errors.Join(forming.failed(), verifying.failed())
}

// unverified is why a cluster did not become what was planned.
func (r *run) unverified(ctx context.Context, d *deployment, reason contracts.Reason, report contracts.Report, err error) error {
	cause := context.Cause(ctx)
	var task *mesos.TaskError
	switch {
	case errors.As(cause, &task):
		return r.taskFailure(contracts.PhaseForming, task, d)
	case cause != nil && !errors.Is(cause, errDeadline):
		return errors.Join(cause, err)
	}
	return notAsPlanned(reason, report, err)
}

// notAsPlanned is the failure that a report tells of.
func notAsPlanned(reason contracts.Reason, report contracts.Report, err error) *jobs.Failure {
	f := &jobs.Failure{
		Reason: reason, Err: err, Final: true, Message: "The cluster does not agree with the plan.",
		Details: &contracts.Details{Differences: report.Differences, Report: &report},
	}
	switch {
	case len(report.Differences) > 0:
		first := report.Differences[0]
		f.Message = fmt.Sprintf("The cluster differs from the plan in %d places; the first: node %s, %s: expected %s, got %s.",
			len(report.Differences)+report.Omitted, first.Address, first.Check, first.Expected, first.Got)
	case err != nil:
		f.Message = jobs.Sentence(err)
	}
	return f
}

// keep makes the verified cluster outlive its job: Mesos keeps its framework for years, its
// record says that it is there; then the job ends.
func (r *run) keep(ctx context.Context, session *mesos.Session, plan chunkdist.Plan, report contracts.Report) error {
	failpoint.Hit(failpoint.Verified)
	if err := session.SetFailoverTimeout(ctx, r.w.cfg.ClusterFailover); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Raised)
	wire := jobs.WirePlan(plan)
	if err := r.keepCluster(ctx, wire, report); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Kept)
	return r.finish(ctx, contracts.EventVerified, contracts.EventData{Plan: &wire, Report: &report})
}

// verifier is one for the servers that the request asked for.
func (r *run) verifier(plan chunkdist.Plan, server contracts.RedisOptions, o verifier.Options) (*verifier.Verifier, error) {
	dialect, err := nodesconf.LookupDialect(server.Flavor, server.Version)
	if err != nil {
		return nil, &jobs.Failure{Reason: contracts.ReasonInvalidRequest, Message: err.Error(), Final: true, Err: err}
	}
	return verifier.New(plan, dialect, o)
}
