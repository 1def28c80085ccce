package mesos

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The errors that end a Session or tell a caller what to do next.
var (
	// ErrFrameworkRemoved: the framework was torn down or its failover timeout is over. Its ID
	// is refused from now on.
	ErrFrameworkRemoved = errors.New("mesos: the framework has been removed")
	// ErrFailedOver: another scheduler subscribed with this framework's ID. Stop acting.
	ErrFailedOver = errors.New("mesos: another scheduler has taken the framework over")
	// ErrInvalidFramework: the master refuses the framework's description.
	ErrInvalidFramework = errors.New("mesos: the master refuses the framework")
	// ErrUnauthorized: principal or secret are wrong, or may not do this.
	ErrUnauthorized = errors.New("mesos: not authorized")
	// ErrClosed: the Session was closed by its owner.
	ErrClosed = errors.New("mesos: the session is closed")
	// ErrDisconnected: the call was not carried out because the Session is not subscribed
	// just now. It reconnects; a call that still makes sense in the next generation may be repeated.
	ErrDisconnected = errors.New("mesos: not subscribed at the moment")
)

// RefusedError is a master's ERROR event about a framework that it does not take, an
// ErrInvalidFramework.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %s", ErrInvalidFramework, e.Text) }
func (e *RefusedError) Unwrap() error { return ErrInvalidFramework }

// HTTPError is an answer of a master that is not the one that was hoped for.
type HTTPError struct {
	URL    string
	Status int
	// Text is the answer's body: one line of plain text.
	Text string
	// RetryAfter is the wait that the master asks for; 0 where it asks for none.
	RetryAfter time.Duration
}

func (e *HTTPError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s answered %d %s", e.URL, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s answered %d: %s", e.URL, e.Status, e.Text)
}

// starting reports whether a request was refused by a master that starts, has no leader, or
// is overloaded: the same request may succeed later, and it was not processed.
func (e *HTTPError) starting() bool {
	switch e.Status {
	case http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// relayed reports whether it was a proxy that answered, which cannot know what the master does.
func (e *HTTPError) relayed() bool {
	return e.Status == http.StatusBadGateway || e.Status == http.StatusGatewayTimeout
}

// denied reports whether principal or secret were not good enough.
func (e *HTTPError) denied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// fatalAtSubscribe gives the error that ends a Session when SUBSCRIBE is answered with e,
// or nil where trying again can help.
func (e *HTTPError) fatalAtSubscribe() error {
	switch {
	case e.denied():
		return fmt.Errorf("%w: %w", ErrUnauthorized, e)
	case e.Status >= 400 && e.Status < 500 && !e.starting():
		return fmt.Errorf("%w: %w", ErrInvalidFramework, e)
	}
	return nil
}

// fatalEvent maps the text of an ERROR event, after which the master closes the stream.
func fatalEvent(text string) error {
	switch {
	case strings.Contains(text, "failed over"):
		return fmt.Errorf("%w (%s)", ErrFailedOver, text)
	case strings.Contains(text, "has been removed"):
		return fmt.Errorf("%w (%s)", ErrFrameworkRemoved, text)
	default:
		return &RefusedError{Text: text}
	}
}

// isFatal reports whether err ends a Session.
func isFatal(err error) bool {
	for _, fatal := range []error{ErrFrameworkRemoved, ErrFailedOver, ErrInvalidFramework, ErrUnauthorized, ErrClosed, errGuard} {
		if errors.Is(err, fatal) {
			return true
		}
	}
	return false
}

// errGuard marks the refusal of a Framework's Guard.
var errGuard = errors.New("mesos: not allowed to subscribe any more")
