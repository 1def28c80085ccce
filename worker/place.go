package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// place gets the cluster onto hosts: under the role's lease it subscribes, plans on all offers
// at once, stores the plan and launches it; without the lease it goes on until it is verified.
func (r *run) place(ctx context.Context) error {
	if done, err := r.reserve(ctx); done || err != nil {
		return err
	}
	session, d, plan, err := r.placeInTurn(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	defer d.Close()
	return r.form(ctx, session, d, plan)
}

func (r *run) nextFramework(ctx context.Context) error {
	err := r.save(ctx, func(rec *contracts.JobRecord) error {
		jobs.UseFramework(rec)
		return nil
	})
	if err == nil {
		failpoint.Hit(failpoint.Chosen)
	}
	return err
}

// placeInTurn is the part of place that comes to each job in its turn.
func (r *run) placeInTurn(ctx context.Context) (session *mesos.Session, d *deployment, plan chunkdist.Plan, err error) {
	p, err := r.enter(ctx)
	if err != nil {
		return nil, nil, plan, err
	}
	defer func() { err = r.leave(ctx, p, err) }()
	if r.rec.Framework == "" {
		if err := r.nextFramework(ctx); err != nil {
			return nil, nil, plan, err
		}
	}
	return r.placeUnderLease(ctx)
}

// placeUnderLease is the part of place that only one worker per role does at a time.
func (r *run) placeUnderLease(ctx context.Context) (_ *mesos.Session, _ *deployment, plan chunkdist.Plan, err error) {
	asked, waited := time.Now(), r.patient()
	held, lease, err := acquireLease(ctx, r.s, r.d.create.Placement.Role, r.w.cfg.Name, r.job, r.w.cfg.LeaseTTL, r.log)
	waited()
	if err != nil {
		return nil, nil, plan, err
	}
	failpoint.Hit(failpoint.Leased)
	got := time.Now()
	r.w.metrics.leaseWait.Observe(got.Sub(asked).Seconds())
	defer func() {
		if errors.Is(context.Cause(held), errLeaseLost) {
			r.w.metrics.leaseLost.Inc()
		}
		lease.release()
		failpoint.Hit(failpoint.Released)
		r.w.metrics.leaseHeld.Observe(time.Since(got).Seconds())
	}()

	session, err := r.subscribe(held, false)
	if errors.Is(err, mesos.ErrFrameworkRemoved) {
		// Its failover timeout was over while the job waited; nothing was launched under it.
		if err = r.nextFramework(ctx); err == nil {
			session, err = r.subscribe(held, false)
		}
	}
	if err != nil {
		return nil, nil, plan, err
	}
	placed := false
	defer func() {
		if !placed { // also after a panic: it holds offers
			session.Close()
		}
	}()

	failpoint.Hit(failpoint.Subscribed)
	offers, plan, err := r.gather(held, session)
	if err != nil {
		return nil, nil, plan, err
	}
	key := contracts.JobPlanKey(r.job, r.rec.Attempt, r.rec.Fence)
	if err = r.s.putPlan(held, key, plan); err != nil {
		return nil, nil, plan, err
	}
	failpoint.Hit(failpoint.PlanStored)
	err = r.emitPlanned(held, key, plan)
	if err != nil {
		return nil, nil, plan, err
	}
	d, err := r.launch(held, session, plan, offers)
	placed = err == nil
	return session, d, plan, err
}

// gather collects offers until a plan is found and no more offers come, or none is found
// within the offer wait.
func (r *run) gather(ctx context.Context, session *mesos.Session) (*offerSet, chunkdist.Plan, error) {
	offers := &offerSet{}
	maintenance := newInverse(ctx)
	defer maintenance.close()
	giveUp := time.NewTimer(min(r.w.cfg.OfferWait, r.left()-lastWords))
	defer giveUp.Stop()
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	var plan chunkdist.Plan
	nothing := &jobs.Failure{
		Reason:  contracts.ReasonInsufficientResources,
		Message: fmt.Sprintf("Mesos offered nothing in the role %q.", r.d.create.Placement.Role),
	}
	planErr := error(nothing)
	for {
		select {
		case <-ctx.Done():
			return nil, plan, context.Cause(ctx)
		case ev, ok := <-session.Events():
			if !ok {
				return nil, plan, session.Err()
			}
			maintenance.apply(r, session, ev)
			before := len(offers.list)
			changed := offers.apply(ev)
			if lost := before - len(offers.list); lost > 0 {
				r.w.metrics.offers.WithLabelValues(offerLost, lossOf(ev)).Add(float64(lost))
			}
			if !changed {
				continue
			}
			switch {
			case planErr != nil && len(offers.list) < before: // less room is no more: what was short of all tells the most
			case len(offers.list) > 0:
				plan, planErr = r.plan(offers)
			default:
				planErr = nothing
			}
			if planErr == nil {
				settled.Reset(offerSettle)
			} else {
				settled.Stop()
			}
		case <-settled.C:
			return offers, plan, nil
		case <-giveUp.C:
			if planErr == nil { // found just now
				return offers, plan, nil
			}
			r.w.metrics.offers.WithLabelValues(offerReturned, string(jobs.AsFailure(planErr).Reason)).Add(float64(len(offers.list)))
			return nil, plan, r.noPlan(ctx, planErr)
		}
	}
}

// lastWords is kept of the deadline, so that a job that finds no room can still say what was short.
const lastWords = 250 * time.Millisecond

// offerSettle is how long the offers must have been quiet before a plan is acted on: an
// allocator sends what it has in one event, so this only catches a second one on its heels.
const offerSettle = 5 * time.Millisecond

// noPlan tells what is short, the first time, and hands the job back to be tried again.
func (r *run) noPlan(ctx context.Context, planErr error) error {
	var f *jobs.Failure
	if !errors.As(planErr, &f) {
		return planErr
	}
	if f.Final {
		return f
	}
	return r.wait(ctx, f)
}

// wait tells what a job waits for, the first time, and hands it back to be tried again.
func (r *run) wait(ctx context.Context, f *jobs.Failure) error {
	first := r.rec.Phase != contracts.PhaseWaitingResources
	err := r.save(ctx, func(rec *contracts.JobRecord) error {
		rec.Short = short(rec.Short, f)
		return nil
	})
	if err == nil && first {
		err = r.emitIn(ctx, contracts.PhaseWaitingResources, contracts.EventProgress, contracts.EventData{Message: f.Message, Details: f.Details})
	}
	if err != nil {
		return err
	}
	return &notNow{delay: r.w.backOff(ctx, r.rec.Waits), failure: shortOf(r.rec)}
}

// shortOf is what a job that waits ends with if it finds nothing until its deadline.
func shortOf(rec contracts.JobRecord) *jobs.Failure {
	return &jobs.Failure{Reason: rec.Short.Reason, Message: rec.Short.Message, Details: rec.Short.Details}
}

// short is what a job that waits ends with. Where Mesos offers nothing now, it is still told what was
// short when Mesos did.
func short(before *contracts.Outcome, f *jobs.Failure) *contracts.Outcome {
	now := f.Outcome()
	switch {
	case now.Details != nil, before == nil, before.Details == nil:
		return now
	case strings.HasPrefix(before.Message, now.Message):
		return before
	}
	now.Message, now.Details = now.Message+" Before: "+before.Message, before.Details
	return now
}

// plan plans on the offers. A host on which an earlier attempt failed is used again only if
// there is no plan without it.
func (r *run) plan(offers *offerSet) (chunkdist.Plan, error) {
	req := r.d.create
	hosts, unusable, err := mesos.HostsOf(offers.list, mesos.Query{
		Role: req.Placement.Role, FaultDomain: req.Placement.FaultDomain, DomainOptional: req.Placement.FaultDomainRule == "preferred",
	})
	if err != nil {
		return chunkdist.Plan{}, &jobs.Failure{Reason: contracts.ReasonInvalidRequest, Message: err.Error(), Final: true, Err: err}
	}
	for _, agent := range unusable {
		r.log.Info("agent not usable", "agent", agent)
	}
	hosts = withoutPorts(hosts, r.rec.AvoidPorts)
	spec, err := r.spec()
	if err != nil {
		return chunkdist.Plan{}, err
	}
	excluded := spec
	excluded.ExcludeHosts = append(append([]string{}, spec.ExcludeHosts...), r.rec.Excluded...)
	plan, err := chunkdist.Place(excluded, hosts)
	if err != nil && len(r.rec.Excluded) > 0 {
		plan, err = chunkdist.Place(spec, hosts)
	}
	if err != nil {
		return plan, withUnusable(jobs.PlanFailure(err), unusable)
	}
	return plan, nil
}

// spec is what the planner is asked for.
func (r *run) spec() (chunkdist.Spec, error) {
	req := r.d.create
	dialect, err := nodesconf.LookupDialect(req.Redis.Flavor, req.Redis.Version)
	if err != nil {
		return chunkdist.Spec{}, &jobs.Failure{Reason: contracts.ReasonInvalidRequest, Message: err.Error(), Final: true, Err: err}
	}
	spec := jobs.SpecOf(req, jobs.ClusterUID(r.rec))
	spec.BusOffset = dialect.BusOffset()
	spec.Overhead = chunkdist.Resources{CPUs: r.w.cfg.ExecutorCPUs, MemoryMB: float64(r.w.cfg.ExecutorMemMB)}
	return spec, nil
}

// emitPlanned records where the plan is, before anything of it is launched.
func (r *run) emitPlanned(ctx context.Context, key string, plan chunkdist.Plan) error {
	data := contracts.EventData{
		Total:   len(plan.Nodes),
		Message: fmt.Sprintf("Planned %d nodes on %d hosts.", len(plan.Nodes), len(plan.Hosts)),
	}
	return r.tell(ctx, contracts.EventProgress, data, func(rec *contracts.JobRecord) error {
		rec.PlanKey = key
		return jobs.Advance(rec, contracts.PhasePlanned, r.elapsed())
	})
}
