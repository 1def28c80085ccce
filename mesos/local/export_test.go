package local

import (
	"context"
	"fmt"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Queued is how many messages wait for a frozen agent.
func (m *Mesos) Queued(name string) int {
	a, err := m.agent(name)
	if err != nil {
		return -1
	}
	a.loop.mu.Lock()
	defer a.loop.mu.Unlock()
	return len(a.loop.queue)
}

// Unacknowledged is how many tasks of an agent have updates that wait for an acknowledgement.
func (m *Mesos) Unacknowledged(ctx context.Context, name string) (n int) {
	a, err := m.agent(name)
	if err != nil || !a.loop.do(ctx, func() { n = len(a.updates) }) {
		return -1
	}
	return n
}

// CheckBooks verifies the law that every resource is free, offered or used, and only once.
func (m *Mesos) CheckBooks(ctx context.Context) error {
	var problem error
	err := m.inMaster(ctx, func(ms *master) {
		for id, a := range ms.agents {
			var used, offered pool
			for _, o := range ms.offers {
				if o.agent == id {
					offered = offered.plus(o.resources.allocatedTo(""))
				}
			}
			for _, t := range ms.tasksOn(id) {
				if !t.freed {
					used = used.plus(t.resources.allocatedTo(""))
				}
			}
			for _, e := range a.executors {
				used = used.plus(e.resources.allocatedTo(""))
			}
			sum := a.free.plus(offered).plus(used)
			if !sum.contains(a.total) || !a.total.contains(sum) {
				problem = fmt.Errorf("agent %s has %v: free %v, offered %v and used %v", id, a.total, a.free, offered, used)
			}
		}
	})
	if err != nil {
		return err
	}
	return problem
}

// FrameworkOf is a framework's name that meets a loss under a seed: dropped, gone, launch,
// unreachable or none.
func FrameworkOf(seed uint64, loses string) string {
	c := newChaos(NewChaos(seed))
	kinds := []string{lossNone: "none", lossDropped: "dropped", lossGone: "gone", lossLaunch: "launch", lossUnreachable: "unreachable"}
	for i := 0; ; i++ {
		if name := fmt.Sprintf("framework-%d", i); kinds[c.fate(name)] == loses {
			return name
		}
	}
}

// Draws are the first numbers of some generators of a seed, each asked for in its turn.
func Draws(seed uint64, names ...string) map[string][]uint64 {
	c := newChaos(NewChaos(seed))
	out := map[string][]uint64{}
	for _, name := range names {
		out[name] = append(out[name], c.generator(name).Uint64())
	}
	return out
}

// Batches are the sizes of the events that a round's n offers come in, under a seed.
func Batches(seed uint64, n int) (sizes []int) {
	event := &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{Offers: make([]mesos.Offer, n)}}
	for _, e := range split(newChaos(NewChaos(seed)).generator("batches"), event) {
		sizes = append(sizes, len(e.Offers.Offers))
	}
	return sizes
}

// Carried is how many events the first and second stream of each executor of two tasks carry by a seed, of 20.
func Carried(seed uint64, executors int) (first, second []int) {
	c := newChaos(&Chaos{MaxDelay: 1, Seed: seed, Losses: true})
	name := FrameworkOf(seed, "none")
	for i := range executors {
		for _, list := range []*[]int{&first, &second} {
			w, n := c.wire(fmt.Sprint(i), name, 2), 0
			for n < 20 && w.carry(context.Background()) {
				n++
			}
			*list = append(*list, n)
		}
	}
	return first, second
}

// Knows says whether an agent is registered with the master, and not only known to it.
func (m *Mesos) Knows(ctx context.Context, name string) (is bool, err error) {
	err = m.onAgent(ctx, name, func(_ *master, a *masterAgent) { is = a.connected })
	return is, err
}

// GiveUp lets the master give a live agent up, as when the machine was too busy for a pong.
func (m *Mesos) GiveUp(ctx context.Context, name string) error {
	return m.onAgent(ctx, name, func(ms *master, a *masterAgent) { ms.unreachable(a) })
}

// Round makes a round of offers.
func (m *Mesos) Round(ctx context.Context) error {
	return m.inMaster(ctx, func(ms *master) { ms.allocate(nil) })
}
