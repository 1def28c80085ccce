package executor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// session is the state of the subscription. Every attempt has a generation; what an older one
// still says is not heard.
type session struct {
	generation int
	subscribed bool
	ever       bool // subscribed at least once
	attempts   int  // in a row that failed
	// absent says that there is no subscription; lost then ends the run when it fires. absences
	// numbers them.
	absent   bool
	absences int
	lost     *time.Timer
}

// subscribe begins an attempt to subscribe, with all that the agent has not acknowledged.
func (r *run) subscribe() {
	r.session.generation++
	gen := r.session.generation
	if !r.session.absent {
		patience := registration
		if r.session.ever {
			patience = r.cfg.RecoveryTimeout
		}
		r.session.absent = true
		r.session.absences++
		r.session.lost = r.after(patience, agentGone{r.session.absences, patience})
	}
	call := r.call(mesosexec.Call_SUBSCRIBE)
	tasks, updates := r.ledger.open()
	call.Subscribe = &mesosexec.Call_Subscribe{UnacknowledgedTasks: tasks, UnacknowledgedUpdates: updates}
	r.spawn(func(ctx context.Context) message {
		stream, err := r.agent.subscribe(ctx, call)
		if err != nil {
			return streamEnded{gen, err}
		}
		defer stream.close()
		for {
			e, err := stream.next()
			if err != nil {
				return streamEnded{gen, err}
			}
			r.tell(agentEvent{gen, e})
		}
	})
}

type agentEvent struct {
	generation int
	event      *mesosexec.Event
}

func (m agentEvent) apply(r *run) {
	if m.generation != r.session.generation {
		return
	}
	switch e := m.event; e.Type {
	case mesosexec.Event_SUBSCRIBED:
		r.subscribed(e.GetSubscribed())
	case mesosexec.Event_LAUNCH:
		if l := e.GetLaunch(); l != nil {
			r.launch(l.Task)
		}
	case mesosexec.Event_LAUNCH_GROUP:
		if l := e.GetLaunchGroup(); l != nil {
			for _, t := range l.TaskGroup.Tasks {
				r.launch(t)
			}
		}
	case mesosexec.Event_KILL:
		r.kill(e.GetKill())
	case mesosexec.Event_ACKNOWLEDGED:
		if a := e.GetAcknowledged(); !r.ledger.acknowledged(a.GetTaskID().Value, a.GetUUID()) {
			r.log.Debug("acknowledged twice", "task", a.GetTaskID().Value)
		}
	case mesosexec.Event_MESSAGE:
		r.message(string(e.GetMessage().GetData()))
	case mesosexec.Event_SHUTDOWN:
		r.shutdown("the agent says SHUTDOWN", nil)
	case mesosexec.Event_ERROR:
		r.log.Error("the agent reports an error", "message", e.GetError().GetMessage())
	case mesosexec.Event_HEARTBEAT:
	default:
		r.log.Debug("event of an unknown type", "type", int32(e.Type))
	}
}

func (r *run) subscribed(s *mesosexec.Event_Subscribed) {
	r.log.Info("subscribed", "agent", r.cfg.AgentEndpoint, "again", r.session.ever)
	r.session.lost.Stop()
	r.session.absent = false
	r.session.subscribed, r.session.ever, r.session.attempts = true, true, 0
	if r.cluster != nil || r.clusterErr != nil || s == nil {
		return
	}
	r.data = s.ExecutorInfo.Data
	r.cluster, r.clusterErr = newCluster(r.data, r.cfg.Sandbox, r.cfg.Server)
	if r.clusterErr != nil {
		r.log.Error("the executor's data is no cluster", "err", r.clusterErr)
		return
	}
	b := r.cluster.bundle
	r.log = r.log.With("cluster", b.Plan.Cluster, "job", b.Job, "attempt", b.Attempt)
	program := r.cluster.program
	r.spawn(func(ctx context.Context) message {
		program.find(ctx) // the first LAUNCH follows at once and needs it
		return nil
	})
}

// streamEnded says that a subscription, or an attempt at one, is over.
type streamEnded struct {
	generation int
	err        error
}

func (m streamEnded) apply(r *run) {
	if m.generation != r.session.generation {
		return
	}
	s := &r.session
	s.subscribed = false
	s.attempts++
	if s.attempts == 1 || s.attempts%100 == 0 {
		r.log.Warn("not subscribed", "err", m.err, "attempts", s.attempts)
	}
	var no *refusal
	var stranger *untrusted
	var untold *untoldTLS
	switch {
	case s.ever && !r.cfg.Checkpoint:
		r.shutdown("the agent is gone and the framework does not checkpoint", fmt.Errorf("executor: agent gone: %w", m.err))
		return
	case errors.As(m.err, &no) && no.final():
		r.shutdown("the agent refuses the executor", fmt.Errorf("executor: %w", m.err))
		return
	case !s.ever && errors.As(m.err, &no) && no.denied():
		r.shutdown("the agent does not accept the executor's token", fmt.Errorf("executor: MESOS_EXECUTOR_AUTHENTICATION_TOKEN is not accepted: %w", m.err))
		return
	case !s.ever && errors.As(m.err, &stranger): // with nodes to lose, it may be a change of certificates
		r.shutdown("the agent is not trusted", fmt.Errorf("executor: %w", m.err))
		return
	case !s.ever && errors.As(m.err, &untold):
		r.shutdown("the agent cannot be spoken to", fmt.Errorf("executor: %w", m.err))
		return
	}
	r.after(backoff(s.attempts, r.cfg.BackoffMax), resubscribe{m.generation})
}

// backoff is the wait before the next attempt to subscribe: jittered, doubling. It stays at a
// quarter of the agent's bound, which is also how long a restarted agent waits for its executors.
func backoff(attempts int, most time.Duration) time.Duration {
	d := min(20*time.Millisecond<<min(attempts, 20), most/4)
	return d/2 + rand.N(d/2+1)
}

type resubscribe struct{ generation int }

func (m resubscribe) apply(r *run) {
	if m.generation == r.session.generation && !r.session.subscribed {
		r.subscribe()
	}
}

// agentGone says that the agent has been away for too long.
type agentGone struct {
	absence int
	after   time.Duration
}

func (m agentGone) apply(r *run) {
	if !r.session.absent || m.absence != r.session.absences {
		return
	}
	err := fmt.Errorf("executor: no subscription with agent %s within %s", r.cfg.AgentEndpoint, m.after)
	r.shutdown("the agent is gone", err)
}
