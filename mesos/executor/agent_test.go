package executor

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

// scriptedAgent is the executor's side of a Mesos agent: it does nothing by itself but take
// calls, which the test reads, and send the events that the test says.
type scriptedAgent struct {
	t        *testing.T
	addr     string
	encoding string
	server   *http.Server
	calls    chan *mesosexec.Call // all but SUBSCRIBE
	streams  chan *scriptedStream
	tls      *tls.Config // nil: plain HTTP

	mu sync.Mutex
	// answer, where set, replaces the status of a call that is not 0.
	answer func(*mesosexec.Call) int
}

// scriptedStream is one subscription.
type scriptedStream struct {
	agent *scriptedAgent
	call  *mesosexec.Call
	send  chan *mesosexec.Event
	gone  chan struct{} // closed when the executor has left
	end   chan struct{} // closed by the test to end the stream
}

func newAgentScript(t *testing.T, encoding string) *scriptedAgent {
	a := &scriptedAgent{
		t: t, encoding: encoding, addr: fmt.Sprintf("127.0.0.1:%d", redistest.HoldPort(t)),
		calls: make(chan *mesosexec.Call, 1000), streams: make(chan *scriptedStream, 100),
	}
	a.start()
	t.Cleanup(a.stop)
	return a
}

// start listens, always on the same port.
func (a *scriptedAgent) start() {
	a.t.Helper()
	var l net.Listener
	await(a.t, "a place to listen", func() (listens bool) {
		// A process that is just being forked may hold the old socket for a moment.
		var err error
		l, err = net.Listen("tcp", a.addr)
		return err == nil
	})
	if a.tls != nil {
		l = tls.NewListener(l, a.tls)
	}
	a.server = &http.Server{Handler: http.HandlerFunc(a.serve), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go a.server.Serve(l)
}

// serveTLS starts it again, with a certificate.
func (a *scriptedAgent) serveTLS(certificate tls.Certificate) {
	a.t.Helper()
	a.stop()
	a.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
	a.start()
}

// stop is a crash: it closes the listener and every connection.
func (a *scriptedAgent) stop() { a.server.Close() }

func (a *scriptedAgent) answerWith(f func(*mesosexec.Call) int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

func (a *scriptedAgent) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	call := new(mesosexec.Call)
	if err == nil && a.encoding == JSON {
		err = json.Unmarshal(body, call)
	} else if err == nil {
		err = call.Unmarshal(body)
	}
	if err != nil || req.Header.Get("Content-Type") != codecs[a.encoding].mediaType {
		http.Error(w, fmt.Sprintf("%v", err), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	answer := a.answer
	a.mu.Unlock()
	if answer != nil {
		if status := answer(call); status != 0 {
			http.Error(w, "scripted", status)
			return
		}
	}
	if call.Type != mesosexec.Call_SUBSCRIBE {
		a.calls <- call
		w.WriteHeader(http.StatusAccepted)
		return
	}
	s := &scriptedStream{
		agent: a, call: call, send: make(chan *mesosexec.Event),
		gone: make(chan struct{}), end: make(chan struct{}),
	}
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	a.streams <- s
	defer close(s.gone)
	for {
		select {
		case e := <-s.send:
			w.Write(record(a.encoding, e))
			w.(http.Flusher).Flush()
		case <-s.end:
			return
		case <-req.Context().Done():
			return
		}
	}
}

func record(encoding string, e *mesosexec.Event) []byte {
	var b []byte
	var err error
	if encoding == JSON {
		b, err = json.Marshal(e)
	} else {
		b, err = e.Marshal()
	}
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "%d\n%s", len(b), b)
}

// subscription waits for the next SUBSCRIBE.
func (a *scriptedAgent) subscription() *scriptedStream {
	a.t.Helper()
	select {
	case s := <-a.streams:
		return s
	case <-time.After(patience):
		a.t.Fatal("no SUBSCRIBE")
		return nil
	}
}

// update waits for the next UPDATE, without acknowledging it.
func (a *scriptedAgent) update() mesos.TaskStatus {
	a.t.Helper()
	select {
	case c := <-a.calls:
		if c.Type != mesosexec.Call_UPDATE {
			a.t.Fatalf("a call of type %s, not UPDATE", c.Type)
		}
		return c.Update.Status
	case <-time.After(patience):
		a.t.Fatal("no UPDATE")
		return mesos.TaskStatus{}
	}
}

func (s *scriptedStream) event(e *mesosexec.Event) {
	s.agent.t.Helper()
	select {
	case s.send <- e:
	case <-s.gone:
		s.agent.t.Fatalf("%s: the executor has left the stream", e.Type)
	case <-time.After(patience):
		s.agent.t.Fatalf("%s: the executor does not read", e.Type)
	}
}

func (s *scriptedStream) subscribed(data []byte) {
	s.agent.t.Helper()
	s.event(&mesosexec.Event{Type: mesosexec.Event_SUBSCRIBED, Subscribed: &mesosexec.Event_Subscribed{
		ExecutorInfo:  mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: "executor"}, Data: data, Resources: []mesos.Resource{}},
		FrameworkInfo: mesos.FrameworkInfo{Name: "f", User: "u"},
		AgentInfo:     mesos.AgentInfo{Hostname: "h"},
	}})
}

func (s *scriptedStream) launch(taskID string) {
	s.agent.t.Helper()
	s.event(&mesosexec.Event{Type: mesosexec.Event_LAUNCH, Launch: &mesosexec.Event_Launch{Task: mesos.TaskInfo{
		Name: taskID, TaskID: mesos.TaskID{Value: taskID}, AgentID: mesos.AgentID{Value: "a"},
	}}})
}

func (s *scriptedStream) acknowledge(u mesos.TaskStatus) {
	s.agent.t.Helper()
	s.event(&mesosexec.Event{Type: mesosexec.Event_ACKNOWLEDGED, Acknowledged: &mesosexec.Event_Acknowledged{
		TaskID: u.TaskID, UUID: u.UUID,
	}})
}

func (s *scriptedStream) message(text string) {
	s.agent.t.Helper()
	s.event(&mesosexec.Event{Type: mesosexec.Event_MESSAGE, Message: &mesosexec.Event_Message{Data: []byte(text)}})
}

func (s *scriptedStream) kill(taskID string, grace time.Duration) {
	s.agent.t.Helper()
	k := &mesosexec.Event_Kill{TaskID: mesos.TaskID{Value: taskID}}
	if grace > 0 {
		k.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(grace)}}
	}
	s.event(&mesosexec.Event{Type: mesosexec.Event_KILL, Kill: k})
}

func (s *scriptedStream) shutdown() {
	s.agent.t.Helper()
	s.event(&mesosexec.Event{Type: mesosexec.Event_SHUTDOWN})
}

// next waits for the next update, checks and acknowledges it.
func (s *scriptedStream) next(state mesos.TaskState) mesos.TaskStatus {
	s.agent.t.Helper()
	u := s.agent.update()
	if *u.State != state {
		s.agent.t.Fatalf("%s is %s (%s), not %s", u.TaskID.Value, u.State, u.GetMessage(), state)
	}
	if len(u.UUID) != 16 || *u.Source != mesos.SOURCE_EXECUTOR {
		s.agent.t.Fatalf("an agent refuses this update: %v", u)
	}
	s.acknowledge(u)
	return u
}

// all waits until every one of n tasks has told a state.
func (s *scriptedStream) all(n int, state mesos.TaskState) {
	s.agent.t.Helper()
	seen := map[string]bool{}
	for len(seen) < n {
		seen[s.next(state).TaskID.Value] = true
	}
}
