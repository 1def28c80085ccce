package local

import (
	"math/rand/v2"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// outbox passes events on to the streams, at once or, with Chaos, later.
type outbox struct {
	loop    *loop
	chaos   *chaos
	streams map[*stream]*delivery
}

// delivery is what is under way to one stream.
type delivery struct {
	rand  *rand.Rand
	since time.Time
	queue []delayed            // by the time that they are due
	lanes map[string]time.Time // when the last one of each lane is due: a lane keeps its order
	floor time.Time            // nothing more is due before
}

type delayed struct {
	due time.Time
	fn  func()
}

func newOutbox(l *loop, c *chaos) *outbox {
	return &outbox{loop: l, chaos: c, streams: map[*stream]*delivery{}}
}

// mainLane is that of everything but status updates. SUBSCRIBED and FAILURE hold back what comes
// after them in all lanes.
const mainLane = ""

func (o *outbox) send(s *stream, event *scheduler.Event) {
	if o.chaos == nil {
		s.send(event)
		return
	}
	d := o.to(s)
	switch {
	case event.Update != nil:
		o.update(s, d, event)
	case event.Offers != nil:
		for _, e := range split(d.rand, event) {
			o.later(s, mainLane, func() { s.send(e) })
		}
	default:
		o.later(s, mainLane, func() { s.send(event) })
		if event.Subscribed != nil || event.Failure != nil {
			d.floor = d.lanes[mainLane]
		}
	}
}

func (o *outbox) to(s *stream) *delivery {
	d := o.streams[s]
	if d == nil {
		d = &delivery{rand: o.chaos.generator("stream " + s.name), since: time.Now(), lanes: map[string]time.Time{}}
		o.streams[s] = d
	}
	return d
}

// takeover is for how long a stream that took a framework over is unruly.
const takeover = time.Second

// update sends a status in its task's lane, sometimes twice. What the master says of itself has
// a lane of its own after a takeover, and follows what the agent has said else.
func (o *outbox) update(s *stream, d *delivery, event *scheduler.Event) {
	status := event.Update.Status
	lane, twice := "task "+status.TaskID.Value, 8
	if s.takesOver && time.Since(d.since) < takeover {
		twice = 2
		if status.GetSource() == mesos.SOURCE_MASTER && status.GetReason() == mesos.REASON_RECONCILIATION {
			lane = "reconciled " + status.TaskID.Value
		}
	}
	o.later(s, lane, func() { s.send(event) })
	if d.rand.IntN(twice) == 0 {
		o.later(s, lane, func() { s.send(event) })
	}
}

// end ends a stream after what was sent to it.
func (o *outbox) end(s *stream) {
	d := o.streams[s]
	if d == nil || len(d.queue) == 0 {
		s.end()
		return
	}
	o.put(s, d, d.queue[len(d.queue)-1].due, s.end)
}

// forget drops what waits for a stream that is gone.
func (o *outbox) forget(s *stream) { delete(o.streams, s) }

func (o *outbox) later(s *stream, lane string, fn func()) {
	d := o.to(s)
	due := time.Now().Add(time.Duration(d.rand.Int64N(int64(o.chaos.MaxDelay))))
	for _, least := range []time.Time{d.lanes[lane], d.floor} {
		if due.Before(least) {
			due = least
		}
	}
	d.lanes[lane] = due
	o.put(s, d, due, fn)
}

// put queues fn behind all that is due no later.
func (o *outbox) put(s *stream, d *delivery, due time.Time, fn func()) {
	at, _ := slices.BinarySearchFunc(d.queue, due, func(x delayed, t time.Time) int {
		if x.due.After(t) {
			return 1
		}
		return -1
	})
	d.queue = slices.Insert(d.queue, at, delayed{due, fn})
	if at == 0 {
		o.drain(s, d)
	}
}

// drain passes on what is due and comes back for the rest.
func (o *outbox) drain(s *stream, d *delivery) {
	for o.streams[s] == d && len(d.queue) > 0 {
		first := d.queue[0]
		if wait := time.Until(first.due); wait > 0 {
			o.loop.after(wait, func() { o.drain(s, d) })
			return
		}
		d.queue = d.queue[1:]
		first.fn()
	}
}
