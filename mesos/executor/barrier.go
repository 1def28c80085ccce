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
	timeout  *time.Timer
}

// armBarrier bounds the wait for GO from the first LAUNCH on.
func (r *run) armBarrier() {
	if !r.barrier.released && r.barrier.timeout == nil {
		r.barrier.timeout = r.after(r.cfg.BarrierTimeout, barrierTimeout{})
	}
}

// message obeys a MESSAGE of the worker's. GO may come any number of times.
func (r *run) message(text string) {
	if text != bundle.MessageGo {
		r.log.Warn("MESSAGE not understood", "message", fmt.Sprintf("%.40q", text))
		return
	}
	if r.barrier.released {
		return
	}
	r.log.Info("the start barrier is released")
	r.barrier.released = true
	r.barrier.timeout = stopTimer(r.barrier.timeout)
	for _, n := range r.order {
		if n.state == held {
			r.resume(n)
		}
	}
}

type barrierTimeout struct{}

func (barrierTimeout) apply(r *run) {
	if r.barrier.released {
		return
	}
	for _, n := range r.order {
		r.end(n, mesos.TASK_FAILED,
			fmt.Sprintf("the start barrier was not released within %s: no GO came from the worker", r.cfg.BarrierTimeout), 0)
	}
}
