package mesos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

const (
	// maxParallelCalls is how many calls a Deployment has under way at once, and how many
	// idle connections are kept for them.
	maxParallelCalls = 8
	// callAttempts bounds the attempts at one call.
	callAttempts = 5
)

// Accept launches what operations say with offers, which must all be of one agent. refuse is
// how long what is left over is not offered again. ErrDisconnected and an *HTTPError that is not a
// proxy's (502, 504) mean that nothing was launched; any other error leaves that open: reconcile,
// do not repeat.
func (s *Session) Accept(ctx context.Context, offers []v1.OfferID, operations []v1.Offer_Operation, refuse time.Duration) error {
	call := calls.Accept(calls.OfferOperations(operations).WithOffers(offers...))
	return s.call(ctx, call.With(calls.RefuseSeconds(refuse)), false)
}

// Decline gives offers back; refuse is how long they are not to be offered again.
func (s *Session) Decline(ctx context.Context, refuse time.Duration, offers ...v1.OfferID) error {
	if len(offers) == 0 {
		return nil
	}
	return s.call(ctx, calls.Decline(offers...).With(calls.RefuseSeconds(refuse)), true)
}

// AcceptInverse agrees to give resources back for maintenance.
func (s *Session) AcceptInverse(ctx context.Context, offers ...v1.OfferID) error {
	return s.call(ctx, calls.AcceptInverseOffers(offers...), true)
}

// DeclineInverse disagrees.
func (s *Session) DeclineInverse(ctx context.Context, offers ...v1.OfferID) error {
	return s.call(ctx, calls.DeclineInverseOffers(offers...), true)
}

// Revive asks for offers again and clears every filter. It also holds for later generations.
func (s *Session) Revive(ctx context.Context) error {
	s.suppress(false)
	return s.call(ctx, calls.Revive(), true)
}

// Suppress asks for no more offers. It also holds for later generations.
func (s *Session) Suppress(ctx context.Context) error {
	s.suppress(true)
	return s.call(ctx, calls.Suppress(), true)
}

func (s *Session) suppress(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.framework.Suppressed = on
}

// Acknowledge acknowledges a status. One without a UUID (the master's own) needs none and is
// left alone.
func (s *Session) Acknowledge(ctx context.Context, status v1.TaskStatus) error {
	if len(status.UUID) == 0 {
		return nil
	}
	return s.call(ctx, calls.Acknowledge(status.GetAgentID().GetValue(), status.TaskID.Value, status.UUID), true)
}

// Kill asks for a task's end; agent may be empty.
func (s *Session) Kill(ctx context.Context, task, agent string) error {
	return s.call(ctx, calls.Kill(task, agent), true)
}

// Shutdown asks for an executor's end, with all its tasks.
func (s *Session) Shutdown(ctx context.Context, executor, agent string) error {
	return s.call(ctx, calls.Shutdown(executor, agent), true)
}

// Reconcile asks for the latest status of tasks, task ID → agent ID (may be empty). No tasks
// at all means every task of the framework that is alive.
func (s *Session) Reconcile(ctx context.Context, tasks map[string]string) error {
	return s.call(ctx, calls.Reconcile(calls.ReconcileTasks(tasks)), true)
}

// Message sends data to an executor, best effort.
func (s *Session) Message(ctx context.Context, agent, executor string, data []byte) error {
	return s.call(ctx, calls.Message(agent, executor, data), true)
}

// call makes one call, with several attempts where repeating is harmless: a call that was
// certainly not processed, or any when it is idempotent. An idempotent call waits for the
// Session to be subscribed.
func (s *Session) call(ctx context.Context, call *scheduler.Call, idempotent bool) error {
	wait := s.newBackoff()
	for attempt := 1; ; attempt++ {
		err := s.callOnce(ctx, call)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("mesos: %s: %w", call.Type, err)
		if idempotent && errors.Is(err, ErrDisconnected) {
			if ended := s.subscribed(ctx); ended != nil {
				return fmt.Errorf("%w: %w", ended, err)
			}
			continue
		}
		if attempt >= callAttempts || ctx.Err() != nil || !(notProcessed(err) || idempotent && ambiguous(err)) {
			return err
		}
		var refused *HTTPError
		var atLeast time.Duration
		if errors.As(err, &refused) {
			atLeast = refused.RetryAfter
		}
		if wait.wait(ctx, atLeast) != nil {
			return err
		}
	}
}

// subscribed waits until the Session is.
func (s *Session) subscribed(ctx context.Context) error {
	for {
		sub, _, changed := s.now()
		if sub != nil && sub.ctx.Err() == nil {
			return nil
		}
		if err := s.await(ctx, changed); err != nil {
			return err
		}
	}
}

func (s *Session) callOnce(ctx context.Context, call *scheduler.Call) error {
	if err := s.Err(); err != nil {
		return err
	}
	sub, _, _ := s.now()
	if sub == nil {
		return ErrDisconnected
	}
	call.FrameworkID = &v1.FrameworkID{Value: sub.frameworkID}
	body, err := s.client.config.Codec.encode(call)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.client.config.CallTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	mediaType := s.client.config.Codec.mediaType()
	response, at, err := s.client.send(ctx, sub.base, http.MethodPost, body, http.Header{
		"Content-Type": {mediaType}, "Accept": {mediaType}, streamIDHeader: {sub.streamID},
	})
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusAccepted {
		drain(response)
		return nil
	}
	refused := refusal(response, at)
	if at.Host != sub.base.Host || stale(refused) {
		// The stream is not the framework's any more, even where it still looks alive.
		sub.kill(refused)
		return fmt.Errorf("%w: %w", ErrDisconnected, refused)
	}
	return refused
}

// stale reports whether a call was refused because of the subscription that it named.
func stale(e *HTTPError) bool {
	switch e.Status {
	case http.StatusForbidden:
		return strings.Contains(e.Text, "not subscribed")
	case http.StatusBadRequest:
		return strings.Contains(e.Text, "stream ID") || strings.Contains(e.Text, "Framework cannot be found")
	}
	return false
}

// notProcessed reports whether a failed call surely had no effect, and may have one later.
func notProcessed(err error) bool {
	var refused *HTTPError
	if errors.As(err, &refused) {
		return refused.starting() && !errors.Is(err, ErrDisconnected)
	}
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}

// ambiguous reports whether a failed call may or may not have had its effect.
func ambiguous(err error) bool {
	var refused *HTTPError
	return (!errors.As(err, &refused) || refused.relayed()) && !isFatal(err) && !errors.Is(err, ErrDisconnected)
}
