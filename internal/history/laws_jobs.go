package history

import (
	"bytes"
	"fmt"
	"slices"
)

// requests: every accepted request has an end, and no job has two.
func (j *judge) requests() {
	silent := map[string]string{}
	for _, r := range j.s.Requests {
		if !r.Poison && r.Kind != "cancel" && len(j.jobs[r.ID]) == 0 {
			silent[r.ID] = r.Kind
		}
	}
	for _, id := range sorted(silent) {
		j.note("end", id, "the %s request was accepted and nothing was ever said of it", silent[id])
	}
	for _, job := range sorted(j.jobs) {
		var ends []string
		for _, ev := range j.jobs[job] {
			if ev.terminal() {
				ends = append(ends, ev.kind())
			}
		}
		if len(ends) != 1 {
			last := j.jobs[job][len(j.jobs[job])-1]
			j.note("end", job, "%d terminal events %v; the last event is %s in phase %s", len(ends), ends, last.kind(), last.Data.Phase)
		}
	}
}

// ids: each event stands under its own ID and on its own subject, once.
func (j *judge) ids() {
	seen := map[string]uint64{}
	for _, ev := range j.s.Events {
		if ev.Broken != "" {
			j.note("id", fmt.Sprintf("event %d", ev.Stream), "it cannot be read: %s", ev.Broken)
			continue
		}
		if want := fmt.Sprintf("%s.%d", ev.Data.Job, ev.Data.Seq); ev.ID != want || ev.MessageID != want {
			j.note("id", ev.Data.Job, "event %d has the ID %q and the message ID %q instead of %q", ev.Stream, ev.ID, ev.MessageID, want)
		}
		if first, twice := seen[ev.MessageID]; twice {
			j.note("id", ev.Data.Job, "events %d and %d share the message ID %s", first, ev.Stream, ev.MessageID)
		}
		seen[ev.MessageID] = ev.Stream
		if want := "clustersmith.v1.events." + ev.Data.Cluster + "." + ev.Data.Job + "." + ev.kind(); ev.Subject != want {
			j.note("id", ev.Data.Job, "event %d is on %s instead of %s", ev.Stream, ev.Subject, want)
		}
	}
}

// numbers: 1, 2, 3 …, and the terminal event is the last.
func (j *judge) numbers(job string, events []Event) {
	ended := false
	for i, ev := range events {
		if ev.Data.Seq != uint64(i+1) {
			j.note("seq", job, "event %d of the job has the number %d (%s, %s)", i+1, ev.Data.Seq, ev.kind(), ev.Data.Phase)
		}
		if ended && !ev.terminal() {
			j.note("last", job, "%s in phase %s after the terminal event", ev.kind(), ev.Data.Phase)
		}
		ended = ended || ev.terminal()
	}
}

// phases in their order within an attempt.
var phases = []string{
	"accepted", "waiting_resources", "planned", "launching", "starting", "forming", "verifying", "destroying",
	"verified", "failed", "cancelled", "destroyed",
}

// order: nothing goes back, but for phases when a new attempt begins.
func (j *judge) order(job string, events []Event) {
	for i := 1; i < len(events); i++ {
		before, ev := events[i-1].Data, events[i].Data
		a, b := slices.Index(phases, before.Phase), slices.Index(phases, ev.Phase)
		switch {
		case b < 0:
			j.note("order", job, "event %d is in no known phase: %q", i+1, ev.Phase)
		case ev.Attempt < before.Attempt:
			j.note("order", job, "attempt %d after attempt %d", ev.Attempt, before.Attempt)
		case ev.Attempt == before.Attempt && b < a:
			j.note("order", job, "phase %s after %s in attempt %d", ev.Phase, before.Phase, ev.Attempt)
		}
		if ev.ElapsedMS < before.ElapsedMS {
			j.note("order", job, "%d ms after %d ms (event %d, %s)", ev.ElapsedMS, before.ElapsedMS, i+1, ev.Phase)
		}
	}
}

// results: one for each job, and it is the terminal event.
func (j *judge) results() {
	results := map[string]Event{}
	for _, r := range j.s.Results {
		if _, twice := results[r.Data.Job]; twice {
			j.note("result", r.Data.Job, "there are two results")
		}
		results[r.Data.Job] = r
		if want := "clustersmith.v1.results." + r.Data.Job; r.Subject != want {
			j.note("result", r.Data.Job, "the result is on %s instead of %s", r.Subject, want)
		}
		if _, ended := j.end(r.Data.Job); !ended {
			j.note("result", r.Data.Job, "there is a result, %s, and no terminal event", r.kind())
		}
	}
	for _, job := range sorted(j.jobs) {
		end, ended := j.end(job)
		if !ended {
			continue
		}
		r, there := results[job]
		switch {
		case !there:
			j.note("result", job, "it ended as %s and has no result", end.kind())
		case r.ID != end.ID || r.Type != end.Type || r.Data.Reason != end.Data.Reason || !r.Time.Equal(end.Time):
			j.note("result", job, "the result is %s %s, the terminal event %s %s", r.ID, r.kind(), end.ID, end.kind())
		}
	}
}

// records: a job's record says what its events say, and owes nothing.
func (j *judge) records() {
	for _, job := range sorted(j.jobs) {
		if _, there := j.s.Jobs[job]; !there {
			j.note("record", job, "it has events and no record")
		}
	}
	for _, job := range sorted(j.s.Jobs) {
		r := j.s.Jobs[job]
		end, ended := j.end(job)
		switch {
		case r.Terminal == nil:
			j.note("record", job, "its record has not ended; it is in phase %s", r.Phase)
		case !ended:
			j.note("record", job, "its record has ended as %s, and no event says so", r.Terminal.kind())
		case r.Terminal.ID != end.ID || r.Terminal.Type != end.Type:
			j.note("record", job, "its record has ended with %s %s, its events with %s %s", r.Terminal.ID, r.Terminal.kind(), end.ID, end.kind())
		case len(r.Outbox) > 0:
			j.note("record", job, "%d events wait in the outbox of a job that has ended", len(r.Outbox))
		}
	}
}

// dead: poison is a dead letter, byte for byte, and what could be worked on is none.
func (j *judge) dead() {
	letters := map[uint64]DeadLetter{}
	for _, d := range j.s.Dead {
		if _, twice := letters[d.Sequence]; twice {
			j.note("dead", fmt.Sprintf("message %d", d.Sequence), "there are two dead letters of it")
		}
		letters[d.Sequence] = d
	}
	for _, r := range j.s.Requests {
		of := fmt.Sprintf("message %d", r.Seq)
		d, there := letters[r.Seq]
		switch {
		case r.Poison && !there:
			j.note("dead", of, "it cannot be worked on and is no dead letter")
		case there && !bytes.Equal(d.Body, r.Body):
			j.note("dead", of, "the dead letter has %d other bytes than the %d of the original", len(d.Body), len(r.Body))
		case !r.Poison && there:
			if end, ended := j.end(r.ID); !ended || end.kind() != "failed" || end.Data.Reason != "internal" || d.Reason != "internal" {
				j.note("dead", of, "the %s request %s is a dead letter (%s) and did not fail for an internal reason", r.Kind, r.ID, d.Reason)
			}
		}
	}
}
