package mesos

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Which calls are repeated, and when.
func TestCallRepeats(t *testing.T) {
	t.Parallel()
	abortCall := func(http.ResponseWriter, *http.Request, *scheduler.Call) { panic(http.ErrAbortHandler) }
	busy := answer(503, "busy")
	ok := answer(202, "")
	accept := func(ctx context.Context, s *Session) error {
		return s.Accept(ctx, []v1.OfferID{{Value: "o"}}, nil, 0)
	}
	revive := func(ctx context.Context, s *Session) error { return s.Revive(ctx) }
	for name, c := range map[string]struct {
		steps  []step
		call   func(context.Context, *Session) error
		calls  int
		failed string
	}{
		"idempotent, busy":        {[]step{busy, busy, ok}, revive, 3, ""},
		"idempotent, answer lost": {[]step{abortCall, ok}, revive, 2, ""},
		"ACCEPT, busy":            {[]step{busy, ok}, accept, 2, ""},
		"ACCEPT, answer lost":     {[]step{abortCall, ok}, accept, 1, "EOF"},
		"idempotent, a proxy":     {[]step{answer(504, "slow"), answer(502, "broken"), ok}, revive, 3, ""},
		"ACCEPT, a proxy":         {[]step{answer(504, "slow"), ok}, accept, 1, "504: slow"},
		"refused":                 {[]step{answer(400, "Expecting 'x'"), ok}, revive, 1, "Expecting 'x'"},
		"busy for ever":           {[]step{busy}, revive, callAttempts, "503: busy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newScripted(t, JSON, append([]step{stream(open, subscribed(15))}, c.steps...)...)
			s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
			err := c.call(testContext(t), s)
			if (err == nil) != (c.failed == "") || err != nil && !strings.Contains(err.Error(), c.failed) {
				t.Errorf("got %v, want %q", err, c.failed)
			}
			if n := len(m.calls()) - 1; n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
		})
	}
}

// What is left in the kernel of a call that was given up never arrives: the connection is reset.
func TestGivenUpCallIsNotSentLater(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		_, err = io.Copy(io.Discard, conn) // nil for a connection that was closed in peace
		ended <- err
	}()
	t.Cleanup(func() { l.Close() })
	cfg := testConfig(t, "http://"+l.Addr().String())
	cfg.CallTimeout = 50 * time.Millisecond
	if err := newTestClient(t, cfg).Ping(testContext(t)); err == nil {
		t.Error("a master that does not answer leads")
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, was not reset", err)
	}
}

// A master that says when to come again is not asked before.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	var asked []time.Time // each step is over before the next one begins
	later := func(status int) step {
		return func(w http.ResponseWriter, _ *http.Request, _ *scheduler.Call) {
			asked = append(asked, time.Now())
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
		}
	}
	then := func(next step) step {
		return func(w http.ResponseWriter, r *http.Request, call *scheduler.Call) {
			asked = append(asked, time.Now())
			next(w, r, call)
		}
	}
	m := newScripted(t, JSON, later(503), then(stream(open, subscribed(15))), later(429), then(answer(202, "")))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	if err := s.Revive(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(asked); i += 2 {
		if waited := asked[i+1].Sub(asked[i]); waited < time.Second {
			t.Errorf("request %d came after %s, not after the second that was asked for", i+1, waited)
		}
	}
}

// A call that is refused because the stream is not the framework's any more ends the stream
// too, although that still looks alive. What was asked for holds in the next generation.
func TestStaleStreamIsNoticedByACall(t *testing.T) {
	t.Parallel()
	for _, refusal := range []step{
		answer(403, "Framework is not subscribed"),
		answer(400, "Framework cannot be found"),
		answer(400, "The stream ID 'x' included in this request didn't match the stream ID currently associated with framework ID f"),
	} {
		m := newScripted(t, JSON, stream(open, subscribed(15)), refusal, stream(open, subscribed(15)), answer(202, ""))
		s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{Role: "r"})
		if err := s.Suppress(testContext(t)); err != nil {
			t.Fatal(err)
		}
		nextEvent[Reconnected](t, s)
		calls := m.calls()
		if len(calls) != 4 || len(calls[2].GetSubscribe().GetSuppressedRoles()) != 1 || calls[3].Type != scheduler.Call_SUPPRESS {
			t.Errorf("got %v, want SUBSCRIBE, SUPPRESS, SUBSCRIBE suppressed, SUPPRESS", calls)
		}
	}
}

func TestSetFailoverTimeout(t *testing.T) {
	t.Parallel()
	m := newScripted(t, JSON, stream(open, subscribed(15)))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{FailoverTimeout: time.Minute})
	if err := s.SetFailoverTimeout(testContext(t), time.Hour); err != nil {
		t.Fatal(err)
	}
	nextEvent[Reconnected](t, s)
	calls := m.calls()
	if len(calls) != 2 || calls[1].Subscribe.FrameworkInfo.GetFailoverTimeout() != 3600 {
		t.Errorf("got %v, want a second SUBSCRIBE with 3600 s", calls)
	}
}

func TestTeardown(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	tornDown := func(w http.ResponseWriter, r *http.Request, c *scheduler.Call) {
		answer(202, "")(w, r, c)
		close(end)
	}
	m := newScripted(t, JSON, stream(func(*http.Request) { <-end }, subscribed(15)),
		answer(503, "busy"), tornDown, stream(nil, errorEvent("Framework has been removed")))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	if err := s.Teardown(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(s.Err(), ErrFrameworkRemoved) {
		t.Errorf("Err is %v", s.Err())
	}
	// What is gone already is gone.
	c := newTestClient(t, testConfig(t, m.URL))
	if err := c.Teardown(testContext(t), Framework{ID: "f-1", Name: "n"}); err != nil {
		t.Error(err)
	}
}

// A TEARDOWN that was accepted by a master that is gone has to be said again to the next one, which
// knows nothing of it and lets the framework subscribe.
func TestTeardownIsForgotten(t *testing.T) {
	t.Parallel()
	first, again, second := make(chan struct{}), make(chan struct{}), make(chan struct{})
	m := newScripted(t, JSON, stream(func(*http.Request) { <-first }, subscribed(15)),
		func(w http.ResponseWriter, r *http.Request, c *scheduler.Call) {
			close(first)
			<-again
			answer(202, "")(w, r, c)
		},
		stream(func(*http.Request) { close(again); <-second }, subscribed(15)),
		func(w http.ResponseWriter, r *http.Request, c *scheduler.Call) {
			answer(202, "")(w, r, c)
			close(second)
		})
	config := testConfig(t, m.URL)
	config.CallTimeout = time.Minute // not what ends it
	s := mustSubscribe(t, newTestClient(t, config), Framework{})
	if err := s.Teardown(testContext(t)); err != nil || !errors.Is(s.Err(), ErrFrameworkRemoved) {
		t.Errorf("got %v, then %v", err, s.Err())
	}
	calls := m.calls()
	if len(calls) != 4 || calls[3].GetType() != scheduler.Call_TEARDOWN {
		t.Errorf("got %v, want a second TEARDOWN", calls)
	}
}

// TEARDOWN ends the session soon even if nobody reads its events.
func TestTeardownWithoutAConsumer(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	m := newScripted(t, JSON, stream(func(*http.Request) { <-end }, subscribed(15), rescind("a"), rescind("b")),
		func(w http.ResponseWriter, r *http.Request, c *scheduler.Call) {
			answer(202, "")(w, r, c)
			close(end)
		}, stream(nil, errorEvent("Framework has been removed")))
	config := testConfig(t, m.URL)
	config.CallTimeout = time.Minute // not what ends it
	s := mustSubscribe(t, newTestClient(t, config), Framework{})
	if err := s.Teardown(testContext(t)); err != nil || !errors.Is(s.Err(), ErrFrameworkRemoved) {
		t.Errorf("got %v, then %v", err, s.Err())
	}
}
