package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
)

// run is one job in work: its record, its message, and the clock that its deadline counts by.
// One goroutine works on it; only cancel and touch may be used by others.
type run struct {
	*held
	w   *Worker
	s   *store
	d   *delivery
	log *slog.Logger

	job   string
	kind  contracts.JobKind
	fence uint64
	// attempts ends, by cancel and with its cause, when the job is to be given up; cleaning up
	// goes on under the context that it was made from.
	attempts context.Context
	cancel   context.CancelCauseFunc

	// The job was base old, by the server's clock, at begun, by our monotonic one.
	base    time.Duration
	begun   time.Time
	touched atomic.Int64 // nanoseconds after begun of the last progress
}

func stack() string { return string(debug.Stack()) }

// run works on a claimed job until it has ended or is handed on.
func (w *Worker) run(ctx context.Context, d *delivery, h *held) (verdict, error) {
	attempts, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{
		held: h, w: w, s: w.store, d: d, job: h.rec.Job, kind: h.rec.Kind, fence: h.rec.Fence, attempts: attempts, cancel: cancel,
		log:   w.log.With("job", h.rec.Job, "cluster", h.rec.Cluster, "fence", h.rec.Fence),
		begun: time.Now(),
	}
	if !w.begin(r) {
		return verdict{kind: leave}, nil
	}
	defer w.end(r)
	failpoint.Hit(failpoint.Claimed)
	w.metrics.inFlight.Inc()
	defer w.metrics.inFlight.Dec()
	defer r.keepAlive(ctx)()

	v, err := r.resume(ctx)
	if err != nil && !errors.Is(err, errFenced) {
		// Not this job's fault: handed back, it counts no crash.
		r.log.Warn("interrupted, handing the job back", "phase", r.rec.Phase, "error", err)
		v, err = r.interrupted(err)
	}
	if errors.Is(err, errFenced) {
		r.log.Info("another worker has the job now")
		return verdict{kind: leave}, nil
	}
	return v, err
}

// resume sets the job's clock, publishes what its former owner may not have published, and works.
func (r *run) resume(ctx context.Context) (verdict, error) {
	at, err := r.s.serverTime(ctx, r.job)
	if err != nil {
		return verdict{}, err
	}
	r.base = max(at.Sub(r.rec.Received), 0)
	if err := r.flush(ctx); err != nil {
		return verdict{}, err
	}
	return r.work(ctx)
}

// work does what the record says next until the job has ended or is handed on. ctx is the
// worker's: it ends when a drain's grace is over.
func (r *run) work(ctx context.Context) (verdict, error) {
	timed, stop := context.WithDeadlineCause(r.attempts, time.Now().Add(r.left()), errDeadline)
	defer stop()
	if asked, err := r.s.cancelled(ctx, r.job); err != nil {
		return verdict{}, err
	} else if asked && r.kind != contracts.JobDestroy {
		r.cancel(errCancelled)
	}
	if err := r.buryCrasher(ctx); err != nil {
		return verdict{}, err
	}
	told := r.rec.Terminal != nil // a former owner, or an earlier delivery, has counted it
	for {
		var err error
		switch step := jobs.Next(r.rec); step {
		case jobs.Publish:
			if !told { // before it can fail: whoever tries again finds it told
				r.w.metrics.finished(r.rec)
			}
			return r.publishEnd(ctx)
		case jobs.End:
			err = r.end(ctx)
		case jobs.CleanUp:
			err = r.cleanUp(ctx)
		default:
			err = r.attempt(timed, step)
		}
		r.touch()
		if err != nil {
			v, done, err := r.settleFailure(ctx, timed, err)
			if errors.Is(err, errEnded) {
				continue
			}
			if done || err != nil {
				return v, err
			}
		}
	}
}

// attempt does the kind of work that the job is about; on success the record has its terminal event.
func (r *run) attempt(ctx context.Context, step jobs.Step) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if r.rec.Seq == 0 {
		if err := r.emit(ctx, contracts.EventAccepted, contracts.EventData{}); err != nil {
			return err
		}
	}
	switch r.kind {
	case contracts.JobDestroy:
		return r.destroyCluster(ctx)
	case contracts.JobVerify:
		return r.verifyCluster(ctx)
	}
	if step == jobs.Adopt {
		return r.adopt(ctx)
	}
	return r.place(ctx)
}

// settleFailure decides what follows an error: the verdict if the work here is done, else the
// record says what comes next.
func (r *run) settleFailure(ctx, timed context.Context, err error) (v verdict, done bool, _ error) {
	cause := context.Cause(timed)
	var later *notNow
	switch {
	case errors.Is(err, errEnded):
		return verdict{}, false, nil
	case errors.Is(err, errFenced), fencedByMesos(err) && r.guard(ctx) != nil:
		return verdict{}, true, errFenced
	case errors.Is(cause, errDrain):
		v, err = r.handBack(whyDrain, 0)
		return v, true, err
	case errors.Is(cause, errStalled):
		r.log.Error("the job made no progress; it is left to another worker", "phase", r.rec.Phase, "error", err)
		return verdict{kind: leave}, true, nil
	case r.rec.Cleanup, r.rec.Pending != nil: // the clean-up itself did not work yet
		r.log.Warn("clean-up not finished", "error", err)
		v, err = r.handBackAfter(whyCleanup, pause(r.rec.CleanupTries, time.Second, 15*time.Second), func(rec *contracts.JobRecord) { rec.CleanupTries++ })
		return v, true, err
	case errors.Is(cause, errCancelled):
		return verdict{}, false, r.abandon(ctx, &contracts.Outcome{
			Type: contracts.EventCancelled, Message: fmt.Sprintf("Cancelled on request in phase %s.", r.rec.Phase),
		}, nil)
	case errors.As(err, &later) && r.left() > time.Second:
		delay := min(later.delay, r.left()-time.Second/2)
		if v, err = r.handBack(whyWaiting, delay); err == nil {
			r.w.metrics.waiting.add(r.rec.Phase, delay)
		}
		return v, true, err
	}
	if no := r.refused(err); no != nil {
		err = no
	}
	var known *jobs.Failure
	if !errors.As(err, &known) && r.left() > time.Second {
		// NATS, Mesos or this worker had a bad moment, which says nothing of the attempt: the
		// next owner goes on from the record.
		r.log.Warn("interrupted, trying again", "phase", r.rec.Phase, "error", err)
		v, err = r.interrupted(err)
		return v, true, err
	}
	f := r.failure(err)
	if later == nil && jobs.Retry(r.rec, f, r.w.cfg.MaxAttempts, r.left(), minAttempt) {
		r.log.Warn("attempt failed, another one follows", "attempt", r.rec.Attempt, "error", err)
		r.w.metrics.attempts.WithLabelValues(string(f.Reason)).Inc()
		return verdict{}, false, r.abandon(ctx, nil, f)
	}
	r.log.Warn("job failed", "attempt", r.rec.Attempt, "phase", r.rec.Phase, "error", err)
	return verdict{}, false, r.abandon(ctx, f.Outcome(), f)
}

// minAttempt is the least time in which another attempt is worth its while: Redis alone takes 2 s.
const minAttempt = 5 * time.Second

// notNow is an error that time may mend: the job is handed back and tried again after delay.
// failure is what the job ends with if its deadline comes first.
type notNow struct {
	delay   time.Duration
	failure *jobs.Failure
}

func (e *notNow) Error() string { return e.failure.Error() }
func (e *notNow) Unwrap() error { return e.failure }

// failure says what the job failed of. What is no failure of the job comes here only when too little time is left
// for another try: the deadline ends the job, whatever was met last.
func (r *run) failure(err error) *jobs.Failure {
	var f *jobs.Failure
	if errors.As(err, &f) {
		return f
	}
	if short := r.rec.Short; short != nil && r.rec.Phase == contracts.PhaseWaitingResources {
		return &jobs.Failure{Reason: short.Reason, Message: short.Message, Details: short.Details, Final: true, Err: err}
	}
	over := "was over"
	if r.left() > 0 {
		over = "was all but over"
	}
	return &jobs.Failure{
		Reason:  contracts.ReasonDeadlineExceeded,
		Message: fmt.Sprintf("The deadline of %v %s in phase %s: %s.", r.d.deadline, over, r.rec.Phase, r.met(err)),
		Final:   true, Err: err,
	}
}

// met is what the last tries met: where the deadline came between two of them or cut the last one short, that one's
// error tells nobody why the job came no further.
func (r *run) met(err error) string {
	switch {
	case r.rec.Interrupted == "", r.rec.Interrupted == oneLine(err.Error()):
		return err.Error()
	case err == errDeadline: // what wraps it says more
		return r.rec.Interrupted
	default:
		return fmt.Sprintf("%v; the try before met: %s", err, r.rec.Interrupted)
	}
}

// abandon gives the attempt up; see jobs.Abandon.
func (r *run) abandon(ctx context.Context, o *contracts.Outcome, why *jobs.Failure) error {
	err := r.save(ctx, func(rec *contracts.JobRecord) error {
		if why == nil {
			why = &jobs.Failure{}
		}
		jobs.Abandon(rec, o, why.Hosts, why.Ports)
		return nil
	})
	if err == nil {
		failpoint.Hit(failpoint.Abandoned)
	}
	return err
}

// handBack frees the job for any worker, after delay. It works while ctx is ending.
func (r *run) handBack(why string, delay time.Duration) (verdict, error) {
	return r.handBackAfter(why, delay, func(rec *contracts.JobRecord) {
		if delay > 0 {
			rec.Waits++
		}
		rec.Interrupted = ""
	})
}

// interrupted hands the job back after a try that was cut short by err, which says nothing of the job.
func (r *run) interrupted(err error) (verdict, error) {
	delay := pause(r.rec.Waits, 200*time.Millisecond, 5*time.Second)
	if left := r.left(); left > time.Second {
		delay = min(delay, left-time.Second/2)
	}
	return r.handBackAfter(whyInterrupted, delay, func(rec *contracts.JobRecord) {
		rec.Waits++
		rec.Interrupted = oneLine(err.Error())
	})
}

// handBackAfter is handBack with a change of the record.
func (r *run) handBackAfter(why string, delay time.Duration, change func(*contracts.JobRecord)) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*opTimeout)
	defer cancel()
	err := r.save(ctx, func(rec *contracts.JobRecord) error {
		jobs.HandBack(rec)
		change(rec)
		return nil
	})
	if err == nil {
		failpoint.Hit(failpoint.HandedBack)
		r.w.metrics.handBacks.WithLabelValues(why).Inc()
	}
	return verdict{kind: handBack, delay: delay}, err
}

// end writes the terminal event of a job of which nothing is left.
func (r *run) end(ctx context.Context) error {
	if r.kind == contracts.JobCreate {
		if err := r.freeName(ctx); err != nil {
			return err
		}
		failpoint.Hit(failpoint.Freed)
		r.endTurn(ctx)
	}
	if err := r.flush(ctx); err != nil { // what was cut short by what ends the job
		return err
	}
	return r.save(ctx, func(rec *contracts.JobRecord) error {
		return jobs.FinishPending(rec, r.elapsed())
	})
}

// publishEnd tells everybody how the job ended. The record has said so already, and can say
// it again after any crash.
func (r *run) publishEnd(ctx context.Context) (verdict, error) {
	failpoint.Hit(failpoint.Ended)
	ctx, cancel := context.WithTimeout(ctx, r.w.cfg.StallTimeout) // then it is handed back, and told again
	defer cancel()
	if err := r.flush(ctx); err != nil {
		return verdict{}, err
	}
	if err := r.s.publishTerminal(ctx, *r.rec.Terminal); err != nil {
		return verdict{}, err
	}
	r.log.Info("job has ended", "phase", r.rec.Phase, "reason", r.rec.Terminal.Data.Reason, "elapsed", r.elapsed().Round(time.Millisecond))
	return verdict{kind: ack}, nil
}

// elapsed is the time since the stream stored the request.
func (r *run) elapsed() time.Duration { return r.base + time.Since(r.begun) }

// now is the time by the NATS server's clock. No wall clock of a worker is ever looked at: workers
// whose clocks differ tell of one job as one would.
func (r *run) now() time.Time { return r.rec.Received.Add(r.elapsed()).UTC() }

// left is the time until the deadline.
func (r *run) left() time.Duration { return r.d.deadline - r.elapsed() }

// touch notes that the job made progress.
func (r *run) touch() { r.touched.Store(int64(time.Since(r.begun))) }

// patient keeps the job from counting as stalled, until the returned function is called: for waits
// that make no progress themselves and that the deadline bounds.
func (r *run) patient() (done func()) {
	ended := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(r.w.cfg.StallTimeout / 4)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.touch()
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended); all.Wait() }
}

// keepAlive tells the server, until the returned function is called, that the job is worked
// on, and stops doing so when the job makes no progress: a job that hangs must not hang for ever.
func (r *run) keepAlive(ctx context.Context) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(r.w.consumer.CachedInfo().Config.AckWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if silent := time.Since(r.begun) - time.Duration(r.touched.Load()); silent > r.w.cfg.StallTimeout {
				r.cancel(errStalled)
				return
			}
			if err := r.d.msg.InProgress(); err != nil {
				r.log.Warn("sign of life not sent", "error", err)
			}
		}
	})
	return func() { end(); done.Wait() }
}
