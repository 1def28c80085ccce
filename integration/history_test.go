package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// history is what the event stream holds about one job.
type history []contracts.Event

func (h history) kind(ev contracts.Event) contracts.EventType {
	return contracts.EventType(strings.TrimPrefix(ev.Type, contracts.TypePrefix))
}

func (h history) end() contracts.Event { return h[len(h)-1] }

func (h history) String() string {
	var b strings.Builder
	for _, ev := range h {
		fmt.Fprintf(&b, "  %2d %6d ms %-10s %-18s %s\n", ev.Data.Seq, ev.Data.ElapsedMS, h.kind(ev), ev.Data.Phase, ev.Data.Message)
	}
	return b.String()
}

// awaitLimit bounds the wait for one job; requests that need nobody but a worker have a shorter deadline.
const awaitLimit = 150 * time.Second

// await follows a job's events from the first one to the terminal one, and judges them.
func (w *world) await(job string) history {
	w.t.Helper()
	h := w.follow(job, func(ev contracts.Event) bool { return history{}.kind(ev).Terminal() })
	h.judge(w.t)
	w.judgeResult(job, h.end())
	return h
}

// follow reads a job's events from the first one until the one that stop names.
func (w *world) follow(job string, stop func(contracts.Event) bool) history {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), awaitLimit)
	defer cancel()
	for {
		h, err := w.read(ctx, job, stop)
		if err == nil {
			return h
		}
		if ctx.Err() != nil {
			w.t.Fatalf("job %s has not come that far within %v: %v\n%s", job, awaitLimit, err, h)
		}
		time.Sleep(20 * time.Millisecond) // the stream has no leader who could say when it has one
	}
}

// read is follow until NATS has a bad moment: then it begins anew.
func (w *world) read(ctx context.Context, job string, stop func(contracts.Event) bool) (h history, err error) {
	begin, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	consumer, err := w.js.OrderedConsumer(begin, contracts.StreamEvents, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{contracts.JobEvents(job)}, DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return nil, err
	}
	for {
		msg, err := consumer.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return h, err
		}
		var ev contracts.Event
		must(w.t, json.Unmarshal(msg.Data(), &ev))
		h = append(h, ev)
		if stop(ev) {
			return h, nil
		}
	}
}

// judge checks the laws that every history keeps: CloudEvents 1.0, numbers without a gap, one
// terminal event and that the last, time that never goes back.
func (h history) judge(t testing.TB) {
	t.Helper()
	var problems []string
	note := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	elapsed := int64(0)
	for i, ev := range h {
		if ev.SpecVersion != "1.0" || ev.ID == "" || ev.Source == "" || ev.Type == "" || ev.Time.IsZero() {
			note("event %d lacks an attribute of CloudEvents 1.0: %+v", i+1, ev)
		}
		if ev.Data.Seq != uint64(i+1) {
			note("event %d has number %d", i+1, ev.Data.Seq)
		}
		if ev.Data.ElapsedMS < elapsed {
			note("event %d was before the one before it: %d ms after %d ms", i+1, ev.Data.ElapsedMS, elapsed)
		}
		elapsed = ev.Data.ElapsedMS
		if since := ev.Time.Sub(h[0].Time).Milliseconds() - (ev.Data.ElapsedMS - h[0].Data.ElapsedMS); since < -2 || since > 2 {
			note("event %d is of another clock: %v, %d ms after the request", i+1, ev.Time, ev.Data.ElapsedMS)
		}
		if last := i == len(h)-1; h.kind(ev).Terminal() != last {
			note("event %d of %d is %s", i+1, len(h), h.kind(ev))
		}
	}
	if len(problems) > 0 {
		t.Fatalf("the history of the job breaks its laws:\n%s\n%s", strings.Join(problems, "\n"), h)
	}
}

// judgeResult checks that the results stream has the terminal event, once.
func (w *world) judgeResult(job string, end contracts.Event) {
	w.t.Helper()
	results, err := w.js.Stream(w.t.Context(), contracts.StreamResults)
	must(w.t, err)
	msg, err := results.GetLastMsgForSubject(w.t.Context(), contracts.ResultSubject(job))
	must(w.t, err)
	var result contracts.Event
	must(w.t, json.Unmarshal(msg.Data, &result))
	if result.ID != end.ID || result.Type != end.Type {
		w.t.Errorf("the result is %s %s, the terminal event %s %s", result.ID, result.Type, end.ID, end.Type)
	}
}

// settled waits until the queue is empty: every job has ended and was acknowledged.
func (w *world) settled() {
	w.t.Helper()
	deadline := time.Now().Add(awaitLimit)
	for {
		jobs, err := w.js.Stream(w.t.Context(), contracts.StreamJobs)
		must(w.t, err)
		if jobs.CachedInfo().State.Msgs == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d messages are still in the queue", jobs.CachedInfo().State.Msgs)
		}
		time.Sleep(20 * time.Millisecond) // the stream tells nobody when it becomes empty
	}
}

// noRecord checks that a cluster's name is free.
func (w *world) noRecord(cluster string) {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.t.Context(), contracts.BucketClusters)
	must(w.t, err)
	keys, err := kv.Keys(w.t.Context()) // of the leader; Get may ask a replica that lags
	if slices.Contains(keys, cluster) || err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		w.t.Errorf("the name %s is still taken (%v)", cluster, err)
	}
}

// events is all that the event stream holds about a job now.
func (w *world) events(job string) history {
	w.t.Helper()
	stream, err := w.js.Stream(w.t.Context(), contracts.StreamEvents)
	must(w.t, err)
	info, err := stream.Info(w.t.Context(), jetstream.WithSubjectFilter(contracts.JobEvents(job)))
	must(w.t, err)
	n := uint64(0)
	for _, count := range info.State.Subjects {
		n += count
	}
	left := n
	return w.follow(job, func(ev contracts.Event) bool {
		if ev.Data.Seq == 1 {
			left = n
		}
		left--
		return left == 0
	})
}
