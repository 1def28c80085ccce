package integration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats.go/jetstream"
)

// floodSize is how many bad messages the flood has: CLUSTERSMITH_TEST_FLOOD, or 2,000.
func floodSize(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("CLUSTERSMITH_TEST_FLOOD"), "2000"))
	must(t, err)
	return n
}

// Thousands of random and mutated messages, with real requests between them: the real ones end
// verified, every bad one that the server took is in the dead letters once and as it came,
// whoever can be told is told, nothing loops and the worker stays small.
func TestFlood(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CLUSTERSMITH_TEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		must(t, err)
	}
	t.Logf("CLUSTERSMITH_TEST_SEED=%d", seed)
	w := newWorld(t, agents(3, 4, 4096))
	p := w.process("flooded", "CLUSTERSMITH_LOG_LEVEL=error", "CLUSTERSMITH_MAX_ATTEMPTS=10") // chaos may take some
	standing := request("standing", 3, 0)
	w.verified(w.create(standing))
	before := peakRSS(t, p)

	g := &floodgen{Rand: rand.New(rand.NewPCG(seed, 0)), standing: standing}
	f := flood{world: w, accepted: map[uint64]badMessage{}, refused: map[string]int{}}
	total, start := floodSize(t), time.Now()
	var real []contracts.CreateRequest
	for i := range total {
		if i%(total/4) == total/8 {
			req := request(fmt.Sprintf("real-%d", i), 3, 0)
			req.Deadline = contracts.Duration(5 * time.Minute) // it waits for its turn behind the flood
			w.publish(contracts.SubjectCreate, req)
			real = append(real, req)
		}
		f.publish(g.next())
	}
	published := time.Since(start)
	for _, req := range real {
		h := w.await(req.ID)
		w.verified(h)
		t.Logf("%s was verified %d ms after its publication", req.Cluster, h.end().Data.ElapsedMS)
	}
	w.settled()
	took := time.Since(start)
	t.Logf("%d bad messages: %d accepted, refused to their publishers %v; published in %v, all settled after %v, %.0f messages/s",
		total, len(f.accepted), f.refused, published.Round(time.Millisecond), took.Round(time.Millisecond), float64(total)/took.Seconds())

	f.judgeLetters()
	f.judgeAnswers()
	f.judgeDeliveries(len(real))
	after := peakRSS(t, p)
	t.Logf("the worker's peak memory was %d MiB before the flood and is %d MiB now", before>>20, after>>20)
	if limit := before + 128<<20; after > limit {
		t.Errorf("the worker grew from %d MiB to %d MiB", before>>20, after>>20)
	}
}

// flood is what was published, and the judge of what became of it.
type flood struct {
	*world
	accepted map[uint64]badMessage // by sequence in the queue
	refused  map[string]int        // by the server's word
	letters  map[uint64]bool       // sequences of what the dead letters have
}

// publish sends one message, as a publisher would that reads the answer.
func (f *flood) publish(m badMessage) {
	f.t.Helper()
	ack, err := f.js.PublishMsg(f.t.Context(), m.Msg, jetstream.WithRetryAttempts(0))
	switch {
	case f.t.Context().Err() != nil:
		must(f.t, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		f.t.Fatalf("the server gave no answer to a message (%s)", m.class)
	case err != nil:
		f.refused[errorWithoutNumbers(err)]++
	case ack.Duplicate:
		f.refused["duplicate"]++
	default:
		f.accepted[ack.Sequence] = m
	}
}

var number = regexp.MustCompile(`[0-9]+`)

func errorWithoutNumbers(err error) string {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return number.ReplaceAllString(api.Description, "…")
	}
	return number.ReplaceAllString(err.Error(), "…")
}

// read calls do with every message of a stream.
func (f *flood) read(name string, do func(subject string, header map[string][]string, data []byte)) {
	f.t.Helper()
	stream, err := f.js.Stream(f.t.Context(), name)
	must(f.t, err)
	left := stream.CachedInfo().State.Msgs
	consumer, err := f.js.OrderedConsumer(f.t.Context(), name, jetstream.OrderedConsumerConfig{})
	must(f.t, err)
	for left > 0 {
		batch, err := consumer.Fetch(int(min(left, 100)), jetstream.FetchMaxWait(20*time.Second))
		must(f.t, err)
		got := left
		for msg := range batch.Messages() {
			left--
			do(msg.Subject(), msg.Headers(), msg.Data())
		}
		must(f.t, batch.Error())
		if got == left {
			f.t.Fatalf("%d messages of %s do not come", left, name)
		}
	}
}

// judgeLetters compares the dead letters with what was published.
func (f *flood) judgeLetters() {
	f.t.Helper()
	f.letters = map[uint64]bool{}
	f.read(contracts.StreamDead, func(subject string, h map[string][]string, data []byte) {
		seq, err := strconv.ParseUint(firstOf(h[worker.HeaderSequence]), 10, 64)
		must(f.t, err)
		m, ours := f.accepted[seq]
		switch {
		case !ours:
			f.t.Errorf("a dead letter of message %d, which was no bad one", seq)
			return
		case f.letters[seq]:
			f.t.Errorf("two dead letters of message %d (%s)", seq, m.class)
		case !bytes.Equal(data, m.Data):
			f.t.Errorf("the dead letter of message %d (%s) has other bytes: %.80q, was %.80q", seq, m.class, data, m.Data)
		case firstOf(h[worker.HeaderReason]) != string(contracts.ReasonInvalidRequest) || firstOf(h[worker.HeaderError]) == "":
			f.t.Errorf("the dead letter of message %d (%s) gives no reason: %v", seq, m.class, h)
		case firstOf(h[worker.HeaderSubject]) != m.Subject:
			f.t.Errorf("the dead letter of message %d says it came on %q, not %q", seq, firstOf(h[worker.HeaderSubject]), m.Subject)
		}
		was := map[string][]string{}
		for k, v := range h {
			if k, ok := strings.CutPrefix(k, worker.OriginalPrefix); ok {
				was[k] = v
			}
		}
		if !maps.EqualFunc(was, map[string][]string(m.Header), slices.Equal) {
			f.t.Errorf("the dead letter of message %d (%s) has headers %.200q, was %.200q", seq, m.class, fmt.Sprint(was), fmt.Sprint(m.Header))
		}
		f.letters[seq] = true
	})
	for seq, m := range f.accepted {
		if !f.letters[seq] && !m.judged {
			f.t.Errorf("no dead letter of message %d (%s): %.200q", seq, m.class, m.Data)
		}
	}
}

// judgeAnswers looks for the events of whoever could be told.
func (f *flood) judgeAnswers() {
	f.t.Helper()
	histories := map[string]history{}
	f.read(contracts.StreamEvents, func(_ string, _ map[string][]string, data []byte) {
		var ev contracts.Event
		must(f.t, json.Unmarshal(data, &ev))
		histories[ev.Data.Job] = append(histories[ev.Data.Job], ev)
	})
	for _, h := range histories {
		h.judge(f.t)
	}
	results := map[string]int{}
	f.read(contracts.StreamResults, func(subject string, _ map[string][]string, _ []byte) { results[subject]++ })
	if len(results) != len(histories) {
		f.t.Errorf("%d results of %d jobs", len(results), len(histories))
	}
	flipped := 0
	for seq, m := range f.accepted {
		id := m.id
		if m.judged {
			var body map[string]any
			unreadable := json.Unmarshal(m.Data, &body)
			id, _ = body["id"].(string)
			id = strings.ToLower(id)
			cluster, _ := body["cluster"].(string)
			if !f.letters[seq] {
				flipped++
			} else if unreadable != nil || id != m.id || cluster != "nobody" && cluster != "standing" {
				continue // which of its names can still be read is for the unit tests
			}
		}
		switch h := histories[id]; {
		case id == "" || id == "any" || id == "perhaps":
		case h == nil:
			f.t.Errorf("nobody was told of message %d (%s), dead letter %v: %.200q", seq, m.class, f.letters[seq], m.Data)
		case f.letters[seq] && (h.kind(h.end()) != contracts.EventFailed || h.end().Data.Reason != contracts.ReasonInvalidRequest || len(h) != 1):
			f.t.Errorf("message %d (%s) is a dead letter, and its job ended otherwise:\n%s", seq, m.class, h)
		}
	}
	f.t.Logf("%d messages were requests in spite of flipped bits and were worked on; %d jobs in all", flipped, len(histories))
}

// judgeDeliveries looks at the consumer's counters: nothing is left, nothing went in circles.
func (f *flood) judgeDeliveries(real int) {
	f.t.Helper()
	consumer, err := f.js.Consumer(f.t.Context(), contracts.StreamJobs, worker.ConsumerName)
	must(f.t, err)
	i := consumer.CachedInfo()
	if i.NumPending != 0 || i.NumAckPending != 0 || i.NumRedelivered != 0 {
		f.t.Errorf("%d messages are pending, %d unacknowledged, %d in redelivery", i.NumPending, i.NumAckPending, i.NumRedelivered)
	}
	again := i.Delivered.Consumer - i.Delivered.Stream
	f.t.Logf("%d deliveries of %d messages", i.Delivered.Consumer, i.Delivered.Stream)
	// A flipped bit may leave a request that waits for resources, which is delivered again.
	if limit := uint64(20 + len(f.accepted)/50); again > limit {
		f.t.Errorf("%d deliveries were repetitions; %d at most are to be expected", again, limit)
	}
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// peakRSS is the largest resident set that a process has had, in bytes.
func peakRSS(t testing.TB, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no VmHWM in the status of process %d", p.cmd.Process.Pid)
	}
	kb, err := strconv.Atoi(string(m[1]))
	must(t, err)
	return kb << 10
}
