package mesos

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// scripted is an HTTP server that plays masters' parts which a whole master would not play on
// demand: each request is answered by the next step, the last step answers all that follow.
type scripted struct {
	*httptest.Server
	t     testing.TB
	codec Codec

	mu    sync.Mutex
	steps []step
	seen  []*scheduler.Call // calls in order
	heads []http.Header
}

// step answers one request.
type step func(w http.ResponseWriter, r *http.Request, call *scheduler.Call)

func newScripted(t testing.TB, codec Codec, steps ...step) *scripted {
	m := &scripted{t: t, codec: codec, steps: steps}
	m.Server = httptest.NewServer(m)
	t.Cleanup(func() {
		m.CloseClientConnections() // streams stay open otherwise
		m.Close()
	})
	return m
}

func (m *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	var call scheduler.Call
	if m.codec == JSON {
		err = call.UnmarshalJSON(body)
	} else {
		err = call.Unmarshal(body)
	}
	if r.Method == http.MethodPost && err != nil {
		m.t.Errorf("not a call: %v", err)
	}
	m.mu.Lock()
	next := m.steps[0]
	if len(m.steps) > 1 {
		m.steps = m.steps[1:]
	}
	if r.Method == http.MethodPost {
		m.seen = append(m.seen, &call)
		m.heads = append(m.heads, r.Header)
	}
	m.mu.Unlock()
	next(w, r, &call)
}

func (m *scripted) calls() []*scheduler.Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*scheduler.Call(nil), m.seen...)
}

func (m *scripted) header(i int) http.Header {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heads[i]
}

// answer is a plain answer.
func answer(status int, text string) step {
	return func(w http.ResponseWriter, _ *http.Request, _ *scheduler.Call) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

// redirect points elsewhere.
func redirect(location string) step {
	return func(w http.ResponseWriter, _ *http.Request, _ *scheduler.Call) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// stream answers with an event stream of records (JSON), then does what end says.
func stream(end func(*http.Request), records ...string) step {
	return func(w http.ResponseWriter, r *http.Request, _ *scheduler.Call) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set(streamIDHeader, "stream-of-"+r.RemoteAddr)
		w.WriteHeader(http.StatusOK)
		for _, record := range records {
			_, _ = w.Write(framed([]byte(record))) // the client may be gone, which is its business
			w.(http.Flusher).Flush()
		}
		if end != nil {
			end(r)
		}
	}
}

// open keeps a stream open until the client goes or the server is closed.
func open(r *http.Request) { <-r.Context().Done() }

// abort closes the connection without a last chunk, as a killed master does.
func abort(*http.Request) { panic(http.ErrAbortHandler) }

func subscribed(heartbeat float64) string {
	return fmt.Sprintf(`{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"f-1"},"heartbeat_interval_seconds":%g}}`, heartbeat)
}

const heartbeatEvent = `{"type":"HEARTBEAT"}`

func rescind(id string) string {
	return fmt.Sprintf(`{"type":"RESCIND","rescind":{"offer_id":{"value":%q}}}`, id)
}

func errorEvent(text string) string {
	return fmt.Sprintf(`{"type":"ERROR","error":{"message":%q}}`, text)
}

// testConfig is quick to retry.
func testConfig(t testing.TB, masters ...string) Config {
	return Config{
		Masters: masters, Codec: JSON, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
		SubscribeTimeout: 5 * time.Second, CallTimeout: 5 * time.Second,
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// testWriter logs into the test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

func newTestClient(t testing.TB, config Config) *Client {
	t.Helper()
	c, err := NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// testContext ends with the test, and after a time in which every test must be done.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustSubscribe(t testing.TB, c *Client, f Framework) *Session {
	t.Helper()
	if f.Name == "" {
		f.Name = "test"
	}
	s, err := c.Subscribe(testContext(t), f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// nextEvent waits for an event of type E and fails on any other.
func nextEvent[E Event](t testing.TB, s *Session) E {
	t.Helper()
	select {
	case e, ok := <-s.Events():
		if !ok {
			t.Fatalf("the session ended: %v", s.Err())
		}
		want, ok := e.(E)
		if !ok {
			t.Fatalf("got %#v, want a %T", e, want)
		}
		return want
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
	}
	panic("unreachable")
}

// ended waits for the session's end.
func ended(t testing.TB, s *Session) error {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case _, ok := <-s.Events():
			if !ok {
				return s.Err()
			}
		case <-late:
			t.Fatal("the session did not end")
		}
	}
}
