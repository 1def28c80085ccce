package local

import (
	"math/rand/v2"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Chaos lets the master behave as a busy one: every event waits a random while, and offers
// come one agent at a time. The order of events is kept, but for offers of different agents.
type Chaos struct {
	// MaxDelay bounds the wait before each event.
	MaxDelay time.Duration
	// Seed makes the waits repeatable.
	Seed uint64
}

// outbox passes events on to the streams, at once or, with Chaos, later.
type outbox struct {
	loop  *loop
	chaos *Chaos
	rand  *rand.Rand
	last  map[*stream]time.Time // when the stream's last event is due
}

func newOutbox(l *loop, chaos *Chaos) *outbox {
	o := &outbox{loop: l, chaos: chaos, last: map[*stream]time.Time{}}
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
	if o.last[s].IsZero() {
		s.end()
		return
	}
	o.later(s, s.end)
	delete(o.last, s)
}

// forget drops what is known of a stream that is gone.
func (o *outbox) forget(s *stream) { delete(o.last, s) }

func (o *outbox) later(s *stream, fn func()) {
	now := time.Now()
	due := now.Add(time.Duration(o.rand.Int64N(int64(o.chaos.MaxDelay))))
	if last := o.last[s]; due.Before(last) {
		due = last.Add(time.Microsecond)
	}
	o.last[s] = due
	// Timers may fire out of order by little; the queue of the loop keeps what is due first.
	o.loop.after(due.Sub(now), fn)
}

// split makes one event of each offer, in random order.
func (o *outbox) split(event *scheduler.Event) []*scheduler.Event {
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
