package mesos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// recordedStreams are the recorded events of a scenario, one stream for each SUBSCRIBED.
func recordedStreams(events [][]byte) [][][]byte {
	var streams [][][]byte
	for _, e := range events {
		if strings.HasPrefix(string(e), `{"type":"SUBSCRIBED"`) {
			streams = append(streams, nil)
		}
		if len(streams) > 0 { // what comes before is an ERROR instead of SUBSCRIBED
			last := &streams[len(streams)-1]
			*last = append(*last, e)
		}
	}
	return streams
}

// inPieces answers with bytes, cut anywhere, then ends the stream.
func inPieces(body []byte, codec Codec) step {
	return func(w http.ResponseWriter, _ *http.Request, _ *scheduler.Call) {
		w.Header().Set("Content-Type", codec.mediaType())
		w.Header().Set(streamIDHeader, "s")
		w.WriteHeader(http.StatusOK)
		for len(body) > 0 {
			n := min(len(body), 1+rand.N(1+rand.N(4000)))
			_, _ = w.Write(body[:n]) // the client may be gone, which is its business
			w.(http.Flusher).Flush()
			body = body[n:]
		}
	}
}

// Every recorded stream, in JSON and in protobuf, in pieces of any size, is what the consumer
// gets: the same events in the same order, then the reaction that its end asks for.
func TestReplayRecordedStreams(t *testing.T) {
	t.Parallel()
	for file, events := range recorded(t) {
		for i, records := range recordedStreams(events) {
			for _, codec := range []Codec{JSON, Protobuf} {
				replay(t, file, i, records, codec)
			}
		}
	}
}

func replay(t *testing.T, file string, stream int, records [][]byte, codec Codec) {
	t.Helper()
	var want []Event
	var wantEnd error
	var body []byte
	for _, text := range records {
		e, err := JSON.decode(text)
		if err != nil {
			t.Fatalf("%s, stream %d: %v", file, stream+1, err)
		}
		if wantEnd == nil && e.Error != nil {
			wantEnd = fatalEvent(e.Error.Message)
		}
		if event := eventOf(e); event != nil && wantEnd == nil {
			want = append(want, event)
		}
		if codec == Protobuf {
			if text, err = e.Marshal(); err != nil {
				t.Fatal(err)
			}
		}
		body = append(body, framed(text)...)
	}
	// After the stream the framework is gone, unless the stream said otherwise.
	m := newScripted(t, codec, inPieces(body, codec), answer(401, "the end of the recording"))
	config := testConfig(t, m.URL)
	config.Codec = codec
	config.Logger = nil
	s := mustSubscribe(t, newTestClient(t, config), Framework{})
	for i, w := range want {
		select {
		case got := <-s.Events():
			if codec == JSON && !reflect.DeepEqual(got, w) {
				t.Fatalf("%s, stream %d, event %d: got %v, want %v", file, stream+1, i+1, got, w)
			}
			if reflect.TypeOf(got) != reflect.TypeOf(w) {
				t.Fatalf("%s, stream %d, event %d: got %T, want %T", file, stream+1, i+1, got, w)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s, stream %d: no event %d", file, stream+1, i+1)
		}
	}
	err := ended(t, s)
	if wantEnd == nil {
		wantEnd = ErrUnauthorized
	}
	if !errors.Is(err, errors.Unwrap(wantEnd)) && !errors.Is(err, wantEnd) {
		t.Errorf("%s, stream %d ended with %v, want %v", file, stream+1, err, wantEnd)
	}
	s.Close()
	m.Close()
}

// A Deployment acknowledges every recorded status that has a UUID, once each time it comes,
// and no other; and it declines every offer.
func TestDeploymentAcknowledgesRecordedStatuses(t *testing.T) {
	t.Parallel()
	for file, events := range recorded(t) {
		streams := recordedStreams(events)
		records := streams[0]
		var acks, declines int
		for i, text := range records {
			e, err := JSON.decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if e.Error != nil {
				records = records[:i]
				break
			}
			switch event := eventOf(e).(type) {
			case Status:
				if len(event.UUID) > 0 {
					acks++
				}
			case Offers:
				declines++
			}
		}
		texts := make([]string, len(records))
		for i, r := range records {
			texts[i] = string(r)
		}
		m := newScripted(t, JSON, stream(open, texts...), answer(202, ""))
		config := testConfig(t, m.URL)
		config.Logger = nil
		s := mustSubscribe(t, newTestClient(t, config), Framework{})
		d := Follow(s, planOf(3), DeploymentOptions{})
		count := func(kind scheduler.Call_Type) (n int) {
			for _, c := range m.calls() {
				if c.Type == kind {
					n++
				}
			}
			return n
		}
		deadline := time.Now().Add(10 * time.Second)
		for count(scheduler.Call_ACKNOWLEDGE) < acks || count(scheduler.Call_DECLINE) < declines {
			if time.Now().After(deadline) {
				break
			}
			time.Sleep(time.Millisecond) // calls are counted by the other side
		}
		if a, b := count(scheduler.Call_ACKNOWLEDGE), count(scheduler.Call_DECLINE); a != acks || b != declines {
			t.Errorf("%s: %d acknowledged and %d declined, want %d and %d", file, a, b, acks, declines)
		}
		d.Close()
		s.Close()
	}
}

// A plan whose tasks are all lost in a reconnect: RECONCILE names each with its agent, is
// repeated while nothing answers, and TASK_GONE, said long enough, ends the deployment.
func TestDeploymentReconcilesAfterAReconnect(t *testing.T) {
	t.Parallel()
	gone := `{"type":"UPDATE","update":{"status":{"task_id":{"value":"node-1"},"state":"TASK_GONE","reason":"REASON_RECONCILIATION","source":"SOURCE_MASTER"}}}`
	asked := make(chan *scheduler.Call, 100)
	reconcile := func(w http.ResponseWriter, r *http.Request, call *scheduler.Call) {
		if call.Type == scheduler.Call_RECONCILE {
			asked <- call
		}
		answer(202, "")(w, r, call)
	}
	cut := make(chan struct{})
	m := newScripted(t, JSON,
		stream(func(*http.Request) { <-cut; abort(nil) }, subscribed(15)),
		answer(202, ""), answer(202, ""), // ACCEPT, SUPPRESS
		func(w http.ResponseWriter, r *http.Request, call *scheduler.Call) {
			stream(func(r *http.Request) {
				for range 3 { // two are left without an answer
					<-asked
				}
				for {
					_, _ = w.Write(framed([]byte(gone)))
					w.(http.Flusher).Flush()
					select {
					case <-asked:
					case <-r.Context().Done():
						return
					}
				}
			}, subscribed(15))(w, r, call)
		},
		reconcile)
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	d := Follow(s, planOf(2), DeploymentOptions{RetryMin: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond, GoneAfter: 50 * time.Millisecond})
	defer d.Close()
	if err := d.Launch(testContext(t), []Launch{{Agent: "a1", Offers: []v1.OfferID{{Value: "o"}}}}, nil); err != nil {
		t.Fatal(err)
	}
	close(cut)
	var failed *TaskError
	if err := d.WaitBound(testContext(t)); !errors.As(err, &failed) || failed.Node != 1 || failed.State != "TASK_GONE" {
		t.Fatalf("got %v, want node 1 gone", err)
	}
	for _, call := range m.calls() {
		if call.Type != scheduler.Call_RECONCILE {
			continue
		}
		if tasks := call.Reconcile.Tasks; len(tasks) != 1 || tasks[0].TaskID.Value != "node-1" || tasks[0].AgentID.GetValue() != "a1" {
			t.Errorf("RECONCILE of %v, want node-1 on a1 (node-0 was never launched)", tasks)
		}
	}
}

func TestInverseOffersAreAnswered(t *testing.T) {
	t.Parallel()
	inverse := `{"type":"INVERSE_OFFERS","inverse_offers":{"inverse_offers":[{"id":{"value":"i1"},"framework_id":{"value":"f-1"},` +
		`"unavailability":{"start":{"nanoseconds":1}}}]}}`
	for accept, want := range map[bool]scheduler.Call_Type{
		true: scheduler.Call_ACCEPT_INVERSE_OFFERS, false: scheduler.Call_DECLINE_INVERSE_OFFERS,
	} {
		answered := make(chan *scheduler.Call, 1)
		m := newScripted(t, JSON, stream(open, subscribed(15), inverse),
			func(w http.ResponseWriter, r *http.Request, call *scheduler.Call) {
				answered <- call
				answer(202, "")(w, r, call)
			})
		s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
		d := Follow(s, planOf(1), DeploymentOptions{AcceptMaintenance: accept})
		select {
		case call := <-answered:
			ids := append(call.GetAcceptInverseOffers().GetInverseOfferIDs(), call.GetDeclineInverseOffers().GetInverseOfferIDs()...)
			if call.Type != want || len(ids) != 1 || ids[0].Value != "i1" {
				t.Errorf("accept %v: got %v", accept, call)
			}
		case <-time.After(10 * time.Second):
			t.Error("no answer")
		}
		d.Close()
		s.Close()
	}
}

// An executor's end fails its nodes even if no status of its tasks ever comes, and says how it
// ended; other executors' ends do not concern the deployment.
func TestExecutorEndWithoutStatuses(t *testing.T) {
	t.Parallel()
	failure := func(executor string, status int) string {
		return fmt.Sprintf(`{"type":"FAILURE","failure":{"agent_id":{"value":"a1"},"executor_id":{"value":%q},"status":%d}}`, executor, status)
	}
	launched := make(chan struct{})
	m := newScripted(t, JSON, func(w http.ResponseWriter, r *http.Request, call *scheduler.Call) {
		stream(nil, subscribed(15))(w, r, call)
		<-launched
		_, _ = w.Write(framed([]byte(failure("another", 0)), []byte(failure("clustersmith-orders", 1792))))
		w.(http.Flusher).Flush()
		open(r)
	}, answer(202, ""))
	s := mustSubscribe(t, newTestClient(t, testConfig(t, m.URL)), Framework{})
	d := Follow(s, planOf(2), DeploymentOptions{GoneAfter: 20 * time.Millisecond})
	defer d.Close()
	if err := d.Launch(testContext(t), []Launch{{Agent: "a0"}, {Agent: "a1"}}, nil); err != nil {
		t.Fatal(err)
	}
	close(launched)
	var failed *TaskError
	if err := d.WaitBound(testContext(t)); !errors.As(err, &failed) || failed.Node != 1 || failed.Message != "the executor ended: exit status 7" {
		t.Fatalf("got %v, want node 1 with its executor's exit status", err)
	}
	if all := d.Failures(); len(all) != 1 {
		t.Errorf("failures %v, want one", all)
	}
}
