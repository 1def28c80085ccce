package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// trio is a NATS cluster of three servers, in which every stream and bucket has three replicas.
type trio []*server.Server

// newReplicatedWorld is newWorld on three NATS servers.
func newReplicatedWorld(t testing.TB) (*world, trio) {
	t.Helper()
	w := bareWorld(t)
	var all trio
	var routes, urls []string
	for i := range 3 {
		opts := &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
			JetStream: true, StoreDir: filepath.Join(w.dir, fmt.Sprintf("nats-%d", i)),
			Cluster: server.ClusterOpts{Name: "trio", Host: "127.0.0.1", Port: server.RANDOM_PORT},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		}
		s, err := server.NewServer(opts)
		must(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(30 * time.Second) {
			t.Fatal("a NATS server does not come up")
		}
		routes = append(routes, "nats-route://"+s.ClusterAddr().String())
		urls = append(urls, s.ClientURL())
		all = append(all, s)
	}
	w.natsURL = strings.Join(urls, ",")
	var err error
	w.nc, err = nats.Connect(w.natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	must(t, err)
	t.Cleanup(w.nc.Close)
	w.js, err = jetstream.New(w.nc)
	must(t, err)
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(50 * time.Millisecond) { // until the three have a leader
		if err = worker.EnsureTopology(t.Context(), w.js, worker.Topology{Replicas: 3, AckWait: ackWait}); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	w.startMesos(agents(4, 4, 4096), quick)
	return w, all
}

// streams are all streams of a world, buckets included.
var streams = []string{
	contracts.StreamJobs, contracts.StreamEvents, contracts.StreamResults, contracts.StreamDead,
	"KV_" + contracts.BucketJobs, "KV_" + contracts.BucketClusters, "KV_" + contracts.BucketLeases,
}

// stepDown makes the leaders of all streams, and of the queue's consumer, give way to others.
func (w *world) stepDown() {
	w.t.Helper()
	for _, name := range streams {
		w.ask("$JS.API.STREAM.LEADER.STEPDOWN." + name)
	}
	w.ask("$JS.API.CONSUMER.LEADER.STEPDOWN." + contracts.StreamJobs + "." + worker.ConsumerName)
}

// ask makes a request of JetStream that changes something; it is tried while there is no leader
// who could answer.
func (w *world) ask(subject string) {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(20 * time.Millisecond) {
		var answer struct {
			Success bool             `json:"success"`
			Error   *json.RawMessage `json:"error"`
		}
		msg, err := w.nc.Request(subject, nil, time.Second)
		if err == nil {
			must(w.t, json.Unmarshal(msg.Data, &answer))
			if answer.Success {
				return
			}
			err = fmt.Errorf("%s", msg.Data)
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: %v", subject, err)
		}
	}
}

// leader is the server that leads a stream.
func (all trio) leader(w *world, stream string) *server.Server {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, s := range all {
			if s.Running() && s.JetStreamIsStreamLeader("$G", stream) {
				return s
			}
		}
	}
	w.t.Fatalf("nobody leads %s", stream)
	return nil
}

// led waits until the cluster and every stream have a leader again: nobody answers the test's own questions before.
func (w *world) led() {
	w.t.Helper()
	questions := map[string]func(context.Context) error{
		"the cluster": func(ctx context.Context) error { _, err := w.js.AccountInfo(ctx); return err },
	}
	for _, name := range streams {
		questions[name] = func(ctx context.Context) error { _, err := w.js.Stream(ctx, name); return err }
	}
	for name, ask := range questions {
		for deadline := time.Now().Add(awaitLimit); ; time.Sleep(20 * time.Millisecond) { // nobody tells
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
			err := ask(ctx)
			cancel()
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				w.t.Fatalf("%s has no leader after %v: %v", name, awaitLimit, err)
			}
		}
	}
}

// On a cluster of three NATS servers, leaders that change and servers that end in the middle of a
// job cost no attempt: what was written is there.
func TestReplicatedNATS(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		hit  func(w *world, all trio)
	}{
		{"leaders step down", func(w *world, _ trio) { w.stepDown() }},
		{"the leader of the records ends", func(w *world, all trio) {
			s := all.leader(w, "KV_"+contracts.BucketJobs)
			s.Shutdown()
			s.WaitForShutdown()
		}},
	} {
		for _, phase := range []contracts.Phase{contracts.PhaseAccepted, contracts.PhaseLaunching, contracts.PhaseForming, contracts.PhaseDestroying} {
			t.Run(row.name+"/"+string(phase), func(t *testing.T) {
				t.Parallel()
				w, all := newReplicatedWorld(t)
				w.workers(2, func(cfg *workerConfig) { cfg.Replicas = 3 })
				f := fault{hit: func(w *world) { row.hit(w, all); w.led() }}
				h, _ := f.strike(w, request("thrice", 3, 0), phase)
				f.judge(w, h)
				if attempts := h.end().Data.Attempt; attempts > 1 && !underChaos() {
					t.Errorf("%d attempts\n%s", attempts, h)
				}
				w.allWell(w.create(request("later", 3, 0)))
				w.emptied()
			})
		}
	}
}

// Workers are given all servers; it does not matter which of them is there.
func TestOneServerIsMissing(t *testing.T) {
	t.Parallel()
	w, all := newReplicatedWorld(t)
	all[0].Shutdown() // the first of the list
	all[0].WaitForShutdown()
	w.led()
	w.worker(func(cfg *workerConfig) { cfg.Replicas = 3 })
	w.allWell(w.create(request("second", 3, 0)))
	w.emptied()
}
