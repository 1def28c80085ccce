package worker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/nats-io/nats.go/jetstream"
)

// An event whose publishing was cut short, by a cancellation perhaps, is told before the next one,
// also where that is the job's end.
func TestEventThatWasCutShortIsTold(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	r := workedOn(t, s, newJob())
	r.kind = contracts.JobVerify // which has no name to free
	cutShort := func() {
		t.Helper()
		must(t, r.save(t.Context(), func(rec *contracts.JobRecord) error {
			jobs.Emit(rec, contracts.EventProgress, contracts.EventData{}, r.elapsed())
			return nil
		}))
	}
	cutShort()
	cutShort()
	must(t, r.emit(t.Context(), contracts.EventProgress, contracts.EventData{}))
	cutShort()
	must(t, r.save(t.Context(), func(rec *contracts.JobRecord) error {
		jobs.Abandon(rec, &contracts.Outcome{Type: contracts.EventCancelled}, nil, nil)
		return nil
	}))
	must(t, r.end(t.Context()))
	_, err := r.publishEnd(t.Context())
	must(t, err)

	events, err := s.js.OrderedConsumer(t.Context(), contracts.StreamEvents, jetstream.OrderedConsumerConfig{})
	must(t, err)
	for n := uint64(1); n <= 5; n++ {
		msg, err := events.Next(jetstream.FetchMaxWait(5 * time.Second))
		must(t, err)
		var ev contracts.Event
		must(t, json.Unmarshal(msg.Data(), &ev))
		if ev.Data.Seq != n || ev.EventType().Terminal() != (n == 5) {
			t.Errorf("event %d is number %d, %s", n, ev.Data.Seq, ev.Type)
		}
	}
	if now, err := s.job(t.Context(), testJob); err != nil || len(now.rec.Outbox) != 0 {
		t.Errorf("%d events wait in the record (%v)", len(now.rec.Outbox), err)
	}
}
