package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

const (
	senders = 8 // updates that are on their way to the agent at once
	// farewell bounds the wait for acknowledgements once everything has ended.
	farewell = time.Second
	// registration bounds the first subscription: by then the agent has given up as well.
	registration = time.Minute
)

// run is one execution. Its fields belong to the goroutine that called Run; all others send it
// messages.
type run struct {
	cfg   Config
	log   *slog.Logger
	agent *agent

	inbox   chan message
	ctx     context.Context // ends with run
	helpers sync.WaitGroup
	starts  chan struct{} // slots: servers that start at once

	session session
	ledger  *ledger
	sending int

	cluster    *cluster // nil until the first SUBSCRIBED, or when clusterErr says why
	clusterErr error
	data       []byte           // what the cluster was decoded from
	nodes      map[string]*node // by task ID
	order      []*node          // as launched
	barrier    barrier

	ending   bool
	endErr   error // what Run returns
	finished bool
	idle     *time.Timer
}

// message is what the owner goroutine is told; apply runs in it.
type message interface{ apply(r *run) }

// Run subscribes with the agent and runs tasks until it is shut down, by the agent, by the end
// of ctx or because the agent is gone for too long. When it returns, no server is left. The
// error says what made it end other than an orderly shutdown.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	if _, ok := codecs[cfg.Encoding]; !ok {
		return fmt.Errorf("executor: encoding %q is unknown", cfg.Encoding)
	}
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &run{
		cfg: cfg, log: log, agent: newAgent(cfg),
		inbox: make(chan message), ctx: inner,
		starts: make(chan struct{}, max(4, 2*runtime.NumCPU())),
		ledger: newLedger(), nodes: map[string]*node{},
	}
	defer r.agent.close()
	defer r.helpers.Wait()
	defer cancel(errors.New("the executor has ended"))
	r.subscribe()
	interrupted := ctx.Done()
	for !r.finished {
		select {
		case m := <-r.inbox:
			m.apply(r)
		case <-interrupted:
			interrupted = nil
			r.shutdown("the executor was told to end", nil)
		}
		r.sendUpdates()
		r.checkFinished()
	}
	return r.endErr
}

// spawn runs work in a goroutine and hands what it returns to the owner.
func (r *run) spawn(work func(ctx context.Context) message) {
	r.helpers.Go(func() { r.tell(work(r.ctx)) })
}

// tell hands a message to the owner, unless the run is over.
func (r *run) tell(m message) {
	if m == nil {
		return
	}
	select {
	case r.inbox <- m:
	case <-r.ctx.Done():
	}
}

// after hands a message to the owner later.
func (r *run) after(d time.Duration, m message) *time.Timer {
	return time.AfterFunc(d, func() { r.tell(m) })
}

// update records a status of a task; it goes out after this message has been applied.
func (r *run) update(taskID string, state mesos.TaskState, text string, healthy *bool) {
	id := uuid.New()
	now := float64(time.Now().UnixMicro()) / 1e6
	status := mesos.TaskStatus{
		TaskID:     mesos.TaskID{Value: taskID},
		State:      state.Enum(),
		Source:     mesos.SOURCE_EXECUTOR.Enum(),
		ExecutorID: &mesos.ExecutorID{Value: r.cfg.ExecutorID},
		UUID:       id[:],
		Timestamp:  &now,
		Healthy:    healthy,
	}
	if text != "" {
		status.Message = &text
	}
	r.ledger.add(status)
	r.log.Info("status", "task", taskID, "state", state.String(), "message", text)
}

// sendUpdates sends what the agent has not got, several tasks' at once.
func (r *run) sendUpdates() {
	for r.session.subscribed && r.sending < senders {
		u := r.ledger.next()
		if u == nil {
			return
		}
		r.sending++
		call := r.call(mesosexec.Call_UPDATE)
		call.Update = u
		r.spawn(func(ctx context.Context) message {
			return updateSent{u.Status, r.agent.send(ctx, call)}
		})
	}
}

func (r *run) call(t mesosexec.Call_Type) *mesosexec.Call {
	return &mesosexec.Call{
		Type:        t,
		FrameworkID: mesos.FrameworkID{Value: r.cfg.FrameworkID},
		ExecutorID:  mesos.ExecutorID{Value: r.cfg.ExecutorID},
	}
}

type updateSent struct {
	status mesos.TaskStatus
	err    error
}

func (m updateSent) apply(r *run) {
	r.sending--
	if m.err == nil {
		r.ledger.mark(m.status, sent)
		return
	}
	r.log.Warn("status not sent", "task", m.status.TaskID.Value, "err", m.err)
	var no *refusal
	if errors.As(m.err, &no) && no.final() {
		// Sending it again would change nothing; the next subscription tells it once more.
		r.ledger.mark(m.status, sent)
		return
	}
	r.after(50*time.Millisecond+rand.N(200*time.Millisecond), updateRetry{m.status})
}

type updateRetry struct{ status mesos.TaskStatus }

func (m updateRetry) apply(r *run) { r.ledger.mark(m.status, unsent) }

// shutdown ends all tasks and then the run; err is what Run returns.
func (r *run) shutdown(why string, err error) {
	if r.ending {
		return
	}
	r.ending, r.endErr = true, err
	r.idle = stopTimer(r.idle)
	r.log.Info("shutting down", "why", why)
	grace := r.cfg.ShutdownGrace * 6 / 10 // the rest is for telling, and for ending ourselves
	for _, n := range r.order {
		r.end(n, mesos.TASK_KILLED, why, grace)
	}
}

// checkFinished ends the run when all has ended and been told, and begins to count down when
// nothing is left to do.
func (r *run) checkFinished() {
	for _, n := range r.order {
		if n.state != ended {
			r.idle = stopTimer(r.idle)
			return
		}
	}
	open := r.ledger.unacknowledged()
	switch {
	case r.ending && (open == 0 || !r.session.subscribed && r.endErr != nil):
		r.finished = true
	case r.ending && r.idle == nil:
		// With what the agent has but has not stored, or with what it has not even got.
		r.idle = r.after(min(farewell, r.cfg.ShutdownGrace*3/10), idleOver{})
	case len(r.order) > 0 && open == 0 && r.idle == nil:
		r.idle = r.after(r.cfg.IdleTimeout, idleOver{})
	}
}

func stopTimer(t *time.Timer) *time.Timer {
	if t != nil {
		t.Stop()
	}
	return nil
}

// idleOver ends the run if it still has nothing to do.
type idleOver struct{}

func (idleOver) apply(r *run) {
	if r.idle == nil {
		return // a task came in between
	}
	if !r.ending {
		r.log.Info("all tasks have ended")
	}
	r.finished = true
}
