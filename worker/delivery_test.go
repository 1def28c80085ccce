package worker

import (
	"context"
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
