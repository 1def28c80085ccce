// Package follow reads a job's or a cluster's events from JetStream, from the first one on and
// then as they come.
//
// Laws:
//   - Every event is handed over once and in the order of its job's seq; repetitions are dropped.
//   - A lost connection, a restarted server or a consumer that went away ends nothing: reading goes on
//     behind the last event that was read. Only the end of ctx, a missing stream, a closed
//     connection and, at the beginning, a server that does not answer end it.
package follow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoStream says that the server has no stream of events: no worker has ever run on it.
var ErrNoStream = errors.New("there is no stream " + contracts.StreamEvents)

// Follower says what to read.
type Follower struct {
	JS jetstream.JetStream
	// Subject filters the events: contracts.JobEvents, contracts.ClusterEvents.
	Subject string
	// From is the first sequence of the stream to read; 0 is the beginning.
	From uint64
	// Trouble, where set, is told of an interruption, once until events come again.
	Trouble func(error)
}

const (
	openTimeout   = 5 * time.Second
	pullExpiry    = 10 * time.Second
	pullHeartbeat = 2 * time.Second // two of them missed, and the consumer is made anew
	retryMin      = 100 * time.Millisecond
	retryMax      = 2 * time.Second
)

// Run hands every event to handle, until handle returns true or ctx is over.
func (f Follower) Run(ctx context.Context, handle func(contracts.Event) (done bool)) error {
	r := reader{Follower: f, next: max(f.From, 1), seen: map[string]uint64{}, handle: handle}
	if err := f.check(ctx); err != nil {
		return err
	}
	for wait := retryMin; ; {
		before := r.next
		done, err := r.read(ctx)
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return ErrNoStream
		case errors.Is(err, nats.ErrConnectionClosed):
			return err
		}
		if wait = min(2*wait, retryMax); r.next != before {
			wait = retryMin
		}
		if f.Trouble != nil && !r.troubled {
			r.troubled = true
			f.Trouble(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// check tells a server without JetStream or without the stream from one that is in trouble.
func (f Follower) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	_, err := f.JS.Stream(ctx, contracts.StreamEvents)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return ErrNoStream
	}
	return err
}

type reader struct {
	Follower
	handle   func(contracts.Event) bool
	next     uint64            // sequence of the stream to read next
	seen     map[string]uint64 // a job's last seq
	troubled bool
}

// read reads with one consumer, until it fails.
func (r *reader) read(ctx context.Context) (done bool, err error) {
	open, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	consumer, err := r.JS.OrderedConsumer(open, contracts.StreamEvents, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{r.Subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
	})
	if err != nil {
		return false, fmt.Errorf("follow: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
	if err != nil {
		return false, fmt.Errorf("follow: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return false, fmt.Errorf("follow: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return false, fmt.Errorf("follow: %w", err)
		}
		r.troubled = false
		r.next = meta.Sequence.Stream + 1
		ev, err := contracts.ParseEvent(msg.Data())
		if err != nil {
			continue // of a later version, or of a stranger: not for us
		}
		if ev.Data.Seq <= r.seen[ev.Data.Job] {
			continue
		}
		r.seen[ev.Data.Job] = ev.Data.Seq
		if r.handle(ev) {
			return true, nil
		}
	}
}
