package mesos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// steady is how long a subscription must have held for the next reconnect to start with the
// shortest wait again.
const steady = 10 * time.Second

// Session is a framework that stays subscribed. Its consumer reads Events until the channel
// is closed, and must not stop reading: while nobody reads, the Session hears nothing. Calls
// may be made from any goroutine.
type Session struct {
	client *Client
	events chan Event
	ctx    context.Context // ends with the Session; its cause is Err
	stop   context.CancelCauseFunc
	done   chan struct{} // closed when the goroutine has ended

	// abandoned counts SUBSCRIBEs that were given up without an answer: a master that was
	// stuck may still carry them out. Owned by whoever subscribes: Subscribe, then run.
	abandoned int

	mu         sync.Mutex
	framework  Framework // as the next SUBSCRIBE describes it
	current    *subscription
	generation uint64
	changed    chan struct{} // closed and replaced when current changes
	tornDown   bool          // a TEARDOWN was accepted in this generation
}

// Subscribe makes f a Session. It returns once the master said SUBSCRIBED. A master that is
// not there, not ready or not the leader is waited for until ctx ends (the error then says what
// the last attempt met); a framework that is refused is an error at once. ctx bounds only this;
// Close ends the Session.
func (c *Client) Subscribe(ctx context.Context, f Framework) (*Session, error) {
	f = f.withDefaults()
	if err := f.validate(); err != nil {
		return nil, err
	}
	s := &Session{
		client: c, framework: f, events: make(chan Event),
		done: make(chan struct{}), changed: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	sub, err := s.connect(ctx, s.newBackoff())
	if err != nil {
		s.stop(ErrClosed)
		return nil, err
	}
	s.connected(sub)
	go s.run(sub)
	return s, nil
}

func (s *Session) newBackoff() *backoff {
	return &backoff{base: s.client.config.BackoffMin, limit: s.client.config.BackoffMax}
}

// Events gives what happens, in order. The channel is closed at the Session's end.
func (s *Session) Events() <-chan Event { return s.events }

// Err is why the Session ended; nil while it goes on.
func (s *Session) Err() error { return context.Cause(s.ctx) }

// Close drops the stream and waits for the Session's end. Mesos keeps the framework, and its
// tasks, for its failover timeout.
func (s *Session) Close() {
	s.stop(ErrClosed)
	<-s.done
}

// FrameworkID is the framework's ID.
func (s *Session) FrameworkID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.framework.ID
}

// Role is the role whose resources are offered.
func (s *Session) Role() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.framework.Role
}

// run owns the subscription: it delivers events and reconnects until an error is fatal.
func (s *Session) run(sub *subscription) {
	defer close(s.done)
	defer close(s.events)
	wait := s.newBackoff()
	for {
		since := time.Now()
		cause := s.pump(sub)
		sub.close()
		if s.disconnected() {
			cause = fmt.Errorf("%w (torn down)", ErrFrameworkRemoved)
		}
		if isFatal(cause) && !s.byOurselves(cause) {
			s.stop(cause)
			return
		}
		if time.Since(since) > steady {
			wait.reset()
			s.abandoned = 0
		}
		if !errors.Is(cause, errResubscribe) {
			s.client.config.Logger.Warn("mesos: subscription lost", "framework", s.FrameworkID(), "cause", cause)
			if err := wait.wait(s.ctx, 0); err != nil {
				return
			}
		}
		next, err := s.connect(s.ctx, wait)
		if err != nil {
			s.stop(err)
			return
		}
		sub = next
		generation := s.connected(sub)
		s.client.config.Logger.Info("mesos: subscribed again", "framework", s.FrameworkID(),
			"master", sub.base.String(), "generation", generation)
		if s.client.config.OnReconnect != nil && !errors.Is(cause, errResubscribe) {
			s.client.config.OnReconnect()
		}
		select {
		case s.events <- Reconnected{Generation: generation, Master: sub.base.String(), Cause: cause}:
		case <-s.ctx.Done(): // pump sees it
		}
	}
}

// pump delivers sub's events until it is dead, and says of what.
func (s *Session) pump(sub *subscription) error {
	defer context.AfterFunc(s.ctx, func() { sub.kill(context.Cause(s.ctx)) })()
	for {
		raw, err := sub.next()
		if err != nil {
			return err
		}
		if raw.GetError() != nil {
			return fatalEvent(raw.GetError().GetMessage())
		}
		if event := eventOf(raw); event != nil {
			s.deliver(sub, event)
		}
	}
}

// deliver hands one event to the consumer, however long that takes. An event of a subscription
// that has ended meanwhile is dropped: what it says is doubtful, or will be repeated.
func (s *Session) deliver(sub *subscription, event Event) {
	select {
	case s.events <- event:
	case <-sub.ctx.Done():
	case <-s.ctx.Done():
	}
}

// connect subscribes, with as many attempts as it takes, until ctx or the Session ends or an
// error is fatal.
func (s *Session) connect(ctx context.Context, wait *backoff) (*subscription, error) {
	var last error
	for {
		sub, err := s.attempt(ctx)
		if err == nil {
			return sub, nil
		}
		if isFatal(err) && !s.byOurselves(err) {
			return nil, err
		}
		if ctx.Err() == nil || last == nil {
			last = err // an attempt that ctx cut short would hide why the ones before failed
		}
		if ctx.Err() == nil {
			s.client.config.Logger.Debug("mesos: cannot subscribe yet", "framework", s.FrameworkID(), "cause", err)
			var refused *HTTPError
			var atLeast time.Duration
			if errors.As(err, &refused) {
				atLeast = refused.RetryAfter
			}
			if wait.wait(ctx, atLeast) == nil {
				continue
			}
		}
		return nil, fmt.Errorf("mesos: not subscribed: %w: %w", context.Cause(ctx), last)
	}
}

// attempt is one SUBSCRIBE at the master whose turn it is.
func (s *Session) attempt(ctx context.Context) (*subscription, error) {
	s.mu.Lock()
	f := s.framework
	s.mu.Unlock()
	if f.Guard != nil {
		if err := f.Guard(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errGuard, err)
		}
	}
	base := s.client.target()
	sub, err := s.client.subscribe(ctx, base, f.subscribeCall(s.client.config.Principal))
	if err == nil {
		sub.failoverTimeout = f.FailoverTimeout
		s.client.leads(sub.base)
		return sub, nil
	}
	s.client.missed(base)
	var refused *HTTPError
	if errors.As(err, &refused) {
		if fatal := refused.fatalAtSubscribe(); fatal != nil {
			return nil, fatal
		}
	}
	if !isFatal(err) && !notProcessed(err) && ambiguous(err) {
		s.abandoned++
	}
	return nil, err
}

// byOurselves reports whether a failover is the late effect of a SUBSCRIBE that we had given
// up. It cannot be told from another scheduler's, so it is believed only of a framework with a
// Guard, which is asked before the next SUBSCRIBE, and only once for each that was given up.
func (s *Session) byOurselves(err error) bool {
	if s.abandoned == 0 || !errors.Is(err, ErrFailedOver) {
		return false
	}
	s.mu.Lock()
	guarded := s.framework.Guard != nil
	s.mu.Unlock()
	if guarded {
		s.abandoned--
	}
	return guarded
}

// connected makes sub the current subscription of a new generation.
func (s *Session) connected(sub *subscription) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.framework.ID = sub.frameworkID
	s.current, s.tornDown = sub, false
	s.generation++
	s.announceLocked()
	return s.generation
}

// disconnected forgets the current subscription; it tells whether that was torn down.
func (s *Session) disconnected() (tornDown bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
	s.announceLocked()
	return s.tornDown
}

func (s *Session) announceLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// now is the current subscription (nil while there is none), its generation, and a channel
// that is closed when that changes.
func (s *Session) now() (*subscription, uint64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.generation, s.changed
}

// sandbox is where Mesos' web interface shows an executor's sandbox.
func (s *Session) sandbox(agent, executor string) string {
	base := s.client.target()
	return fmt.Sprintf("%s/#/agents/%s/frameworks/%s/executors/%s/browse",
		strings.TrimSuffix(base.String(), "/"), agent, s.FrameworkID(), executor)
}
