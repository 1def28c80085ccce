package local_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// Scenario 01: the order and shape of what a stream starts with, and its end.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.HeartbeatInterval = 200 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	s.offers(0, "127.0.0.2", "127.0.0.3")
	_, n := s.await(0, "HEARTBEAT", is("HEARTBEAT"))
	s.await(n, "second HEARTBEAT", is("HEARTBEAT"))
	s.mu.Lock()
	for i, want := range []string{"SUBSCRIBED", "HEARTBEAT", "OFFERS"} {
		if got := s.events[i].body["type"]; got != want {
			t.Errorf("event %d is %v, want %s", i, got, want)
		}
	}
	first := s.events[0]
	s.mu.Unlock()
	if got := at(first.body, "subscribed", "heartbeat_interval_seconds"); got != 0.2 {
		t.Errorf("heartbeat_interval_seconds %v, want 0.2", got)
	}
	if got := at(first.body, "subscribed", "master_info", "ip"); got != 16777343.0 {
		t.Errorf("master_info.ip %v, want little-endian 127.0.0.1", got)
	}
	s.call("TEARDOWN", nil)
	if how := s.end(); how != "EOF" {
		t.Errorf("the stream ended with %q, want the last chunk", how)
	}
	recordingOf(t, "01").all(s)
}

// Scenario 01: fault domains.
func TestFaultDomains(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	cfg.Region, cfg.Zone = "region-1", "zone-1"
	for i := range cfg.Agents {
		cfg.Agents[i].Region, cfg.Agents[i].Zone = "region-1", "zone-2"
	}
	s := subscribe(t, start(t, cfg), nil)
	s.offers(0, "127.0.0.2", "127.0.0.3")
	recordingOf(t, "01").all(s)
}

// One chunk a record, and no more headers than recorded.
func TestRecordPerChunk(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	resp, err := rawSubscribe(m, "application/json", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for name := range resp.Header {
		switch name {
		case "Date", "Content-Type", "Mesos-Stream-Id":
		default:
			t.Errorf("header %s is not in the recording", name)
		}
	}
	if len(resp.TransferEncoding) != 1 || resp.TransferEncoding[0] != "chunked" {
		t.Errorf("Transfer-Encoding %v", resp.TransferEncoding)
	}
}

func rawSubscribe(m *local.Mesos, contentType, accept string, client *http.Client) (*http.Response, error) {
	if client == nil {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
	role, cp := "golden", true
	call := &sched.Call{Type: sched.Call_SUBSCRIBE, Subscribe: &sched.Call_Subscribe{FrameworkInfo: &mesos.FrameworkInfo{
		User: "root", Name: "golden", Roles: []string{role}, Checkpoint: &cp,
		Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}},
	}}}
	body, err := call.Marshal()
	if contentType == "application/json" {
		body, err = call.MarshalJSON() // mesos-go's own JSON, with its nulls
	}
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, m.URL()+"/api/v1/scheduler", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", accept)
	return client.Do(req)
}

// Scenario 17: Content-Type and Accept are independent.
func TestProtobuf(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	const js, pb = "application/json", "application/x-protobuf"
	for _, c := range []struct{ contentType, accept string }{{pb, pb}, {pb, js}, {js, pb}, {js, js}} {
		t.Run(c.contentType+" "+c.accept, func(t *testing.T) {
			resp, err := rawSubscribe(m, c.contentType, c.accept, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != c.accept {
				t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
			}
			r := bufio.NewReader(resp.Body)
			for i, want := range []sched.Event_Type{sched.Event_SUBSCRIBED, sched.Event_HEARTBEAT} {
				record, err := readRecord(r)
				if err != nil {
					t.Fatal(err)
				}
				e := &sched.Event{}
				if c.accept == pb {
					err = e.Unmarshal(record)
				} else {
					err = e.UnmarshalJSON(record)
				}
				if err != nil || e.Type != want {
					t.Fatalf("record %d is %v (%v), want %v", i, e.Type, err, want)
				}
				if i == 1 && c.accept == pb && string(record) != "\x08\x08" {
					t.Errorf("HEARTBEAT is %x, recorded 0808", record)
				}
			}
		})
	}
}

// Scenario 07: failover, reconnection, and IDs that are never seen or removed.
func TestFailover(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2", "127.0.0.3"))
	first := subscribe(t, m, nil)
	first.autoAck = false
	o := first.offers(0, "127.0.0.2", "127.0.0.3")
	first.launch(o["127.0.0.2"], task("t1", o["127.0.0.2"], shell("sleep 100")))
	pending := first.status(0, "t1", "TASK_STARTING")

	second := subscribe(t, m, obj("id", value(first.id)))
	e, _ := first.await(0, "ERROR", is("ERROR"))
	if at(e.body, "error", "message") != "Framework failed over" {
		t.Errorf("ERROR %s", e.raw)
	}
	if how := first.end(); how != "EOF" {
		t.Errorf("the first stream ended with %q", how)
	}
	first.quiet(0, 0, "RESCIND", is("RESCIND"))
	if status, text := first.try("REVIVE", obj()); status != 400 || !strings.Contains(text, "didn't match the stream ID") {
		t.Errorf("call with the old stream: %d %s", status, text)
	}
	if again := second.status(0, "t1", "TASK_STARTING"); at(again, "uuid") != at(pending, "uuid") {
		t.Errorf("pending update came with another uuid")
	}
	second.status(0, "t1", "TASK_RUNNING")
	second.launch(o["127.0.0.3"], task("old", o["127.0.0.3"], shell("true")))
	second.status(0, "old", "TASK_DROPPED")
	second.offers(0, "127.0.0.2", "127.0.0.3")

	// The client goes and comes back with a changed FrameworkInfo.
	second.close()
	eventually(t, "403", func() bool {
		status, text := second.try("REVIVE", obj())
		return status == 403 && text == "Framework is not subscribed"
	})
	third := subscribe(t, m, obj("id", value(first.id), "name", "renamed", "roles", list("golden", "more")))
	third.offer(0, "127.0.0.3")
	fourth := subscribe(t, m, obj("id", value(first.id), "roles", list("more")))
	third.end()
	if _, ok := findOffer(third, "golden"); ok {
		third.await(0, "RESCIND of an offer of the role that is gone", is("RESCIND"))
	}
	fourth.call("TEARDOWN", nil)
	fourth.end()
	rec := recordingOf(t, "0", "1")
	for _, s := range []*scheduler{first, second, third, fourth} {
		rec.all(s)
	}
	gone := subscribe(t, m, obj("id", value(first.id)))
	e, _ = gone.await(0, "ERROR", is("ERROR"))
	if at(e.body, "error", "message") != "Framework has been removed" || gone.end() != "EOF" {
		t.Errorf("ERROR %s", e.raw)
	}
	stranger := subscribe(t, m, obj("id", value("never-seen-0001")))
	stranger.await(0, "SUBSCRIBED", is("SUBSCRIBED"))
	if stranger.id != "never-seen-0001" {
		t.Errorf("framework ID %s", stranger.id)
	}
}

func findOffer(s *scheduler, role string) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		all, _ := lookup(e.body, "offers", "offers")
		offers, _ := all.([]any)
		for _, o := range offers {
			if at(o, "allocation_info", "role") == role {
				return o.(map[string]any), true
			}
		}
	}
	return nil, false
}

// Scenario 07: the failover timeout, and 18: it ends the executors.
func TestFailoverTimeout(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, obj("failover_timeout", 0.2))
	s.running(s.offer(0, ""), "t1", "e1")
	s.close()
	eventually(t, "the executor is gone", func() bool { return len(m.Agents()[0].Executors) == 0 })
	again := subscribe(t, m, obj("id", value(s.id)))
	e, _ := again.await(0, "ERROR", is("ERROR"))
	if at(e.body, "error", "message") != "Framework has been removed" {
		t.Errorf("ERROR %s", e.raw)
	}
	zero := subscribe(t, m, obj("failover_timeout", nil))
	zero.offer(0, "")
	zero.close()
	eventually(t, "an absent timeout removes at once", func() bool {
		status, text := zero.try("REVIVE", obj())
		return status == 400 && text == "Framework cannot be found"
	})
}

// Scenario 13: TEARDOWN ends the stream, the executors and the commands; the resources are
// offered again before the processes are gone.
func TestTeardown(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2")
	cfg.ExecutorShutdownGrace = 700 * time.Millisecond
	m := start(t, cfg)
	s := subscribe(t, m, nil)
	o := s.offer(0, "")
	s.launch(o, task("obeys", o, custom("e1")), task("stubborn", o, custom("e2", "stubborn")), task("command", o, shell("sleep 100")))
	for _, id := range []string{"obeys", "stubborn", "command"} {
		s.status(0, id, "TASK_RUNNING")
	}
	other := subscribe(t, m, obj("name", "other"))
	from := s.position()
	s.call("TEARDOWN", nil)
	if s.end() != "EOF" {
		t.Error("no last chunk")
	}
	s.quiet(from, 0, "UPDATE", is("UPDATE"))
	for n, whole := 0, false; !whole; {
		o := other.offer(n, "")
		n = other.position()
		whole = held(o)["cpus"] == "8"
		other.decline(0, o)
	}
	if n := len(m.Agents()[0].Executors); n == 0 {
		t.Error("the stubborn executor should still run when its resources are offered again")
	}
	eventually(t, "all processes are gone", func() bool { return len(m.Agents()[0].Executors) == 0 })
	if status, text := s.try("REVIVE", obj()); status != 400 || text != "Framework cannot be found" {
		t.Errorf("call after TEARDOWN: %d %s", status, text)
	}
	recordingOf(t, "0", "1").all(s)
}

// An operator removes a framework by its ID, as with the master's endpoint of that name.
func TestTeardownByOperator(t *testing.T) {
	t.Parallel()
	m := start(t, quick(t, "127.0.0.2"))
	s := subscribe(t, m, nil)
	s.offers(0, "127.0.0.2")
	post := func(form url.Values) (int, string) {
		t.Helper()
		resp, err := http.PostForm(m.URL()+"/teardown", form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if status, text := post(nil); status != http.StatusBadRequest || !strings.Contains(text, "frameworkId") {
		t.Errorf("without an ID: %d %s", status, text)
	}
	id := at(getState(t, m.URL()), "frameworks").([]any)[0].(map[string]any)["id"].(string)
	if status, text := post(url.Values{"frameworkId": {id}}); status != http.StatusOK || text != "" {
		t.Errorf("%d %q", status, text)
	}
	if how := s.end(); how != "EOF" {
		t.Errorf("the stream ended with %q, want the last chunk", how)
	}
	if status, text := post(url.Values{"frameworkId": {id}}); status != http.StatusBadRequest || text != "No framework found with specified ID" {
		t.Errorf("a second time: %d %q", status, text)
	}
}
