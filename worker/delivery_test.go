package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// An invalid request whose JSON grows sixfold when it is escaped is answered and buried like any
// other: it must not loop because its record does not fit into a message.
func TestInvalidRequestThatGrowsIsBuried(t *testing.T) {
	t.Parallel()
	srv, _, js := newNATS(t)
	one, err := New(Config{NATSURL: srv.ClientURL(), Masters: []string{"http://127.0.0.1:1"}}, quiet())
	must(t, err)
	ctx, stopWorker := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- one.Run(ctx) }()
	body := fmt.Sprintf(`{"id":%q,"cluster":"grown","y":%q}`, testJob, strings.Repeat("<", 200_000))
	_, err = js.Publish(t.Context(), contracts.SubjectCreate, []byte(body))
	must(t, err)

	limit := within(t, 20*time.Second)
	for _, stream := range []string{contracts.StreamResults, contracts.StreamDead} {
		c, err := js.OrderedConsumer(limit, stream, jetstream.OrderedConsumerConfig{})
		must(t, err)
		msg, err := c.Next(jetstream.FetchContext(limit))
		if err != nil {
			t.Fatalf("nothing in %s: %v", stream, err)
		}
		if stream == contracts.StreamDead && string(msg.Data()) != body {
			t.Errorf("the dead letter has %d bytes, not the original's %d", len(msg.Data()), len(body))
		}
	}
	stopWorker()
	must(t, <-done)
}

// A message is buried when nobody can read its job's record, and only then: what NATS cannot do
// now it can do later, however often the message has come.
func TestMessageWithoutRecord(t *testing.T) {
	t.Parallel()
	srv, nc, js := newNATS(t)
	w, err := New(Config{NATSURL: srv.ClientURL(), Masters: []string{"http://127.0.0.1:1"}}, quiet())
	must(t, err)
	w.store, err = openStore(t.Context(), nc, js, quiet())
	must(t, err)
	body, err := json.Marshal(contracts.CreateRequest{
		ID: testJob, Cluster: "orders", Masters: 3, Node: contracts.NodeResources{CPUs: 0.1, MemoryMB: 128},
	})
	must(t, err)
	_, err = js.Publish(t.Context(), contracts.SubjectCreate, body)
	must(t, err)
	consumer, err := js.Consumer(t.Context(), contracts.StreamJobs, ConsumerName)
	must(t, err)
	msg, err := consumer.Next()
	must(t, err)
	deliver := func(attempts uint64) (verdict, error) {
		return w.dispatch(t.Context(), &delivery{msg: msg, seq: 1, received: time.Now(), attempts: attempts})
	}

	_, err = w.store.jobs.Put(t.Context(), testJob, []byte("?"))
	must(t, err)
	if v, err := deliver(maxBlind); !errors.Is(err, errUnreadable) {
		t.Errorf("an unreadable record, delivery %d: %+v, %v", maxBlind, v, err)
	}
	if v, err := deliver(maxBlind + 1); err != nil || v.kind != terminate {
		t.Errorf("an unreadable record, delivery %d: %+v, %v", maxBlind+1, v, err)
	}
	must(t, js.DeleteKeyValue(t.Context(), contracts.BucketJobs))
	if v, err := deliver(100); err == nil {
		t.Errorf("no bucket, delivery 100: %+v", v)
	}
	dead, err := js.Stream(t.Context(), contracts.StreamDead)
	must(t, err)
	if n := dead.CachedInfo().State.Msgs; n != 1 {
		t.Errorf("%d dead letters", n)
	}
}
