package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/nats-io/nats.go/jetstream"
)

// line is what this worker knows of the jobs that wait for resources.
type line struct {
	mu     sync.Mutex
	trying map[string]bool // roles in which a job that has waited tries again, here
	crowd  int             // messages that are delivered but not acknowledged, of all workers
	asked  time.Time       // when crowd was asked for
}

const (
	// handBackRate bounds the messages per second that waiting jobs come back with, over all
	// workers: with n jobs waiting, each comes back every n/handBackRate seconds or less often.
	handBackRate = 25
	// crowdAge is how old the known number of waiting jobs may be.
	crowdAge = 2 * time.Second
)

// backOff is the pause before a job tries again for resources that was handed back n times.
func (w *Worker) backOff(ctx context.Context, n int) time.Duration {
	return pause(n, time.Second, 10*time.Second) + w.spread(ctx)
}

// spread is what a pause is longer by because others wait too: what comes back is delivered
// before what is new, so it must not come faster than it is worked on.
func (w *Worker) spread(ctx context.Context) time.Duration {
	crowd := time.Duration(w.crowd(ctx)) * time.Second / handBackRate
	return crowd/2 + rand.N(crowd+1)
}

// crowd is about how many jobs workers have or wait to be delivered again.
func (w *Worker) crowd(ctx context.Context) int {
	w.line.mu.Lock()
	defer w.line.mu.Unlock()
	if time.Since(w.line.asked) < crowdAge {
		return w.line.crowd
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	c, err := w.js.Consumer(ctx, contracts.StreamJobs, ConsumerName)
	if err != nil {
		w.log.Warn("number of waiting jobs not known; the one before is used", "error", err)
	} else {
		w.line.crowd = c.CachedInfo().NumAckPending
	}
	w.line.asked = time.Now()
	return w.line.crowd
}

// try says whether a job that has waited may try again now: one at a time in each role, so that
// they leave the lease and this worker's slots to new ones.
func (l *line) try(role string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trying[role] {
		return false
	}
	if l.trying == nil {
		l.trying = map[string]bool{}
	}
	l.trying[role] = true
	return true
}

func (l *line) tried(role string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.trying, role)
}

// pass is a job's permission to try for resources.
type pass struct {
	turn  turn
	first bool // the line is held back for this job
	again bool // it counts against the one at a time
}

// turn is a role's turn as it was read.
type turn struct {
	rec *contracts.TurnRecord // nil: none
	rev uint64                // 0: there is no key
}

// enter lets a job try for resources, or hands it back because another one is first.
func (r *run) enter(ctx context.Context) (p pass, err error) {
	role := r.d.create.Placement.Role
	if r.w.cfg.Patience > 0 {
		if p.turn, err = r.s.turn(ctx, role); err != nil {
			return p, err
		}
		standing, left := jobs.StandInLine(p.turn.rec, r.waiter())
		if standing == jobs.Behind {
			return p, r.holdBack(ctx, p.turn.rec, left)
		}
		p.first = standing == jobs.First
	}
	p.again = r.rec.Short != nil && !p.first
	if p.again && !r.w.line.try(role) {
		p.again = false
		return p, r.leave(ctx, p, &notNow{delay: r.w.backOff(ctx, r.rec.Waits), failure: shortOf(r.rec)})
	}
	return p, nil
}

// holdBack hands the job back while another is first in line.
func (r *run) holdBack(ctx context.Context, first *contracts.TurnRecord, left time.Duration) error {
	err := r.wait(ctx, &jobs.Failure{
		Reason:  contracts.ReasonInsufficientResources,
		Message: fmt.Sprintf("Resources in the role %q are kept for the job %s, which came earlier and has waited longest.", r.d.create.Placement.Role, first.Job),
	})
	var later *notNow
	if errors.As(err, &later) {
		later.delay = min(later.delay, left+r.w.backOff(ctx, 0))
	}
	return err
}

// leave ends a try that ended with err. A job that was placed gives its turn away, one that was
// not takes one if it has waited for long.
func (r *run) leave(ctx context.Context, p pass, err error) error {
	role := r.d.create.Placement.Role
	if p.again {
		r.w.line.tried(role)
	}
	var later *notNow
	switch {
	case err == nil && p.first:
		r.s.putTurn(ctx, role, p.turn, jobs.EndTurn(*p.turn.rec))
	case !errors.As(err, &later):
	case p.first:
		later.delay = pause(0, time.Second, time.Second)
	case r.w.cfg.Patience > 0:
		next, ok := jobs.TakeTurn(p.turn.rec, r.waiter(), r.w.cfg.Patience)
		if ok && r.s.putTurn(ctx, role, p.turn, next) {
			r.log.Info("first in line for resources", "role", role, "for", time.Duration(next.For))
			later.delay = pause(0, time.Second, time.Second)
		}
	}
	return err
}

// endTurn gives the turn away that the job may still have at its end, for which nobody is to wait.
func (r *run) endTurn(ctx context.Context) {
	if r.w.cfg.Patience <= 0 || r.rec.Short == nil {
		return
	}
	role := r.d.create.Placement.Role
	t, err := r.s.turn(ctx, role)
	if err != nil {
		r.log.Warn("turn in a role's line not read; it ends by itself", "role", role, "error", err)
	} else if t.rec != nil && t.rec.Job == r.job && t.rec.For > 0 {
		r.s.putTurn(ctx, role, t, jobs.EndTurn(*t.rec))
	}
}

// waiter is the job as the line sees it. What it waited for an attempt that failed counts too.
func (r *run) waiter() jobs.Waiter {
	w := jobs.Waiter{Job: r.job, MsgSeq: r.rec.MsgSeq, Left: r.left(), Now: r.rec.Received.Add(r.elapsed())}
	for _, t := range r.rec.Timings {
		if t.Phase == contracts.PhaseWaitingResources {
			w.Waited = time.Duration(t.MS) * time.Millisecond
		}
	}
	if r.rec.Phase == contracts.PhaseWaitingResources {
		w.Waited += r.elapsed() - time.Duration(r.rec.PhaseMS)*time.Millisecond
	}
	return w
}

// turn reads a role's turn.
func (s *store) turn(ctx context.Context, role string) (t turn, err error) {
	var rec contracts.TurnRecord
	e, err := s.read(ctx, s.leases, contracts.TurnKey(role), &rec)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return turn{}, nil
	case err != nil:
		return turn{}, err
	}
	return turn{rec: &rec, rev: e.rev}, nil
}

// putTurn writes a role's turn over the one that was read; false when it was not written, most
// often because another job was faster. Nothing rests on it: turns end by themselves.
func (s *store) putTurn(ctx context.Context, role string, was turn, next contracts.TurnRecord) bool {
	value, err := json.Marshal(next)
	if err == nil && was.rec == nil {
		opCtx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		_, err = s.leases.Create(opCtx, contracts.TurnKey(role), value)
	} else if err == nil {
		_, err = update(ctx, s.leases, contracts.TurnKey(role), value, was.rev)
	}
	if err != nil && !conflict(err) {
		s.log.Warn("turn in a role's line not written", "role", role, "error", err)
	}
	return err == nil
}
