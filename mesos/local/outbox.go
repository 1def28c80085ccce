package local

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Chaos lets the master and the agents behave as busy ones: every event waits a random while,
// offers come one agent at a time, one in eight status updates comes twice, and processes
// start late. The order of events is kept, but for offers of different agents.
type Chaos struct {
	// MaxDelay bounds the wait before each event and before each start of a process.
	MaxDelay time.Duration
	// Seed makes what is drawn for the events repeatable.
	Seed uint64
}

// pause waits a random while, not beyond ctx; without Chaos not at all.
func (c *Chaos) pause(ctx context.Context) {
	if c == nil || c.MaxDelay <= 0 {
		return
	}
	timer := time.NewTimer(rand.N(c.MaxDelay))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// outbox passes events on to the streams, at once or, with Chaos, later.
type outbox struct {
	loop  *loop
	chaos *Chaos
	rand  *rand.Rand
	queue map[*stream][]delayed // in the order that they are due
}

type delayed struct {
	due time.Time
	fn  func()
}

func newOutbox(l *loop, chaos *Chaos) *outbox {
	o := &outbox{loop: l, chaos: chaos, queue: map[*stream][]delayed{}}
	if chaos != nil {
		o.rand = rand.New(rand.NewPCG(chaos.Seed, chaos.Seed))
	}
	return o
}

func (o *outbox) send(s *stream, event *scheduler.Event) {
	if o.chaos == nil || o.chaos.MaxDelay <= 0 {
		s.send(event)
		return
	}
	for _, e := range o.split(event) {
		o.later(s, func() { s.send(e) })
	}
}

// end ends a stream after what was sent to it.
func (o *outbox) end(s *stream) {
	if len(o.queue[s]) == 0 {
		s.end()
		return
	}
	o.later(s, s.end)
}

// forget drops what waits for a stream that is gone.
func (o *outbox) forget(s *stream) { delete(o.queue, s) }

func (o *outbox) later(s *stream, fn func()) {
	queue := o.queue[s]
	due := time.Now().Add(time.Duration(o.rand.Int64N(int64(o.chaos.MaxDelay))))
	if n := len(queue); n > 0 && due.Before(queue[n-1].due) {
		due = queue[n-1].due
	}
	o.queue[s] = append(queue, delayed{due, fn})
	if len(queue) == 0 {
		o.drain(s)
	}
}

// drain passes on what is due and comes back for the rest.
func (o *outbox) drain(s *stream) {
	for len(o.queue[s]) > 0 {
		first := o.queue[s][0]
		if wait := time.Until(first.due); wait > 0 {
			o.loop.after(wait, func() { o.drain(s) })
			return
		}
		first.fn()
		o.queue[s] = o.queue[s][1:]
	}
	delete(o.queue, s)
}

// split makes one event of each offer, in random order, and repeats some updates.
func (o *outbox) split(event *scheduler.Event) []*scheduler.Event {
	if event.Update != nil && event.Update.Status.UUID != nil && o.rand.IntN(8) == 0 {
		return []*scheduler.Event{event, event}
	}
	if event.Offers == nil {
		return []*scheduler.Event{event}
	}
	var out []*scheduler.Event
	for _, i := range o.rand.Perm(len(event.Offers.Offers)) {
		offers := &scheduler.Event_Offers{}
		offers.Offers = append(offers.Offers, event.Offers.Offers[i])
		out = append(out, &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: offers})
	}
	return out
}
