package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/clustersmith/clustersmith/internal/history"
)

// tail reads the event stream from its first message on, message by message: so it needs no
// consumer, which a restart of NATS would end.
type tail struct {
	stop context.CancelFunc
	done chan struct{}

	mu     sync.Mutex
	events []history.Event
	ends   map[string]history.Event // terminal events by job
	more   chan struct{}            // closed when another event has come
}

func newTail(js jetstream.JetStream) *tail {
	ctx, stop := context.WithCancel(context.Background())
	t := &tail{stop: stop, done: make(chan struct{}), ends: map[string]history.Event{}, more: make(chan struct{})}
	go func() {
		defer close(t.done)
		for seq := uint64(1); ctx.Err() == nil; {
			once, cancel := context.WithTimeout(ctx, 2*time.Second)
			m, err := read(once, js, seq)
			cancel()
			switch {
			case err == nil:
				t.add(m)
				seq++
			case errors.Is(err, jetstream.ErrMsgNotFound):
				sleep(ctx, 20*time.Millisecond) //nolint:errcheck // the loop looks
			default:
				sleep(ctx, 200*time.Millisecond) //nolint:errcheck // NATS is away
			}
		}
	}()
	return t
}

func read(ctx context.Context, js jetstream.JetStream, seq uint64) (*jetstream.RawStreamMsg, error) {
	stream, err := js.Stream(ctx, "CLUSTERSMITH_EVENTS")
	if err != nil {
		return nil, err
	}
	return stream.GetMsg(ctx, seq)
}

func (t *tail) end() {
	t.stop()
	<-t.done
}

func (t *tail) add(m *jetstream.RawStreamMsg) {
	var ev history.Event
	if json.Unmarshal(m.Data, &ev) != nil {
		return // the judge tells
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, ev)
	if p := ev.Data.Phase; (p == "verified" || p == "failed" || p == "cancelled" || p == "destroyed") && t.ends[ev.Data.Job].ID == "" {
		t.ends[ev.Data.Job] = ev
	}
	close(t.more)
	t.more = make(chan struct{})
}

// ended waits until a job has ended.
func (t *tail) ended(ctx context.Context, job string) (history.Event, error) {
	for {
		t.mu.Lock()
		end, more := t.ends[job], t.more
		t.mu.Unlock()
		if end.ID != "" {
			return end, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return end, context.Cause(ctx)
		}
	}
}

// next waits until a create job, any one, comes to one of some phases, and returns it.
func (t *tail) next(ctx context.Context, phases ...string) (job string, err error) {
	t.mu.Lock()
	from := len(t.events)
	t.mu.Unlock()
	for {
		t.mu.Lock()
		news, more := t.events[from:], t.more
		from = len(t.events)
		t.mu.Unlock()
		for _, ev := range news {
			if slices.Contains(phases, ev.Data.Phase) && !strings.HasPrefix(ev.Data.Cluster, "poisoned") {
				return ev.Data.Job, nil
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// all is every event so far.
func (t *tail) all() []history.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}
