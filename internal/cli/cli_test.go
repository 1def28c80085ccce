package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The thread that forks children lives as long as the process, or they would die with it.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/clustersmith/clustersmith/internal/proc.fork"))
}

// buffer is a writer that a test may read while a command writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// result is what a command left behind.
type result struct {
	status      Status
	out, stderr string
}

// command runs one command line to its end and checks the laws that hold for all of them.
func command(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	return commandWith(t, ctx, "", args...)
}

func commandWith(t *testing.T, ctx context.Context, stdin string, args ...string) result {
	t.Helper()
	var out, stderr buffer
	status := run(ctx, func() {}, args, strings.NewReader(stdin), &out, &stderr)
	r := result{status, out.String(), stderr.String()}
	for _, c := range r.out + r.stderr {
		if c != '\n' && !unicode.IsGraphic(c) {
			t.Errorf("%v: %U in the output of a command that is no terminal's:\n%q", args, c, r.out+r.stderr)
			break
		}
	}
	if status != Done && status != JobFailed && r.stderr == "" {
		t.Errorf("%v: status %d without a word", args, status)
	}
	return r
}

// want fails the test unless the command ended with a status and said certain things.
func (r result) want(t *testing.T, status Status, out, stderr string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.out, out) || !strings.Contains(r.stderr, stderr) {
		t.Errorf("status %d, output and errors:\n%s\n%s\nwant status %d, %q and %q", r.status, r.out, r.stderr, status, out, stderr)
	}
}

// broker is a NATS server with Clustersmith's streams and buckets.
type broker struct {
	t   *testing.T
	url string
	js  jetstream.JetStream
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	b := startBareBroker(t, true)
	if err := worker.EnsureTopology(t.Context(), b.js, worker.Topology{Replicas: 1, AckWait: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	return b
}

func startBareBroker(t *testing.T, js bool, change ...func(*server.Options)) *broker {
	t.Helper()
	opts := &server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: js, StoreDir: filepath.Join(t.TempDir(), "nats"),
		NoLog: true, NoSigs: true,
	}
	for _, f := range change {
		f(opts)
	}
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not come up")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	b := &broker{t: t, url: s.ClientURL()}
	if b.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	return b
}

// emit publishes an event as a worker does.
func (b *broker) emit(et contracts.EventType, d contracts.EventData) contracts.Event {
	b.t.Helper()
	ev := contracts.NewEvent("w1", et, d, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	body, err := json.Marshal(ev)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.js.Publish(b.t.Context(), ev.NATSSubject(), body, jetstream.WithMsgID(ev.ID)); err != nil {
		b.t.Fatal(err)
	}
	return ev
}

// put stores a record.
func (b *broker) put(bucket, key string, record any) {
	b.t.Helper()
	kv, err := b.js.KeyValue(b.t.Context(), bucket)
	if err != nil {
		b.t.Fatal(err)
	}
	body, err := json.Marshal(record)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := kv.Put(b.t.Context(), key, body); err != nil {
		b.t.Fatal(err)
	}
}

// take fetches the next request, as a worker does, and leaves it unacknowledged.
func (b *broker) take() jetstream.Msg {
	b.t.Helper()
	consumer, err := b.js.Consumer(b.t.Context(), contracts.StreamJobs, worker.ConsumerName)
	if err != nil {
		b.t.Fatal(err)
	}
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		b.t.Fatal(err)
	}
	msg := <-batch.Messages()
	if msg == nil {
		b.t.Fatalf("no request is in the queue: %v", batch.Error())
	}
	return msg
}
