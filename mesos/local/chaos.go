package local

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Chaos lets the master and the agents behave as busy ones on a bad day:
//
//   - every event, to frameworks and to executors, waits a random while, and processes start late;
//   - offers come agent by agent and in batches; some agents come later, and so do declined
//     resources and what an ACCEPT left over;
//   - one in eight status updates comes twice. Updates of different tasks overtake each other;
//     on a stream that took a framework over more of them come twice, and what the master says
//     about a task overtakes what the agent says about it;
//   - with Losses, things go wrong too: see there.
//
// What a real Mesos never does, it does not do either: SUBSCRIBED is first, the updates of one
// task by its agent keep their order, and so do OFFERS and RESCIND.
//
// What is drawn depends on Seed and on the name of that which it is drawn for: each stream
// (the framework's name, and which of its streams it is), each agent (its place in the
// configuration), each executor. So a seed gives each of them the same again, whatever the
// order in which they happen to run.
type Chaos struct {
	// MaxDelay bounds the wait before each event and before each start of a process.
	MaxDelay time.Duration
	Seed     uint64
	// Losses lets half of the frameworks' names meet one loss, once: an offer is rescinded just
	// before its ACCEPT (TASK_DROPPED), an agent does not take a task (TASK_GONE), an executor's
	// stream breaks before its tasks have arrived (TASK_DROPPED again), or the master gives an
	// agent up for a moment (TASK_UNREACHABLE, then what the task is). A restarted master finds
	// its agents late, so that it may answer TASK_UNKNOWN before. One in three executors loses
	// its first stream later, with the events that are under way: a KILL, say.
	Losses bool
}

// NewChaos is everything that Chaos has, with delays of up to 5 to 60 ms by the seed.
func NewChaos(seed uint64) *Chaos {
	delay := rand.New(rand.NewPCG(seed, 0)).IntN(56) + 5
	return &Chaos{MaxDelay: time.Duration(delay) * time.Millisecond, Seed: seed, Losses: true}
}

// chaos is Chaos at work, shared by the master's runs and the agents; nil does nothing.
type chaos struct {
	Chaos
	mu   sync.Mutex
	made map[string]int  // generators, by name
	lost map[string]bool // names of frameworks that had their loss
}

func newChaos(c *Chaos) *chaos {
	if c == nil || c.MaxDelay <= 0 {
		return nil
	}
	return &chaos{Chaos: *c, made: map[string]int{}, lost: map[string]bool{}}
}

// generator is the next generator of a name. It belongs to the caller.
func (c *chaos) generator(name string) *rand.Rand {
	c.mu.Lock()
	n := c.made[name]
	c.made[name]++
	c.mu.Unlock()
	return c.numbered(name, n)
}

func (c *chaos) numbered(name string, n int) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name + "#" + strconv.Itoa(n))) // never fails
	return rand.New(rand.NewPCG(c.Seed, h.Sum64()))
}

// pause waits a random while, not beyond ctx.
func (c *chaos) pause(ctx context.Context, name string) {
	if c == nil {
		return
	}
	timer := time.NewTimer(time.Duration(c.generator(name).Int64N(int64(c.MaxDelay))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wire is how the stream of an executor behaves.
type wire struct {
	rand *rand.Rand
	most time.Duration // of the wait before each event
	left int           // events until it breaks; negative: it does not
}

// wire is that of the next stream of an executor at a place, for which so many tasks are queued; nil is a good one.
// It belongs to the stream's handler.
func (c *chaos) wire(place, framework string, queued int) *wire {
	if c == nil {
		return nil
	}
	name := "executor " + place + " " + framework
	c.mu.Lock()
	first := c.made[name] == 0
	c.mu.Unlock()
	l := &wire{rand: c.generator(name), most: c.MaxDelay, left: -1}
	switch {
	case queued > 0 && c.loses(framework, lossLaunch):
		l.left = 1 + l.rand.IntN(queued) // SUBSCRIBED arrives, and not every LAUNCH
	case c.Losses && first && l.rand.IntN(3) == 0:
		l.left = 1 + queued + l.rand.IntN(8)
	}
	return l
}

// carry waits for an event's turn; false says that the stream is broken.
func (l *wire) carry(ctx context.Context) bool {
	if l == nil {
		return true
	}
	if l.left == 0 {
		return false
	}
	l.left = max(l.left-1, -1)
	timer := time.NewTimer(time.Duration(l.rand.Int64N(int64(l.most))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// loss is what a framework's name meets with Losses.
type loss int

const (
	lossNone loss = iota
	lossDropped
	lossGone
	lossLaunch
	lossUnreachable
)

// loses says whether a framework meets this loss now: it does so once.
func (c *chaos) loses(framework string, kind loss) bool {
	if c == nil || !c.Losses || c.fate(framework) != kind {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !c.lost[framework]
	c.lost[framework] = true
	return first
}

func (c *chaos) fate(framework string) loss {
	return loss(max(0, c.numbered("loss "+framework, 0).IntN(8)-3))
}

// late is how much later than a restarted master the agents find it.
func (c *chaos) late(interval time.Duration) time.Duration {
	if c == nil || !c.Losses {
		return 0
	}
	return time.Duration(c.generator("master").Int64N(int64(interval)))
}

// split makes of the offers of one event some batches, in random order.
func split(r *rand.Rand, event *scheduler.Event) []*scheduler.Event {
	offers := event.Offers.Offers
	var out []*scheduler.Event
	for i, at := range r.Perm(len(offers)) {
		if i == 0 || r.IntN(3) > 0 {
			out = append(out, &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{}})
		}
		batch := out[len(out)-1].Offers
		batch.Offers = append(batch.Offers, offers[at])
	}
	return out
}
