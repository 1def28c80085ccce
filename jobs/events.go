package jobs

import (
	"fmt"
	"slices"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// Emit numbers an event and puts it into the record's outbox, behind those that the owner could not
// publish yet. data's fields that every event shares are filled in. elapsed is the time since the
// stream stored the request: the event's time is the server's.
func Emit(r *contracts.JobRecord, t contracts.EventType, data contracts.EventData, elapsed time.Duration) contracts.Event {
	r.Seq++
	data.Job, data.Cluster, data.Seq = r.Job, r.Cluster, r.Seq
	data.Phase, data.Attempt, data.ElapsedMS = r.Phase, r.Attempt, elapsed.Milliseconds()
	ev := contracts.NewEvent(r.Owner, t, data, r.Received.Add(elapsed))
	r.Outbox = append(slices.Clip(r.Outbox), ev)
	return ev
}

// terminalPhase is the phase that each terminal event type ends in.
var terminalPhase = map[contracts.EventType]contracts.Phase{
	contracts.EventVerified:  contracts.PhaseVerified,
	contracts.EventFailed:    contracts.PhaseFailed,
	contracts.EventCancelled: contracts.PhaseCancelled,
	contracts.EventDestroyed: contracts.PhaseDestroyed,
}

// Finish writes the terminal event into the record; the outbox stays as it is, and is to be published
// first. It is an error on a record that has a terminal event.
func Finish(r *contracts.JobRecord, t contracts.EventType, data contracts.EventData, elapsed time.Duration) error {
	phase, ok := terminalPhase[t]
	switch {
	case !ok:
		return fmt.Errorf("jobs: %s is no terminal event", t)
	case r.Terminal != nil:
		return fmt.Errorf("jobs: job %s has ended already, as %s", r.Job, r.Phase)
	}
	leave(r, phase, elapsed)
	if t == contracts.EventVerified {
		data.Timings = r.Timings
	}
	before := r.Outbox
	ev := Emit(r, t, data, elapsed)
	r.Terminal, r.Outbox = &ev, before
	r.Pending, r.Cleanup = nil, false
	return nil
}

// FinishPending ends the job with its pending outcome.
func FinishPending(r *contracts.JobRecord, elapsed time.Duration) error {
	p := r.Pending
	if p == nil {
		return fmt.Errorf("jobs: job %s has no pending outcome", r.Job)
	}
	return Finish(r, p.Type, contracts.EventData{Reason: p.Reason, Message: p.Message, Details: p.Details}, elapsed)
}
