package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// world is a NATS server and a Mesos of a test's own.
type world struct {
	t        testing.TB
	dir      string
	nats     *server.Server // in this process; nil where outside is set
	outside  *natsProcess   // as a process of its own, which can be killed
	natsURL  string         // where the workers find NATS
	between  *relay         // on the way there, in some tests
	full     func()         // gives a full disk its space back, in some tests
	nc       *nats.Conn
	js       jetstream.JetStream
	mesos    *local.Mesos // nil on a Mesos that is not the test's own
	masters  string       // base URL
	operator operator
	remote   *remote  // the Mesos that is not the test's own
	release  func()   // lets others use it
	broken   bool     // it may have to be mended before
	spare    []string // agents of it that this world is not to use
	log      *slog.Logger
	started  atomic.Int32 // sets of workers
}

// networks counts the worlds of this process.
var networks atomic.Int32

// networkSign is open as long as the process: what nobody refers to is closed.
var networkSign net.Listener

// network is 127.n, of which no other process of tests uses an address while this one lives: it
// holds one for a sign.
var network = sync.OnceValue(func() int {
	const first, many = 64, 128
	for i := range many {
		n := first + (os.Getpid()+i)%many
		if l, err := net.Listen("tcp", fmt.Sprintf("127.%d.0.1:19999", n)); err == nil {
			networkSign = l
			return n
		}
	}
	panic("no loopback network is free")
})

// agents is n agents, each with these resources, on loopback addresses that no other test of
// this or another process uses: so no test takes another's ports.
func agents(n int, cpus, mem float64) []local.AgentConfig {
	world := int(networks.Add(1))
	list := make([]local.AgentConfig, n)
	for i := range list {
		list[i] = local.AgentConfig{
			IP: fmt.Sprintf("127.%d.%d.%d", network(), world%256, i+2), CPUs: cpus, MemMB: mem, DiskMB: 10240,
			Ports: []chunkdist.PortRange{{Begin: 20000, End: 20099}},
		}
	}
	return list
}

// for_ is the same world for a subtest.
func (w *world) for_(t testing.TB) *world {
	return &world{t: t, dir: w.dir, nats: w.nats, outside: w.outside, natsURL: w.natsURL, nc: w.nc, js: w.js,
		mesos: w.mesos, masters: w.masters, operator: w.operator, remote: w.remote, spare: w.spare, log: w.log}
}

// bareWorld has nothing in it yet.
func bareWorld(t testing.TB) *world {
	t.Helper()
	sliced(t)
	return &world{t: t, dir: t.TempDir(), log: testLogger(t)}
}

func newWorld(t testing.TB, agents []local.AgentConfig, change ...func(*local.Config)) *world {
	t.Helper()
	w := bareWorld(t)
	w.runNATS(server.RANDOM_PORT)
	w.natsURL = w.nats.ClientURL()
	w.connect()
	w.startMesos(agents, change...)
	return w
}

// startMesos starts the world's Mesos, if it is to have one of its own.
func (w *world) startMesos(agents []local.AgentConfig, change ...func(*local.Config)) {
	w.t.Helper()
	if os.Getenv(remoteURL) != "" {
		w.useRemote(agents)
		return
	}
	cfg := local.Config{Agents: agents, Dir: filepath.Join(w.dir, "mesos"), Logger: w.log.With("part", "mesos")}
	for _, f := range change {
		f(&cfg)
	}
	cfg.Chaos = chaos(w.t)
	m, err := local.Start(w.t.Context(), cfg)
	must(w.t, err)
	w.mesos, w.masters, w.operator = m, m.URL(), localOperator{m}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(w.t, m.Close(ctx))
		w.noProcessLeft()
	})
}

// runNATS runs a server on the world's files.
func (w *world) runNATS(port int) {
	w.t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: filepath.Join(w.dir, "nats"),
		NoLog: true, NoSigs: true,
	})
	must(w.t, err)
	s.Start()
	w.t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		w.t.Fatal("the NATS server does not come up")
	}
	w.nats = s
}

// connect connects the test itself to NATS and makes the streams.
func (w *world) connect() {
	w.t.Helper()
	var err error
	w.nc, err = nats.Connect(w.natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	must(w.t, err)
	w.t.Cleanup(w.nc.Close)
	w.js, err = jetstream.New(w.nc)
	must(w.t, err)
	must(w.t, worker.EnsureTopology(w.t.Context(), w.js, worker.Topology{Replicas: 1, AckWait: ackWait}))
}

// ackWait is short, so that tests of a worker's death need not wait long.
const ackWait = 2 * time.Second

// config is a worker's configuration in this world.
func (w *world) config() worker.Config {
	var cfg worker.Config
	if w.remote != nil {
		r := w.remote.workers
		cfg = worker.Config{MesosUser: r.MesosUser, Principal: r.Principal, Secret: r.Secret, SecretFile: r.SecretFile, MesosCA: r.MesosCA, MesosCodec: r.MesosCodec}
	}
	cfg.NATSURL, cfg.Masters, cfg.Executor = w.natsURL, []string{w.masters}, filepath.Join(binDir, "clustersmith-executor")
	cfg.AckWait, cfg.LeaseTTL, cfg.CreateFailover, cfg.DrainGrace = ackWait, 4*time.Second, 20*time.Second, 10*time.Second
	return cfg
}

// worker runs a worker in this process until the test ends or stop is called.
func (w *world) worker(change ...func(*worker.Config)) (stop func()) {
	w.t.Helper()
	cfg := w.config()
	for _, f := range change {
		f(&cfg)
	}
	one, err := worker.New(cfg, w.log)
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- one.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("worker: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// request is a create request that fits the agents of most tests.
func request(cluster string, masters, replicas int) contracts.CreateRequest {
	return contracts.CreateRequest{
		ID: uuid.NewString(), Cluster: cluster, Masters: masters, Replicas: replicas,
		Node: contracts.NodeResources{CPUs: 0.1, MemoryMB: 128}, Deadline: contracts.Duration(2 * time.Minute),
	}
}

// publish puts a request on its subject, as any service would. Any goroutine may call it.
func (w *world) publish(subject string, request any) {
	w.t.Helper()
	if create, ok := request.(contracts.CreateRequest); ok && len(w.spare) > 0 {
		create.Placement.ExcludeHosts = append(slices.Clone(create.Placement.ExcludeHosts), w.spare...)
		request = create
	}
	body, err := json.Marshal(request)
	if err != nil {
		w.t.Errorf("publish on %s: %v", subject, err)
		return
	}
	// While a stream elects a leader nobody answers; the ID keeps a second try from being a second message.
	id := jetstream.WithMsgID(uuid.NewString())
	for limit := time.Now().Add(awaitLimit); ; time.Sleep(20 * time.Millisecond) {
		if _, err = w.js.Publish(w.t.Context(), subject, body, id); err == nil {
			return
		}
		if w.t.Context().Err() != nil || time.Now().After(limit) {
			w.t.Errorf("publish on %s: %v", subject, err)
			return
		}
	}
}

// create publishes a create request and waits for its end.
func (w *world) create(req contracts.CreateRequest) history {
	w.t.Helper()
	w.publish(contracts.SubjectCreate, req)
	return w.await(req.ID)
}

// destroy destroys a cluster and waits until it is gone.
func (w *world) destroy(cluster string) history {
	w.t.Helper()
	req := contracts.DestroyRequest{ID: uuid.NewString(), Cluster: cluster}
	w.publish(contracts.SubjectDestroy, req)
	return w.await(req.ID)
}

// verified fails the test unless the job ended verified; it returns its plan.
func (w *world) verified(h history) contracts.Plan {
	w.t.Helper()
	end := h.end()
	if h.kind(end) != contracts.EventVerified {
		w.t.Fatalf("%s instead of verified: %s: %s\n%s", end.Type, end.Data.Reason, end.Data.Message, h)
	}
	if end.Data.Plan == nil || end.Data.Report == nil || !end.Data.Report.OK {
		w.t.Fatalf("verified without a plan or with a bad report: %+v", end.Data)
	}
	return *end.Data.Plan
}

// failed fails the test unless the job failed for a reason; it returns the event.
func (w *world) failed(h history, reason contracts.Reason) contracts.Event {
	w.t.Helper()
	end := h.end()
	if h.kind(end) != contracts.EventFailed || end.Data.Reason != reason && !takenByChaos(end) {
		w.t.Fatalf("%s (%s: %s) instead of failed for %s\n%s", end.Type, end.Data.Reason, end.Data.Message, reason, h)
	}
	if end.Data.Message == "" {
		w.t.Fatal("failed without a sentence for a person")
	}
	return end
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testLogger logs to the test's own output.
func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

type workerConfig = worker.Config
