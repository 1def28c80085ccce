package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
)

// permissions is the table in docs/operations.md: by user, what it may publish and subscribe.
func permissions(t *testing.T) map[string]*server.Permissions {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	must(t, err)
	rows := regexp.MustCompile(`(?m)^\| (worker|publisher|operator) \| (.*) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1)
	users := map[string]*server.Permissions{}
	subjects := func(cell string) *server.SubjectPermission {
		return &server.SubjectPermission{Allow: strings.Split(strings.ReplaceAll(cell, "`", ""), ", ")}
	}
	for _, r := range rows {
		users[r[1]] = &server.Permissions{Publish: subjects(r[2]), Subscribe: subjects(r[3])}
	}
	if len(users) != 3 {
		t.Fatalf("docs/operations.md has the permissions of %d users, not 3", len(users))
	}
	return users
}

// What the documentation lets NATS users do is enough: for a worker, whatever it does, for a
// service that publishes requests and hears of them, and for the command line. A service can
// forge no event.
func TestLeastPermissions(t *testing.T) {
	t.Parallel()
	may := permissions(t)
	w := bareWorld(t)
	s, err := server.NewServer(&server.Options{
		ServerName: "strict", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: filepath.Join(w.dir, "nats"),
		Users: []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "worker", Password: "w", Permissions: may["worker"]},
			{Username: "publisher", Password: "p", Permissions: may["publisher"]},
			{Username: "operator", Password: "o", Permissions: may["operator"]},
		},
	})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server does not come up")
	}
	as := func(user string) string { return strings.Replace(s.ClientURL(), "nats://", "nats://"+user+"@", 1) }
	w.nats = s
	denied := make(chan error, 16)
	own, err := nats.Connect(as("worker:w"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case denied <- err:
		default:
		}
	}))
	must(t, err)
	t.Cleanup(own.Close)
	js, err := jetstream.New(own)
	must(t, err)
	must(t, worker.EnsureTopology(t.Context(), js, worker.Topology{Replicas: 1, AckWait: ackWait}))
	w.natsURL = as("admin:a")
	w.connect()
	w.startMesos(agents(4, 4, 4096), quick)
	w.worker(func(cfg *workerConfig) { cfg.NATSURL, cfg.Patience = as("worker:w"), time.Second })

	refused := make(chan error, 16)
	nc, err := nats.Connect(as("publisher:p"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	must(t, err)
	t.Cleanup(nc.Close)
	events, err := nc.SubscribeSync(contracts.SubjectsEvents)
	must(t, err)
	js, err = jetstream.New(nc)
	must(t, err)
	publish := func(request any) {
		t.Helper()
		body, err := json.Marshal(request)
		must(t, err)
		_, err = js.Publish(t.Context(), contracts.SubjectCreate, body)
		must(t, err)
	}
	cli := func(args ...string) []byte { return w.clustersmith(append(args, "--nats", as("operator:o"))...) }
	req := request("permitted", 3, 1)
	publish(req)
	verified := w.await(req.ID)
	cli("create", "--cluster", "permitted", "--cpus", "0.1", "--memory", "128", "--wait") // it is there already
	cli("verify", "permitted")
	w.allWell(verified)
	cli("destroy", "permitted", "--wait")
	if _, err := events.NextMsg(time.Second); err != nil {
		t.Errorf("the publisher hears of no event: %v", err)
	}
	large := request("unwanted", 3, 1)
	large.Node.MemoryMB = 65536
	publish(large)
	w.at(large.ID, contracts.PhaseWaitingResources)
	cli("cancel", large.ID, "--wait")
	if h := w.await(large.ID); h.kind(h.end()) != contracts.EventCancelled {
		t.Errorf("%s instead of cancelled\n%s", h.end().Type, h)
	}
	publish("no request")
	w.settled()
	w.emptied()
	cli("dead", "replay", "1")
	w.settled()
	cli("dead", "delete", "2")

	must(t, nc.Publish(contracts.ResultSubject(req.ID), nil))
	must(t, nc.Flush())
	select {
	case err := <-refused:
		if !strings.Contains(err.Error(), contracts.ResultSubject(req.ID)) {
			t.Errorf("refused: %v", err)
		}
	case <-time.After(awaitLimit):
		t.Error("a publisher may publish results")
	}

	// More records than the server sends to a watch that may not say that they have arrived.
	const records = 60
	js, err = jetstream.New(own)
	must(t, err)
	kv, err := js.KeyValue(t.Context(), contracts.BucketJobs)
	must(t, err)
	for range records {
		id := uuid.NewString()
		body, err := json.Marshal(contracts.JobRecord{Job: id, Interrupted: strings.Repeat("x", 100<<10)})
		must(t, err)
		_, err = kv.Put(t.Context(), id, body)
		must(t, err)
	}
	watch, err := kv.Watch(t.Context(), "*")
	must(t, err)
	defer watch.Stop() //nolint:errcheck // the connection closes next
	limit := time.After(awaitLimit)
	for n, all := 0, false; !all; n++ {
		select {
		case entry := <-watch.Updates():
			all = entry == nil
		case err := <-denied:
			t.Fatalf("a worker's watch is refused after %d records: %v", n, err)
		case <-limit:
			t.Fatalf("a worker's watch stops after %d records", n)
		}
	}
	var status struct{ Jobs []contracts.JobRecord }
	must(t, json.Unmarshal(cli("status", "-o", "json"), &status))
	if len(status.Jobs) != records {
		t.Errorf("the command line finds %d jobs, not %d", len(status.Jobs), records)
	}
}
