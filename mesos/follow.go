package mesos

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// repeated is something that is done again and again with growing waits. Its zero at is never.
type repeated struct {
	at   time.Time
	wait backoff
}

// now makes it due at once, with short waits again.
func (r *repeated) now(t time.Time) {
	r.wait.reset()
	r.at = t
}

// after makes it due one wait later.
func (r *repeated) after(t time.Time) { r.at = t.Add(r.wait.next()) }

func (r *repeated) due(t time.Time) bool { return !r.at.IsZero() && !t.Before(r.at) }

// follow owns the nodes: events and commands change them, and what they need is sent.
func (d *Deployment) follow() {
	defer d.wg.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	d.calm = time.Now().Add(d.options.Calm)
	for {
		var out chan func(context.Context)
		var head func(context.Context)
		if len(d.outbox) > 0 {
			out, head = d.out, d.outbox[0]
		}
		timer.Reset(time.Until(d.next()))
		select {
		case event, ok := <-d.session.Events():
			if !ok {
				d.stop(d.session.Err())
				return
			}
			if d.handle(event, time.Now()) {
				d.publish()
			}
		case f := <-d.commands:
			f()
		case out <- head:
			d.outbox[0] = nil
			d.outbox = d.outbox[1:]
		case <-timer.C:
			d.tick(time.Now())
		case <-d.ctx.Done():
			return
		}
	}
}

// send makes the calls that the owner wants made. Not one of them must succeed: what matters
// is repeated, by the agents (statuses) or by us (RECONCILE, GO).
func (d *Deployment) send() {
	defer d.wg.Done()
	for {
		select {
		case call := <-d.out:
			call(d.ctx)
		case <-d.ctx.Done():
			return
		}
	}
}

// enqueue has a sender make a call.
func (d *Deployment) enqueue(what string, call func(context.Context) error) {
	d.outbox = append(d.outbox, func(ctx context.Context) {
		err := call(ctx)
		if err == nil || ctx.Err() != nil || d.session.Err() != nil {
			return
		}
		d.session.client.config.Logger.Warn("mesos: call failed", "call", what, "framework", d.session.FrameworkID(), "cause", err)
	})
}

// handle takes an event in; changed reports whether a node moved.
func (d *Deployment) handle(event Event, now time.Time) (changed bool) {
	s := d.session
	switch event := event.(type) {
	case Status:
		d.enqueue("ACKNOWLEDGE", func(ctx context.Context) error { return s.Acknowledge(ctx, event.TaskStatus) })
		d.explain(&event.TaskStatus)
		var open bool
		changed, open = d.nodes.status(event.TaskStatus, now)
		if d.resuming {
			changed = true // an answer, even where nothing moves
		} else {
			changed = d.nodes.failAbsent() || changed
		}
		if open && d.reconcile.at.IsZero() {
			d.reconcile.after(now)
		}
	case Failure:
		changed = d.executorFailed(event, now)
	case Reconnected:
		d.nodes.doubt()
		if d.resuming {
			d.nodes.doubtAll()
		}
		d.reconcile.now(now)
		if !d.release.at.IsZero() {
			d.release.now(now)
		}
	case Offers:
		ids := make([]v1.OfferID, 0, len(event.Offers))
		for _, o := range event.Offers {
			ids = append(ids, o.ID)
		}
		d.enqueue("DECLINE", func(ctx context.Context) error { return s.Decline(ctx, declineFor, ids...) })
	case InverseOffers:
		ids := make([]v1.OfferID, 0, len(event.Offers))
		for _, o := range event.Offers {
			ids = append(ids, o.OfferID)
		}
		answer := s.DeclineInverse
		if d.options.AcceptMaintenance {
			answer = s.AcceptInverse
		}
		d.enqueue("inverse offers", func(ctx context.Context) error { return answer(ctx, ids...) })
	case Message, Rescind, RescindInverse: // nothing is held, and executors say nothing
	}
	return changed
}

// executorFailed takes the end of an executor or of a whole agent in. The statuses of the tasks
// say more, and follow; they are waited for a moment, since they may be held back behind an
// acknowledgement or never come.
func (d *Deployment) executorFailed(f Failure, now time.Time) (changed bool) {
	if f.Executor == "" {
		return d.nodes.failAgent(f.Agent, contracts.TaskFailure{
			State: v1.TASK_UNREACHABLE.String(), Reason: v1.REASON_AGENT_REMOVED.String(), Message: "the agent is gone",
		})
	}
	if f.Executor == bundle.ExecutorID(d.plan.Cluster) {
		d.ends[f.Agent] = executorEnd{how: describeWait(f.WaitStatus), believe: now.Add(d.options.GoneAfter)}
	}
	return false
}

// executorEnd is an executor's end that its tasks have not all confirmed yet.
type executorEnd struct {
	how     string
	believe time.Time // when the end is taken for the tasks' end without their statuses
}

// explain adds how the executor ended to a status that says only that it did.
func (d *Deployment) explain(st *v1.TaskStatus) {
	if said := st.GetMessage(); strings.Contains(said, "Unsupported container image type") {
		text := said + " (the agent runs no images; it needs --image_providers=docker and --isolation=filesystem/linux,docker/runtime)"
		st.Message = &text
	}
	end, known := d.ends[st.GetAgentID().GetValue()]
	if !known || st.Reason == nil || st.GetReason() != v1.REASON_EXECUTOR_TERMINATED {
		return
	}
	text := "the executor ended: " + end.how
	if said := st.GetMessage(); said != "" {
		text = said + " (" + text + ")"
	}
	st.Message = &text
}

// believeEnds fails the nodes of executors whose end is long enough ago.
func (d *Deployment) believeEnds(now time.Time) (changed bool) {
	for agent, end := range d.ends {
		if now.Before(end.believe) {
			continue
		}
		delete(d.ends, agent)
		if d.nodes.failAgent(agent, contracts.TaskFailure{
			State: v1.TASK_FAILED.String(), Reason: v1.REASON_EXECUTOR_TERMINATED.String(),
			Message: "the executor ended: " + end.how,
		}) {
			changed = true
		}
	}
	return changed
}

// describeWait says in words what a wait status means.
func describeWait(status *int32) string {
	if status == nil {
		return "how is not known"
	}
	switch w := syscall.WaitStatus(uint32(*status)); {
	case *status < 0:
		return "it never started"
	case w.Signaled():
		return fmt.Sprintf("killed by signal %d (%s)", w.Signal(), w.Signal())
	case w.ExitStatus() == checksumStatus:
		return fmt.Sprintf("exit status %d: what was fetched as the executor has not the SHA-256 that its URI names, or the agent has no sha256sum", checksumStatus)
	default:
		return fmt.Sprintf("exit status %d", w.ExitStatus())
	}
}

// next is when tick has something to do.
func (d *Deployment) next() time.Time {
	next := d.calm
	for _, at := range []time.Time{d.reconcile.at, d.release.at} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	for _, end := range d.ends {
		if end.believe.Before(next) {
			next = end.believe
		}
	}
	return next
}

// tick does what is due.
func (d *Deployment) tick(now time.Time) {
	if d.believeEnds(now) {
		d.publish()
	}
	calm := !now.Before(d.calm)
	if calm {
		d.calm = now.Add(d.options.Calm)
	}
	if calm || d.reconcile.due(now) {
		d.reconcile.at = time.Time{}
		if ask := d.nodes.unsettled(calm); len(ask) > 0 {
			d.enqueue("RECONCILE", func(ctx context.Context) error { return d.session.Reconcile(ctx, ask) })
			d.reconcile.after(now)
		}
	}
	if d.release.due(now) {
		d.release.after(now)
		for _, agent := range d.nodes.waiting() {
			d.enqueue("MESSAGE", func(ctx context.Context) error {
				return d.session.Message(ctx, agent, bundle.ExecutorID(d.plan.Cluster), []byte(bundle.MessageGo))
			})
		}
	}
}
