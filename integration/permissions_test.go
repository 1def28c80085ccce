package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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
	rows := regexp.MustCompile(`(?m)^\| (worker|publisher) \| (.*) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1)
	users := map[string]*server.Permissions{}
	subjects := func(cell string) *server.SubjectPermission {
		return &server.SubjectPermission{Allow: strings.Split(strings.ReplaceAll(cell, "`", ""), ", ")}
	}
	for _, r := range rows {
		users[r[1]] = &server.Permissions{Publish: subjects(r[2]), Subscribe: subjects(r[3])}
	}
	if len(users) != 2 {
		t.Fatalf("docs/operations.md has the permissions of %d users, not 2", len(users))
	}
	return users
}

// What the documentation lets NATS users do is enough: for a worker, whatever it does, and for a
// service that publishes requests and hears of them. A service can forge no event.
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
	own, err := nats.Connect(as("worker:w"))
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
	req := request("permitted", 3, 1)
	publish(req)
	w.allWell(w.await(req.ID))
	if _, err := events.NextMsg(time.Second); err != nil {
		t.Errorf("the publisher hears of no event: %v", err)
	}
	large := request("unwanted", 3, 1)
	large.Node.MemoryMB = 65536
	publish(large)
	w.at(large.ID, contracts.PhaseWaitingResources)
	w.publish(contracts.SubjectCancel, contracts.CancelRequest{ID: "5c0f6e0a-3a54-4f5e-9d0c-7a3f6a1f2b3c", Job: large.ID})
	if h := w.await(large.ID); h.kind(h.end()) != contracts.EventCancelled {
		t.Errorf("%s instead of cancelled\n%s", h.end().Type, h)
	}
	publish("no request")
	w.settled()
	w.emptied()

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
}
