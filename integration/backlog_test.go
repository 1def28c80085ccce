package integration

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
)

// Ten thousand requests in the queue cost a busy worker nothing: it takes no more of them than
// it works on, and leaves the others to the queue.
func TestBacklogCostsNoMemory(t *testing.T) {
	t.Parallel()
	const backlog, padding, most = 10_000, 4 << 10, 16 << 20 // the padding alone is 40 MB
	w := newWorld(t, agents(3, 4, 4096))
	cfg := w.config()
	cfg.Name, cfg.Concurrency = "busy", 1
	cfg.LaunchTimeout, cfg.StallTimeout = time.Hour, 2*time.Hour
	cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] && exec redis-server --version; exec sleep 600`)
	p := w.processWith(cfg)
	hanging := request("hanging", 3, 0)
	hanging.Deadline = contracts.Duration(time.Hour)
	w.publish(contracts.SubjectCreate, hanging)
	w.at(hanging.ID, contracts.PhaseLaunching)
	before := peakRSS(t, p)

	header := nats.Header{"Padding": {strings.Repeat("x", padding)}}
	var stored []jetstream.PubAckFuture
	for range backlog {
		body, err := json.Marshal(request("queued", 3, 0))
		must(t, err)
		one, err := w.js.PublishMsgAsync(&nats.Msg{Subject: contracts.SubjectCreate, Header: header, Data: body}, jetstream.WithStallWait(awaitLimit))
		must(t, err)
		stored = append(stored, one)
	}
	late := time.After(awaitLimit)
	for _, one := range stored {
		select {
		case <-one.Ok():
		case err := <-one.Err():
			t.Fatal(err)
		case <-late:
			t.Fatalf("the requests are not stored within %v", awaitLimit)
		}
	}
	// A worker that takes what it does not work on has had every chance once another message
	// went all the way through it.
	w.publish(contracts.SubjectCancel, contracts.CancelRequest{ID: "9d1b31a2-2c5e-4b0c-8a50-1f3d6f6f4a55", Job: hanging.ID})
	h := w.await(hanging.ID)
	if h.kind(h.end()) != contracts.EventCancelled {
		t.Fatalf("%s instead of cancelled\n%s", h.end().Type, h)
	}
	consumer, err := w.js.Consumer(t.Context(), contracts.StreamJobs, worker.ConsumerName)
	must(t, err)
	state := consumer.CachedInfo()
	after := peakRSS(t, p)
	t.Logf("%d messages wait, %d are with the worker; its peak memory was %.1f MiB before and is %.1f MiB now",
		state.NumPending, state.NumAckPending, float64(before)/(1<<20), float64(after)/(1<<20))
	if state.NumAckPending > 2 { // the one that was cancelled, the next one
		t.Errorf("a worker of concurrency 1 has %d messages", state.NumAckPending)
	}
	if after > before+most {
		t.Errorf("the worker grew by %d bytes", after-before)
	}
}
