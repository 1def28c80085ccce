package mesos

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// A master that starts refuses connections, then has no such path, then has not recovered,
// then is busy; the session waits for it.
func TestSubscribeWaitsForAStartingMaster(t *testing.T) {
	t.Parallel()
	dead := newScripted(t, JSON, answer(500, ""))
	dead.Close() // refuses connections from now on
	m := newScripted(t, JSON, answer(404, "404 Not Found."), answer(503, "Master has not finished recovery"),
		answer(429, ""), answer(500, "strange"), stream(abort), stream(nil, heartbeatEvent),
		stream(open, subscribed(15)))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, dead.URL, m.URL)), Framework{ID: "f-1"})
	if n := len(m.calls()); n != 7 {
		t.Errorf("%d SUBSCRIBEs, want 7", n)
	}
	if s.FrameworkID() != "f-1" {
		t.Errorf("framework %q", s.FrameworkID())
	}
}

func TestSubscribeGivesUpWithTheReason(t *testing.T) {
	t.Parallel()
	m := newScripted(t, JSON, answer(503, "No leader elected"))
	ctx, cancel := context.WithTimeout(testContext(t), 50*time.Millisecond)
	defer cancel()
	_, err := newTestClient(t, testConfig(t, m.URL)).Subscribe(ctx, Framework{Name: "n"})
	var refused *HTTPError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &refused) || refused.Text != "No leader elected" {
		t.Errorf("got %v, want the deadline and the last answer's text", err)
	}
}

func TestSubscribeTimesOutOnSilence(t *testing.T) {
	t.Parallel()
	m := newScripted(t, JSON, stream(open), stream(open, subscribed(15)))
	config := testConfig(t, m.URL)
	config.SubscribeTimeout = 50 * time.Millisecond
	mustSubscribe(t, newTestClient(t, config), Framework{})
	if n := len(m.calls()); n != 2 {
		t.Errorf("%d SUBSCRIBEs, want 2", n)
	}
}

func TestSubscribeFatal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step step
		want error
		text string
	}{
		"removed":      {stream(nil, errorEvent("Framework has been removed")), ErrFrameworkRemoved, "has been removed"},
		"failed over":  {stream(nil, errorEvent("Framework failed over")), ErrFailedOver, "failed over"},
		"bad role":     {stream(nil, errorEvent("Role '/x' cannot start with a slash")), ErrInvalidFramework, "cannot start with a slash"},
		"unauthorized": {answer(401, ""), ErrUnauthorized, "401"},
		"forbidden":    {answer(403, "not you"), ErrUnauthorized, "not you"},
		"bad request":  {answer(400, "'framework_id' differs"), ErrInvalidFramework, "'framework_id' differs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newScripted(t, JSON, c.step)
			_, err := newTestClient(t, testConfig(t, m.URL)).Subscribe(testContext(t), Framework{Name: "n"})
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.text)
			}
			if n := len(m.calls()); n != 1 {
				t.Errorf("%d SUBSCRIBEs, want 1", n)
			}
		})
	}
}

// The leader is elsewhere: a redirect with and without a scheme is followed with method, body
// and credentials, and calls go to the leader directly.
func TestRedirectToTheLeader(t *testing.T) {
	t.Parallel()
	leader := newScripted(t, JSON, stream(open, subscribed(15)), answer(202, ""))
	at, err := url.Parse(leader.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, location := range map[string]string{
		"scheme-relative": "//" + at.Host + "/master/api/v1/scheduler",
		"host only":       "//" + at.Host,
		"full":            leader.URL + "/api/v1/scheduler",
	} {
		t.Run(name, func(t *testing.T) {
			leader := newScripted(t, JSON, stream(open, subscribed(15)), answer(202, ""))
			location := strings.ReplaceAll(location, at.Host, strings.TrimPrefix(leader.URL, "http://"))
			other := newScripted(t, JSON, redirect(location))
			config := testConfig(t, other.URL)
			config.Principal, config.Secret = "worker", "s3cret"
			s := mustSubscribe(t, newTestClient(t, config), Framework{})
			if err := s.Suppress(testContext(t)); err != nil {
				t.Fatal(err)
			}
			if n := len(other.calls()); n != 1 {
				t.Errorf("the other master got %d calls, want 1", n)
			}
			calls := leader.calls()
			if len(calls) != 2 || calls[0].Type != scheduler.Call_SUBSCRIBE || calls[1].Type != scheduler.Call_SUPPRESS {
				t.Fatalf("the leader got %v", calls)
			}
			for i := range calls {
				r := http.Request{Header: leader.header(i)}
				if user, secret, ok := r.BasicAuth(); !ok || user != "worker" || secret != "s3cret" {
					t.Errorf("call %d without credentials", i)
				}
			}
			if leader.header(0).Get(streamIDHeader) != "" || leader.header(1).Get(streamIDHeader) == "" {
				t.Error("the stream ID belongs on every call but SUBSCRIBE")
			}
		})
	}
}

// A reconnect goes to the leader that is known; when that is gone, to the masters in turn.
func TestReconnectKnowsTheLeader(t *testing.T) {
	t.Parallel()
	leader := newScripted(t, JSON, stream(abort, subscribed(15)), stream(func(*http.Request) {}, subscribed(15)), answer(503, ""))
	next := newScripted(t, JSON, stream(open, subscribed(15)))
	other := newScripted(t, JSON, redirect(leader.URL), redirect(next.URL))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, other.URL)), Framework{})
	if again := nextEvent[Reconnected](t, s); again.Master != leader.URL || len(other.calls()) != 1 {
		t.Errorf("subscribed at %s after %d redirects, want %s after one", again.Master, len(other.calls()), leader.URL)
	}
	if again := nextEvent[Reconnected](t, s); again.Master != next.URL {
		t.Errorf("subscribed at %s, want the next leader %s", again.Master, next.URL)
	}
}

func TestRedirectsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"", "/elsewhere", "ftp://h/", "//", ":"} {
		m := newScripted(t, JSON, redirect(location), stream(open, subscribed(15)))
		mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	}
	loop := newScripted(t, JSON)
	loop.steps = []step{redirect(loop.URL)}
	if err := newTestClient(t, testConfig(t, loop.URL)).Ping(testContext(t)); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("a redirect loop: %v", err)
	}
}

// A broken stream, a clean end and silence all lead to a new generation; unknown events and
// heartbeats are no news.
func TestReconnect(t *testing.T) {
	t.Parallel()
	m := newScripted(t, JSON,
		stream(abort, subscribed(15), heartbeatEvent, rescind("a")),
		stream(nil, subscribed(15), `{"type":"NEWS"}`, rescind("b")),
		answer(503, "Master has not finished recovery"),
		stream(open, subscribed(0.02), rescind("c")), // then silent
		stream(open, subscribed(15), rescind("d")),
	)
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	for i, id := range []string{"a", "b", "c", "d"} {
		if i > 0 {
			again := nextEvent[Reconnected](t, s)
			if again.Generation != uint64(i+1) || again.Cause == nil || again.Master != m.URL {
				t.Errorf("got %+v, want generation %d of %s", again, i+1, m.URL)
			}
			if i == 3 && !strings.Contains(again.Cause.Error(), "silent") {
				t.Errorf("cause %v, want silence", again.Cause)
			}
		}
		if got := nextEvent[Rescind](t, s); got.Offer.Value != id {
			t.Errorf("got %v, want %s", got, id)
		}
	}
	for i, call := range m.calls() {
		want := "f-1"
		if i == 0 {
			want = ""
		}
		if call.GetFrameworkID().GetValue() != want || call.Subscribe.FrameworkInfo.GetID().GetValue() != want {
			t.Errorf("SUBSCRIBE %d is for framework %q, want %q", i, call.GetFrameworkID().GetValue(), want)
		}
	}
}

// The watchdog does not run while an event is handled: a slow consumer is not a dead master.
func TestWatchdogPausesWhileHandling(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{})
	m := newScripted(t, JSON, func(w http.ResponseWriter, r *http.Request, call *scheduler.Call) {
		stream(nil, subscribed(0.05))(w, r, call)
		<-waiting // so that the client waits in a read of its own for what follows
		for _, id := range []string{"a", "b"} {
			_, _ = w.Write(framed([]byte(rescind(id))))
		}
		w.(http.Flusher).Flush()
		open(r)
	}, stream(open, subscribed(15)))
	config := testConfig(t, m.URL)
	config.MissedHeartbeats = 10 // 0.5 s
	s := mustSubscribe(t, newTestClient(t, config), Framework{})
	time.Sleep(100 * time.Millisecond)
	close(waiting)
	time.Sleep(time.Second) // the handling of "a", longer than the limit
	nextEvent[Rescind](t, s)
	if got := nextEvent[Rescind](t, s); got.Offer.Value != "b" {
		t.Errorf("got %v", got)
	}
	nextEvent[Reconnected](t, s) // now it is really silent
}

func TestSessionEndsForGood(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"Framework failed over":      ErrFailedOver,
		"Framework has been removed": ErrFrameworkRemoved,
	} {
		m := newScripted(t, JSON, stream(nil, subscribed(15), errorEvent(text)))
		s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
		if err := ended(t, s); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
		if err := s.Revive(testContext(t)); !errors.Is(err, want) {
			t.Errorf("a call afterwards: %v, want %v", err, want)
		}
		if n := len(m.calls()); n != 1 {
			t.Errorf("%d calls, want 1: the end is the end", n)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	m := newScripted(t, JSON, stream(func(r *http.Request) { open(r); close(gone) }, subscribed(15), rescind("a")))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	s.Close()
	s.Close()
	if !errors.Is(s.Err(), ErrClosed) {
		t.Errorf("Err is %v", s.Err())
	}
	if _, ok := <-s.Events(); ok {
		t.Error("an event after Close")
	}
	<-gone // the master sees the end of the stream
}

func TestGuardStopsReconnects(t *testing.T) {
	t.Parallel()
	lost := errors.New("the job is another worker's")
	m := newScripted(t, JSON, stream(nil, subscribed(15)))
	asked := 0
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{Guard: func(context.Context) error {
		if asked++; asked > 1 {
			return lost
		}
		return nil
	}})
	if err := ended(t, s); !errors.Is(err, lost) {
		t.Errorf("got %v, want %v", err, lost)
	}
	if n := len(m.calls()); n != 1 {
		t.Errorf("%d SUBSCRIBEs, want 1", n)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	leader := newScripted(t, JSON, answer(405, "405 Method Not Allowed."))
	follower := newScripted(t, JSON, redirect("//"+strings.TrimPrefix(leader.URL, "http://")))
	starting := newScripted(t, JSON, answer(503, ""))
	for _, c := range []struct {
		masters []string
		ok      bool
	}{
		{[]string{leader.URL}, true},
		{[]string{starting.URL, follower.URL}, true},
		{[]string{starting.URL}, false},
	} {
		if err := newTestClient(t, testConfig(t, c.masters...)).Ping(testContext(t)); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.masters, err)
		}
	}
}

// Over TLS with a CA of one's own; a redirect without a scheme stays on TLS, and one that
// would leave it is refused.
func TestTLS(t *testing.T) {
	t.Parallel()
	secure := func(steps ...step) *scripted {
		m := &scripted{t: t, codec: JSON, steps: steps}
		m.Server = httptest.NewTLSServer(m)
		t.Cleanup(func() { m.CloseClientConnections(); m.Close() })
		return m
	}
	plain := newScripted(t, JSON, stream(open, subscribed(15)))
	leader := secure(stream(open, subscribed(15)))
	other := secure(redirect(plain.URL), redirect("//"+strings.TrimPrefix(leader.URL, "https://")))
	config := testConfig(t, other.URL)
	config.TLSConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	config.TLSConfig.RootCAs.AddCert(leader.Certificate())
	config.TLSConfig.RootCAs.AddCert(other.Certificate())
	mustSubscribe(t, newTestClient(t, config), Framework{})
	if len(leader.calls()) != 1 || len(plain.calls()) != 0 {
		t.Errorf("%d calls over TLS, %d without", len(leader.calls()), len(plain.calls()))
	}
	config.TLSConfig = nil // an unknown CA
	if err := newTestClient(t, config).Ping(testContext(t)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want a certificate error", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]Config{
		"Masters is empty": {},
		"ftp://h":          {Masters: []string{"ftp://h"}},
		"http://":          {Masters: []string{"http://"}},
		`codec "xml"`:      {Masters: []string{"h:5050"}, Codec: "xml"},
		"BackoffMin":       {Masters: []string{"h:5050"}, BackoffMin: time.Minute},
		"Principal":        {Masters: []string{"h:5050"}, Secret: "s"},
		"negative":         {Masters: []string{"h:5050"}, CallTimeout: -1},
	} {
		if _, err := NewClient(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", config, err, want)
		}
	}
	if _, err := NewClient(Config{Masters: []string{"10.0.0.1:5050", "https://m2/"}}); err != nil {
		t.Error(err)
	}
}

// A master that was stuck carries a SUBSCRIBE out after the one that followed it: the failover
// is our own doing. With a Guard to say that the framework is still ours, the session goes on.
func TestFailoverByOurselves(t *testing.T) {
	t.Parallel()
	failedOver := stream(nil, subscribed(15), errorEvent("Framework failed over"))
	for guarded, want := range map[bool]int{true: 3, false: 2} {
		m := newScripted(t, JSON, func(_ http.ResponseWriter, r *http.Request, _ *scheduler.Call) { open(r) }, failedOver)
		config := testConfig(t, m.URL)
		config.SubscribeTimeout = 100 * time.Millisecond
		f := Framework{}
		if guarded {
			f.Guard = func(context.Context) error { return nil }
		}
		s := mustSubscribe(t, newTestClient(t, config), f)
		if err := ended(t, s); !errors.Is(err, ErrFailedOver) {
			t.Errorf("guarded %v: ended with %v", guarded, err)
		}
		// One SUBSCRIBE was given up, so one failover is forgiven, not the second.
		if n := len(m.calls()); n != want {
			t.Errorf("guarded %v: %d SUBSCRIBEs, want %d", guarded, n, want)
		}
	}
}

// A record that is too long, or no event, ends the subscription and not the session: what follows it
// cannot be read, and the next subscription begins anew.
func TestRecordsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]string{
		"too long": `{"type":"HEARTBEAT","padding":"` + strings.Repeat("x", 1000) + `"}`,
		"no JSON":  `{"type":`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newScripted(t, JSON, stream(open, subscribed(15), record, rescind("never")), stream(open, subscribed(15), rescind("o")))
			cfg := testConfig(t, m.URL)
			cfg.MaxRecord = 500
			s := mustSubscribe(t, newTestClient(t, cfg), Framework{})
			nextEvent[Reconnected](t, s)
			if e := nextEvent[Rescind](t, s); e.Offer.Value != "o" {
				t.Errorf("rescinded %v", e.Offer)
			}
		})
	}
}
