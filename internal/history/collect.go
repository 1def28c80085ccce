package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Source is where a run's leftovers are.
type Source struct {
	JetStream jetstream.JetStream
	// Mesos is the base URL of the leading master; empty: one of which nothing can be said.
	Mesos string
	// Sandboxes is the folder under which the agents keep their sandboxes.
	Sandboxes string
}

// Collect reads everything that is left of a run. What only the run itself knows (Requests,
// Samples, Harmed) is the caller's to fill in.
func Collect(ctx context.Context, src Source) (Snapshot, error) {
	s := Snapshot{Jobs: map[string]Job{}, Clusters: map[string]Cluster{}, Views: map[string]View{}}
	queue, err := src.JetStream.Stream(ctx, "CLUSTERSMITH_JOBS")
	if err != nil {
		return s, fmt.Errorf("history: the queue: %w", err)
	}
	s.Queued = queue.CachedInfo().State.Msgs
	if s.Events, err = readEvents(ctx, src.JetStream, "CLUSTERSMITH_EVENTS"); err != nil {
		return s, err
	}
	if s.Results, err = readEvents(ctx, src.JetStream, "CLUSTERSMITH_RESULTS"); err != nil {
		return s, err
	}
	if err := each(ctx, src.JetStream, "CLUSTERSMITH_DEAD", func(m *jetstream.RawStreamMsg) {
		seq, _ := strconv.ParseUint(m.Header.Get("Clustersmith-Sequence"), 10, 64) // 0 is no message's
		s.Dead = append(s.Dead, DeadLetter{Sequence: seq, Reason: m.Header.Get("Clustersmith-Reason"), Body: m.Data})
	}); err != nil {
		return s, err
	}
	if err := s.readBuckets(ctx, src.JetStream); err != nil {
		return s, err
	}
	if src.Mesos != "" {
		if s.Frameworks, err = Frameworks(ctx, src.Mesos); err != nil {
			return s, err
		}
	}
	if s.Processes, err = Processes(src.Sandboxes); err != nil {
		return s, err
	}
	for _, c := range s.Clusters {
		if c.Plan == nil {
			continue
		}
		for _, n := range c.Plan.Nodes {
			s.Views[n.address()] = Ask(ctx, n.address())
		}
	}
	return s, ctx.Err()
}

func (s *Snapshot) readBuckets(ctx context.Context, js jetstream.JetStream) error {
	var errs []error
	err := eachKey(ctx, js, "clustersmith-jobs", func(key string, value []byte) {
		if strings.Contains(key, ".") {
			return // a cancellation, a plan
		}
		var r Job
		if err := json.Unmarshal(value, &r); err != nil {
			errs = append(errs, fmt.Errorf("history: record of job %s: %w", key, err))
		}
		s.Jobs[key] = r
	})
	errs = append(errs, err)
	err = eachKey(ctx, js, "clustersmith-clusters", func(key string, value []byte) {
		var c Cluster
		if err := json.Unmarshal(value, &c); err != nil {
			errs = append(errs, fmt.Errorf("history: record of cluster %s: %w", key, err))
		}
		s.Clusters[key] = c
	})
	errs = append(errs, err)
	err = eachKey(ctx, js, "clustersmith-leases", func(key string, _ []byte) {
		if strings.HasPrefix(key, "mesos.") { // a turn ends by itself and blocks nobody for long
			s.Leases = append(s.Leases, key)
		}
	})
	return errors.Join(append(errs, err)...)
}

func readEvents(ctx context.Context, js jetstream.JetStream, stream string) (events []Event, err error) {
	err = each(ctx, js, stream, func(m *jetstream.RawStreamMsg) {
		var ev Event
		if err := json.Unmarshal(m.Data, &ev); err != nil {
			ev.Broken = err.Error()
		}
		ev.Stream, ev.Subject, ev.MessageID = m.Sequence, m.Subject, m.Header.Get("Nats-Msg-Id")
		events = append(events, ev)
	})
	return events, err
}

// each reads a stream from its first message to its last. It asks the leader, as consumers do: a
// replica may lag.
func each(ctx context.Context, js jetstream.JetStream, name string, do func(*jetstream.RawStreamMsg)) error {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("history: stream %s: %w", name, err)
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return fmt.Errorf("history: stream %s: %w", name, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("history: stream %s: %w", name, err)
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("history: stream %s: %w", name, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("history: stream %s: %w", name, err)
		}
		do(&jetstream.RawStreamMsg{
			Subject: m.Subject(), Sequence: meta.Sequence.Stream, Header: m.Headers(), Data: m.Data(), Time: meta.Timestamp,
		})
		if meta.NumPending == 0 {
			return nil
		}
	}
}

// eachKey reads the keys that a bucket has now.
func eachKey(ctx context.Context, js jetstream.JetStream, bucket string, do func(key string, value []byte)) error {
	kv, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return fmt.Errorf("history: bucket %s: %w", bucket, err)
	}
	watch, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("history: bucket %s: %w", bucket, err)
	}
	defer watch.Stop() //nolint:errcheck // it has told all that we asked for
	for {
		select {
		case e, ok := <-watch.Updates():
			if !ok {
				return fmt.Errorf("history: bucket %s: the watch was closed", bucket)
			}
			if e == nil {
				return nil
			}
			do(e.Key(), e.Value())
		case <-ctx.Done():
			return fmt.Errorf("history: bucket %s: %w", bucket, context.Cause(ctx))
		}
	}
}
