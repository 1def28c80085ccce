package executor

import (
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// barrier is the start barrier: closed until the worker says GO, which it does when the nodes
// of all hosts are bound.
type barrier struct {
	released bool
	timeout  *time.Timer // armed by the first LAUNCH
	expired  bool
}

// armBarrier bounds the wait for GO from the first LAUNCH on.
func (r *run) armBarrier() {
	if !r.barrier.released && r.barrier.timeout == nil {
		r.barrier.timeout = r.after(r.cfg.BarrierTimeout, barrierTimeout{})
	}
}

// message obeys a MESSAGE of the worker's. GO may come any number of times.
func (r *run) message(text string) {
	switch {
	case text != bundle.MessageGo:
		r.log.Warn("MESSAGE not understood", "message", fmt.Sprintf("%.40q", text))
	case !r.barrier.released:
		r.log.Info("the start barrier is released")
		r.barrier.released = true
		r.barrier.timeout = stopTimer(r.barrier.timeout)
		r.release()
	}
}

// release lets the held nodes run: all at once, or in waves where Config.WaveSize says so. A node
// of a later wave is bound, so that its peers connect with it; it answers them when it runs.
func (r *run) release() {
	released := 0
	for _, n := range r.order {
		if n.state != held {
			continue
		}
		if released++; r.cfg.WaveSize > 0 && released > r.cfg.WaveSize {
			r.after(r.cfg.WaveGap, nextWave{})
			return
		}
		r.resume(n)
	}
}

type nextWave struct{}

func (nextWave) apply(r *run) { r.release() }

type barrierTimeout struct{}

func (barrierTimeout) apply(r *run) {
	if r.barrier.released {
		return
	}
	r.barrier.expired = true
	for _, n := range r.order {
		r.end(n, mesos.TASK_FAILED, r.barrierExpired().Error(), 0)
	}
}

func (r *run) barrierExpired() error {
	return fmt.Errorf("the start barrier was not released within %s: no GO came from the worker", r.cfg.BarrierTimeout)
}
