package worker

import (
	"context"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
)

func (r *run) save(ctx context.Context, change func(*contracts.JobRecord) error) error {
	return r.s.save(ctx, r.held, change)
}

// emit writes an event into the record and publishes it.
func (r *run) emit(ctx context.Context, t contracts.EventType, data contracts.EventData) error {
	return r.tell(ctx, t, data, func(*contracts.JobRecord) error { return nil })
}

// emitIn is emit on entering a phase: one write for both.
func (r *run) emitIn(ctx context.Context, phase contracts.Phase, t contracts.EventType, data contracts.EventData) error {
	return r.tell(ctx, t, data, func(rec *contracts.JobRecord) error { return jobs.Advance(rec, phase, r.elapsed()) })
}

// tell changes the record and writes an event into it, in one write, then publishes the event.
func (r *run) tell(ctx context.Context, t contracts.EventType, data contracts.EventData, change func(*contracts.JobRecord) error) error {
	var ev contracts.Event
	err := r.save(ctx, func(rec *contracts.JobRecord) error {
		if err := change(rec); err != nil {
			return err
		}
		ev = jobs.Emit(rec, t, data, r.elapsed())
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.Saved(ev.Data.Phase))
	r.touch()
	if err := r.flush(ctx); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Told(ev.Data.Phase))
	return nil
}

// flush publishes what the record says that nobody may know yet, in order.
func (r *run) flush(ctx context.Context) error {
	for _, ev := range r.rec.Outbox {
		if err := r.s.publish(ctx, ev); err != nil {
			return err
		}
	}
	r.rec.Outbox = nil // with the next write: told again after an hour, it would be stored twice
	return nil
}

// finish writes the terminal event of a job that came to its own end.
func (r *run) finish(ctx context.Context, t contracts.EventType, data contracts.EventData) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.save(ctx, func(rec *contracts.JobRecord) error { return jobs.Finish(rec, t, data, r.elapsed()) })
}
