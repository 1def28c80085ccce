package follow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/follow"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// natsServer is a server on a file store that can be restarted on the same address.
type natsServer struct {
	t    *testing.T
	dir  string
	port int
	s    *server.Server
}

func startNATS(t *testing.T) *natsServer {
	t.Helper()
	n := &natsServer{t: t, dir: filepath.Join(t.TempDir(), "nats"), port: redistest.HoldPort(t)}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *natsServer) start() {
	n.t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: n.port, JetStream: true, StoreDir: n.dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		n.t.Fatal("the NATS server does not come up")
	}
	n.s = s
}

func (n *natsServer) stop() {
	n.s.Shutdown()
	n.s.WaitForShutdown()
}

func (n *natsServer) connect() jetstream.JetStream {
	n.t.Helper()
	nc, err := nats.Connect(n.s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		n.t.Fatal(err)
	}
	return js
}

func createStream(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: contracts.StreamEvents, Subjects: []string{contracts.SubjectsEvents}})
	if err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, js jetstream.JetStream, job, cluster string, seq uint64, et contracts.EventType) {
	t.Helper()
	ev := contracts.NewEvent("w", et, contracts.EventData{Job: job, Cluster: cluster, Seq: seq, Phase: contracts.PhaseStarting}, time.Now())
	body, err := json.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), ev.NATSSubject(), body); err != nil {
		t.Fatal(err)
	}
}

// collect follows until the job's terminal event and returns the seqs that were seen.
func collect(ctx context.Context, f follow.Follower, each func(contracts.Event)) ([]uint64, error) {
	var seqs []uint64
	err := f.Run(ctx, func(ev contracts.Event) bool {
		seqs = append(seqs, ev.Data.Seq)
		if each != nil {
			each(ev)
		}
		return ev.EventType().Terminal()
	})
	return seqs, err
}

func TestReplaysFromTheFirstEventAndDropsRepetitions(t *testing.T) {
	t.Parallel()
	js := startNATS(t).connect()
	createStream(t, js)
	publish(t, js, "j1", "orders", 1, contracts.EventAccepted)
	publish(t, js, "j2", "orders", 1, contracts.EventAccepted)
	publish(t, js, "j1", "orders", 2, contracts.EventProgress)
	publish(t, js, "j1", "orders", 2, contracts.EventProgress)
	if _, err := js.Publish(t.Context(), contracts.EventSubject("orders", "j1", "progress"), []byte("no event")); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "j1", "orders", 3, contracts.EventVerified)
	seqs, err := collect(t.Context(), follow.Follower{JS: js, Subject: contracts.EventSubject("orders", "j1", "*")}, nil)
	if err != nil || !slices.Equal(seqs, []uint64{1, 2, 3}) {
		t.Errorf("got %v, %v; want 1, 2, 3", seqs, err)
	}
}

func TestGoesOnAfterARestartOfTheServer(t *testing.T) {
	t.Parallel()
	n := startNATS(t)
	js := n.connect()
	createStream(t, js)
	publish(t, js, "j1", "orders", 1, contracts.EventAccepted)
	first := make(chan struct{})
	done := make(chan error, 1)
	var seqs []uint64
	go func() {
		var err error
		seqs, err = collect(t.Context(), follow.Follower{JS: js, Subject: contracts.JobEvents("j1")}, func(ev contracts.Event) {
			if ev.Data.Seq == 1 {
				close(first)
			}
		})
		done <- err
	}()
	<-first
	n.stop()
	n.start()
	publisher := n.connect()
	publish(t, publisher, "j1", "orders", 2, contracts.EventProgress)
	publish(t, publisher, "j1", "orders", 3, contracts.EventVerified)
	select {
	case err := <-done:
		if err != nil || !slices.Equal(seqs, []uint64{1, 2, 3}) {
			t.Errorf("got %v, %v; want 1, 2, 3", seqs, err)
		}
	case <-time.After(30 * time.Second):
		t.Error("no event reaches us after a restart")
	}
}

func TestGoesOnAfterItsConsumerIsDeleted(t *testing.T) {
	t.Parallel()
	js := startNATS(t).connect()
	createStream(t, js)
	publish(t, js, "j1", "orders", 1, contracts.EventAccepted)
	deleted := false
	seqs, err := collect(t.Context(), follow.Follower{JS: js, Subject: contracts.JobEvents("j1")}, func(ev contracts.Event) {
		if deleted {
			return
		}
		deleted = true
		stream, err := js.Stream(t.Context(), contracts.StreamEvents)
		if err != nil {
			t.Error(err)
			return
		}
		for name := range stream.ConsumerNames(t.Context()).Name() {
			if err := stream.DeleteConsumer(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
		publish(t, js, "j1", "orders", 2, contracts.EventFailed)
	})
	if err != nil || !slices.Equal(seqs, []uint64{1, 2}) {
		t.Errorf("got %v, %v; want 1, 2", seqs, err)
	}
}

func TestBeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	js := startNATS(t).connect()
	createStream(t, js)
	for seq := uint64(1); seq <= 5; seq++ {
		publish(t, js, "j1", "orders", seq, contracts.EventProgress)
	}
	publish(t, js, "j1", "orders", 6, contracts.EventVerified)
	seqs, err := collect(t.Context(), follow.Follower{JS: js, Subject: contracts.ClusterEvents("orders"), From: 5}, nil)
	if err != nil || !slices.Equal(seqs, []uint64{5, 6}) {
		t.Errorf("got %v, %v; want 5, 6", seqs, err)
	}
}

func TestEndsWithItsContextAndWithoutAStream(t *testing.T) {
	t.Parallel()
	js := startNATS(t).connect()
	_, err := collect(t.Context(), follow.Follower{JS: js, Subject: contracts.SubjectsEvents}, nil)
	if !errors.Is(err, follow.ErrNoStream) {
		t.Errorf("without a stream: %v", err)
	}
	createStream(t, js)
	cause := fmt.Errorf("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	publish(t, js, "j1", "orders", 1, contracts.EventAccepted)
	_, err = collect(ctx, follow.Follower{JS: js, Subject: contracts.SubjectsEvents}, func(contracts.Event) { cancel(cause) })
	if !errors.Is(err, cause) {
		t.Errorf("after the end of its context: %v", err)
	}
}
