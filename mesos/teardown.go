package mesos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// errResubscribe ends a subscription so that the next one describes the framework anew.
var errResubscribe = errors.New("mesos: subscribing again to change the framework")

// SetFailoverTimeout changes how long Mesos keeps the framework while nobody is subscribed.
// Mesos takes it from a new SUBSCRIBE, so the Session goes through a Reconnected.
func (s *Session) SetFailoverTimeout(ctx context.Context, timeout time.Duration) error {
	s.mu.Lock()
	s.framework.FailoverTimeout = timeout
	s.mu.Unlock()
	for {
		sub, _, changed := s.now()
		if sub != nil {
			if sub.failoverTimeout == timeout {
				return nil
			}
			sub.kill(errResubscribe)
		}
		if err := s.await(ctx, changed); err != nil {
			return fmt.Errorf("mesos: change the failover timeout: %w", err)
		}
	}
}

// await waits for a channel, the end of ctx or the end of the Session.
func (s *Session) await(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
		return s.Err()
	}
}

// Teardown removes the framework with all its tasks and ends the Session, whose Err is then
// ErrFrameworkRemoved. It repeats the call over reconnects until the master accepted it or
// says that the framework has been removed. Mesos gives the resources back at once, up to
// seconds before the processes are gone.
func (s *Session) Teardown(ctx context.Context) error {
	wait := s.newBackoff()
	for {
		sub, _, changed := s.now()
		if sub == nil {
			if err := s.await(ctx, changed); err != nil {
				return teardownResult(err)
			}
			continue
		}
		err := s.callOnce(ctx, &scheduler.Call{Type: scheduler.Call_TEARDOWN})
		if err == nil && s.tearDown(ctx, sub) {
			return nil
		}
		if err == nil { // by a master that is gone: the next one may not know
			continue
		}
		if ended := s.Err(); ended != nil {
			return teardownResult(ended)
		}
		if refused := wait.wait(ctx, 0); refused != nil {
			return fmt.Errorf("mesos: TEARDOWN: %w: %w", refused, err)
		}
	}
}

func teardownResult(err error) error {
	if errors.Is(err, ErrFrameworkRemoved) {
		return nil
	}
	return fmt.Errorf("mesos: TEARDOWN: %w", err)
}

// tearDown ends the Session after a TEARDOWN that was accepted on sub: the master closes the
// stream, and where that takes long, we do. It is false where sub had ended already: the Session
// subscribes anew, and learns that the framework has been removed, or brings it back.
func (s *Session) tearDown(ctx context.Context, sub *subscription) bool {
	s.mu.Lock()
	s.tornDown = s.tornDown || s.current == sub
	mine := s.tornDown
	s.mu.Unlock()
	if !mine {
		return false
	}
	late := time.NewTimer(s.client.config.CallTimeout)
	defer late.Stop()
	for waiting := true; waiting; {
		select {
		case <-s.events: // nothing in them matters any more, and nobody else may be reading
		case <-s.done:
			return true
		case <-late.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	s.stop(fmt.Errorf("%w (torn down)", ErrFrameworkRemoved))
	<-s.done
	return true
}

// Teardown makes sure that the framework with f's ID is gone, whether or not it ever was: it
// subscribes without asking for offers, and tears down.
func (c *Client) Teardown(ctx context.Context, f Framework) error {
	if f.ID == "" {
		return errors.New("mesos: TEARDOWN: a framework ID is needed")
	}
	f.Suppressed = true
	s, err := c.Subscribe(ctx, f)
	if err != nil {
		return teardownResult(err)
	}
	defer s.Close()
	return s.Teardown(ctx)
}
