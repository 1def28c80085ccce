package local_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// scheduler is a bare client of the v1 scheduler API, in JSON.
type scheduler struct {
	t        *testing.T
	url      string
	id       string // framework ID, once known
	streamID string
	resp     *http.Response
	autoAck  bool

	mu     sync.Mutex
	events []event
	ended  string // how the stream ended
	grown  chan struct{}
	client *http.Client
}

type event struct {
	at   time.Time
	body map[string]any
	raw  string
}

// frameworkInfo is the one of the recordings, changed by the given fields.
func frameworkInfo(change map[string]any) map[string]any {
	info := map[string]any{
		"user": "root", "name": "golden", "roles": []any{"golden"}, "checkpoint": true, "failover_timeout": 604800.0,
		"capabilities": []any{
			obj("type", "MULTI_ROLE"), obj("type", "PARTITION_AWARE"), obj("type", "RESERVATION_REFINEMENT"), obj("type", "REGION_AWARE"),
		},
	}
	for k, v := range change {
		if v == nil {
			delete(info, k)
		} else {
			info[k] = v
		}
	}
	return info
}

// subscribe opens an event stream; call fields may hold framework_id and suppressed_roles.
func subscribe(t *testing.T, m *local.Mesos, change map[string]any) *scheduler {
	t.Helper()
	s := dial(t, m.URL(), change)
	if s.resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(s.resp.Body)
		t.Fatalf("SUBSCRIBE: %d %s", s.resp.StatusCode, b)
	}
	s.await(0, "first event", func(map[string]any) bool { return true })
	return s
}

func dial(t *testing.T, url string, change map[string]any) *scheduler {
	t.Helper()
	s := &scheduler{t: t, url: url + "/api/v1/scheduler", grown: make(chan struct{}), autoAck: true,
		client: &http.Client{Transport: &http.Transport{}}}
	suppressed := change["suppressed_roles"]
	delete(change, "suppressed_roles")
	info := frameworkInfo(change)
	call := map[string]any{"type": "SUBSCRIBE", "subscribe": map[string]any{"framework_info": info}}
	if id, ok := info["id"]; ok {
		call["framework_id"] = id
	}
	if suppressed != nil {
		call["subscribe"].(map[string]any)["suppressed_roles"] = suppressed
	}
	resp, err := s.do(call, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.resp, s.streamID = resp, resp.Header.Get("Mesos-Stream-Id")
	done := make(chan struct{})
	if resp.StatusCode == http.StatusOK {
		go func() { defer close(done); s.read(resp.Body) }()
	} else {
		close(done)
	}
	t.Cleanup(func() { s.close(); <-done; s.client.CloseIdleConnections() })
	return s
}

func (s *scheduler) close() { _ = s.resp.Body.Close() }

func (s *scheduler) do(call any, header map[string]string) (*http.Response, error) {
	b, err := json.Marshal(call)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return s.client.Do(req)
}

func readRecord(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if line == "" {
			return nil, err
		}
		return nil, fmt.Errorf("half a record: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err = io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("half a record: %w", err)
	}
	return b, nil
}

func (s *scheduler) read(body io.Reader) {
	r := bufio.NewReader(body)
	for {
		record, err := readRecord(r)
		if err != nil {
			s.mu.Lock()
			s.ended = err.Error()
			s.growLocked()
			s.mu.Unlock()
			return
		}
		var e map[string]any
		if err := json.Unmarshal(record, &e); err != nil {
			s.t.Errorf("record %q: %v", record, err)
			return
		}
		if e["type"] == "SUBSCRIBED" {
			s.id = at(e, "subscribed", "framework_id", "value").(string)
		}
		s.mu.Lock()
		s.events = append(s.events, event{time.Now(), e, string(record)})
		s.growLocked()
		s.mu.Unlock()
		if uuid, ok := lookup(e, "update", "status", "uuid"); ok && s.autoAck {
			s.ack(e, uuid.(string))
		}
	}
}

func (s *scheduler) growLocked() {
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *scheduler) ack(e map[string]any, uuid string) {
	resp, err := s.do(obj("type", "ACKNOWLEDGE", "framework_id", value(s.id), "acknowledge", obj(
		"agent_id", at(e, "update", "status", "agent_id"), "task_id", at(e, "update", "status", "task_id"), "uuid", uuid)),
		map[string]string{"Mesos-Stream-Id": s.streamID})
	if err == nil {
		resp.Body.Close()
	}
}

// call sends a call on the subscription and wants 202.
func (s *scheduler) call(typ string, body any) {
	s.t.Helper()
	if status, text := s.try(typ, body); status != http.StatusAccepted {
		s.t.Fatalf("%s: %d %s", typ, status, text)
	}
}

func (s *scheduler) try(typ string, body any) (int, string) {
	s.t.Helper()
	call := obj("type", typ, "framework_id", value(s.id))
	if body != nil {
		call[strings.ToLower(typ)] = body
	}
	resp, err := s.do(call, map[string]string{"Mesos-Stream-Id": s.streamID})
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// await returns the first event from position from on for which ok holds, and the position
// after it.
func (s *scheduler) await(from int, what string, ok func(map[string]any) bool) (event, int) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for i := from; ; {
		s.mu.Lock()
		for ; i < len(s.events); i++ {
			if ok(s.events[i].body) {
				e := s.events[i]
				s.mu.Unlock()
				return e, i + 1
			}
		}
		grown, ended := s.grown, s.ended
		s.mu.Unlock()
		if ended != "" {
			s.t.Fatalf("no %s: the stream ended (%s) after\n%s", what, ended, s.log())
		}
		select {
		case <-grown:
		case <-deadline:
			s.t.Fatalf("no %s within 10 s; there were\n%s", what, s.log())
		}
	}
}

func (s *scheduler) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, e := range s.events {
		fmt.Fprintf(&b, "  %s %.600s\n", e.at.Format("05.000"), e.raw)
	}
	return b.String()
}

func (s *scheduler) position() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// quiet fails if an event of a type comes within d.
func (s *scheduler) quiet(from int, d time.Duration, what string, ok func(map[string]any) bool) {
	s.t.Helper()
	time.Sleep(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events[from:] {
		if ok(e.body) {
			s.t.Fatalf("unexpected %s: %s", what, e.raw)
		}
	}
}

// end waits for the end of the stream and returns how it ended: "EOF" is the last chunk.
func (s *scheduler) end() string {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		ended, grown := s.ended, s.grown
		s.mu.Unlock()
		if ended != "" {
			return ended
		}
		select {
		case <-grown:
		case <-deadline:
			s.t.Fatal("the stream did not end within 10 s")
		}
	}
}

func is(typ string) func(map[string]any) bool {
	return func(e map[string]any) bool { return e["type"] == typ }
}

// update matches an UPDATE of a task in a state.
func update(task, state string) func(map[string]any) bool {
	return func(e map[string]any) bool {
		id, _ := lookup(e, "update", "status", "task_id", "value")
		got, _ := lookup(e, "update", "status", "state")
		return id == task && got == state
	}
}

// offer waits for an offer of an agent (by IP; "" is any) from position from on.
func (s *scheduler) offer(from int, ip string) map[string]any {
	s.t.Helper()
	var found map[string]any
	s.await(from, "offer of "+ip, func(e map[string]any) bool {
		list, _ := lookup(e, "offers", "offers")
		offers, _ := list.([]any)
		for _, o := range offers {
			if ip == "" || at(o, "hostname") == ip {
				found = o.(map[string]any)
				return true
			}
		}
		return false
	})
	return found
}

// launch accepts an offer for tasks.
func (s *scheduler) launch(offer map[string]any, tasks ...any) {
	s.t.Helper()
	s.launchWith(list(at(offer, "id")), 0, tasks...)
}

func (s *scheduler) launchWith(offerIDs []any, refuse float64, tasks ...any) {
	s.t.Helper()
	s.call("ACCEPT", obj("offer_ids", offerIDs, "operations", list(obj("type", "LAUNCH", "launch", obj("task_infos", tasks))),
		"filters", obj("refuse_seconds", refuse)))
}

// running launches one task of the test executor and waits until it runs.
func (s *scheduler) running(offer map[string]any, id, executor string, args ...any) event {
	s.t.Helper()
	from := s.position()
	s.launch(offer, task(id, offer, custom(executor, args...)))
	e, _ := s.await(from, "RUNNING", update(id, "TASK_RUNNING"))
	return e
}

// offers waits until every agent was offered since from, and returns the offers by IP.
func (s *scheduler) offers(from int, ips ...string) map[string]map[string]any {
	s.t.Helper()
	out := map[string]map[string]any{}
	for _, ip := range ips {
		out[ip] = s.offer(from, ip)
	}
	return out
}

func (s *scheduler) decline(refuse any, offers ...map[string]any) {
	s.t.Helper()
	var ids []any
	for _, o := range offers {
		ids = append(ids, at(o, "id"))
	}
	body := obj("offer_ids", ids)
	if refuse != nil {
		body["filters"] = obj("refuse_seconds", refuse)
	}
	s.call("DECLINE", body)
}

// status waits for an UPDATE about a task and returns its status.
func (s *scheduler) status(from int, task, state string) map[string]any {
	s.t.Helper()
	e, _ := s.await(from, state+" of "+task, update(task, state))
	return at(e.body, "update", "status").(map[string]any)
}
