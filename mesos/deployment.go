package mesos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// DeploymentOptions tune a Deployment; the zero value is fit for use.
type DeploymentOptions struct {
	// OnProgress is called with every change, from the Deployment's goroutine: it must not
	// block and must not call the Deployment.
	OnProgress func(Progress)
	// AcceptMaintenance accepts inverse offers, which ask for agents back. Default: decline.
	AcceptMaintenance bool
	// GoneAfter is how long a master must say TASK_GONE in reconciliation until a task is
	// believed to be gone, and how long the statuses of an executor's tasks are waited for
	// after its end. Default 1s.
	GoneAfter time.Duration
	// UnknownAfter is the same for TASK_UNKNOWN, which a restarted master says of agents
	// that are not back yet. Default 90s.
	UnknownAfter time.Duration
	// RetryMin and RetryMax bound the waits between two RECONCILEs of open tasks and between
	// two GOs. Default 250ms and 5s.
	RetryMin, RetryMax time.Duration
	// Calm is the time between two RECONCILEs of tasks that are on their way, in case an
	// update was lost. Default 30s.
	Calm time.Duration
}

func (o DeploymentOptions) withDefaults() DeploymentOptions {
	o.GoneAfter = cmp.Or(o.GoneAfter, time.Second)
	o.UnknownAfter = cmp.Or(o.UnknownAfter, 90*time.Second)
	o.RetryMin = cmp.Or(o.RetryMin, 250*time.Millisecond)
	o.RetryMax = cmp.Or(o.RetryMax, 5*time.Second)
	o.Calm = cmp.Or(o.Calm, 30*time.Second)
	return o
}

// Progress counts the nodes of a deployment. Each count includes the ones that are further:
// a running node is bound and launched too. Failed nodes count as launched only.
type Progress struct{ Total, Launched, Bound, Running, Failed int }

// TaskError says that a node's task ended, or will not begin.
type TaskError struct {
	contracts.TaskFailure
	// Others is how many more nodes had failed by then.
	Others int
}

func (e *TaskError) Error() string {
	text := fmt.Sprintf("node %d on %s: %s", e.Node, e.Host, e.State)
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Others > 0 {
		text += fmt.Sprintf(" (and %d more)", e.Others)
	}
	return text
}

// Deployment follows the tasks of one plan. It is the consumer of its Session's events: it
// acknowledges statuses, reconciles after a reconnect, and declines offers that come too late.
type Deployment struct {
	session *Session
	plan    chunkdist.Plan
	options DeploymentOptions

	ctx      context.Context
	stop     context.CancelCauseFunc
	wg       sync.WaitGroup
	commands chan func()                // run by the owner
	out      chan func(context.Context) // calls for the senders

	// owned by the goroutine that runs follow
	nodes     *nodes
	outbox    []func(context.Context)
	reconcile repeated
	release   repeated               // GO
	calm      time.Time              // when to reconcile although nothing seems wrong
	resuming  bool                   // absent nodes are for Resume to judge
	ends      map[string]executorEnd // by agent

	mu       sync.Mutex // guards what the owner publishes
	progress Progress
	failed   []contracts.TaskFailure
	changed  chan struct{} // closed and replaced with every change
}

// Follow takes a Session's events over for a plan that is about to be launched with Launch.
func Follow(s *Session, plan chunkdist.Plan, o DeploymentOptions) *Deployment {
	return newDeployment(s, plan, o, false)
}

func newDeployment(s *Session, plan chunkdist.Plan, o DeploymentOptions, resuming bool) *Deployment {
	o = o.withDefaults()
	d := &Deployment{
		session: s, plan: plan, options: o,
		commands: make(chan func()), out: make(chan func(context.Context)),
		nodes: newNodes(plan, o.GoneAfter, o.UnknownAfter), resuming: resuming,
		ends: map[string]executorEnd{}, changed: make(chan struct{}),
	}
	d.reconcile.wait = backoff{base: o.RetryMin, limit: o.RetryMax}
	d.release.wait = d.reconcile.wait
	d.ctx, d.stop = context.WithCancelCause(context.Background())
	if resuming {
		for i := range plan.Nodes {
			d.nodes.nodes[i].settled = false
		}
		d.reconcile.now(time.Now())
	}
	d.progress = d.nodes.progress()
	d.wg.Add(1 + maxParallelCalls)
	go d.follow()
	for range maxParallelCalls {
		go d.send()
	}
	return d
}

// Close stops following; the Session and the tasks go on. Events are not read any more.
func (d *Deployment) Close() {
	d.stop(ErrClosed)
	d.wg.Wait()
}

// Progress is how far the nodes are.
func (d *Deployment) Progress() Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.progress
}

// Failures are the nodes that have failed, by index.
func (d *Deployment) Failures() []contracts.TaskFailure {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// Launch accepts what Order.Launches made: one ACCEPT for each agent, then rest is declined
// and offers are suppressed. An error means that something was surely not launched; where only
// an answer was lost, reconciliation finds out.
func (d *Deployment) Launch(ctx context.Context, launches []Launch, rest []v1.OfferID) error {
	free := make(chan struct{}, maxParallelCalls)
	errs := make([]error, len(launches))
	var wg sync.WaitGroup
	for i, l := range launches {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = d.accept(ctx, l)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := d.session.Decline(ctx, declineFor, rest...); err != nil {
		return err
	}
	return d.session.Suppress(ctx)
}

// declineFor is how long offers that were not wanted stay away. Mesos' own default.
const declineFor = 5 * time.Second

func (d *Deployment) accept(ctx context.Context, l Launch) error {
	// A status may overtake the answer, so the tasks are launched before they are.
	if err := d.command(ctx, func() { d.nodes.launched(l.Agent); d.publish() }); err != nil {
		return err
	}
	err := d.session.Accept(ctx, l.Offers, l.Operations(), declineFor)
	if err == nil {
		failpoint.Hit(failpoint.AcceptedOne)
	}
	if err == nil || !ambiguous(err) {
		return err
	}
	return d.command(ctx, func() {
		d.session.client.config.Logger.Warn("mesos: no answer to ACCEPT: reconciling", "agent", l.Agent, "cause", err)
		d.nodes.doubtAgent(l.Agent)
		d.reconcile.after(time.Now())
	})
}

// Go releases the start barrier: from now on GO is sent to every executor that holds nodes,
// again and again, until all nodes run. It returns at once.
func (d *Deployment) Go(ctx context.Context) error {
	return d.command(ctx, func() { d.release.now(time.Now()) })
}

// WaitBound waits until every node is bound (or runs). A failed node is a *TaskError at once.
func (d *Deployment) WaitBound(ctx context.Context) error {
	return d.await(ctx, "bound", func(p Progress) int { return p.Bound })
}

// WaitRunning waits until every node runs. A failed node is a *TaskError at once.
func (d *Deployment) WaitRunning(ctx context.Context) error {
	return d.await(ctx, "running", func(p Progress) int { return p.Running })
}

// WaitFailed waits for the first failure: a *TaskError, the Session's end, or ctx's.
func (d *Deployment) WaitFailed(ctx context.Context) error {
	return d.await(ctx, "failed", func(Progress) int { return -1 })
}

func (d *Deployment) await(ctx context.Context, what string, count func(Progress) int) error {
	for {
		d.mu.Lock()
		p, failures, changed := d.progress, d.failed, d.changed
		d.mu.Unlock()
		switch {
		case len(failures) > 0:
			return &TaskError{TaskFailure: failures[0], Others: len(failures) - 1}
		case count(p) == p.Total:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("mesos: %d of %d nodes %s: %w", max(count(p), 0), p.Total, what, context.Cause(ctx))
		case <-d.ctx.Done():
			return context.Cause(d.ctx)
		}
	}
}

// command has the owner run f, and waits for it.
func (d *Deployment) command(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case d.commands <- func() { f(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.ctx.Done():
		return context.Cause(d.ctx)
	}
}

// publish makes the owner's state visible.
func (d *Deployment) publish() {
	now := d.nodes.progress()
	d.mu.Lock()
	before := d.progress
	d.progress = now
	if now.Failed != before.Failed {
		d.failed = d.nodes.failures()
		for i := range d.failed {
			d.failed[i].Sandbox = d.session.sandbox(d.failed[i].Agent, bundle.ExecutorID(d.plan.Cluster))
		}
	}
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()
	if d.options.OnProgress != nil && now != before {
		d.options.OnProgress(now)
	}
}
