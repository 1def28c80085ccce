package worker

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newNATS is a real NATS server of the test's own, with the streams and buckets.
func newNATS(t *testing.T) (*server.Server, *nats.Conn, jetstream.JetStream) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not come up")
	}
	nc, err := Connect(Config{NATSURL: s.ClientURL(), Name: "test"}, quiet())
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	must(t, EnsureTopology(t.Context(), js, Topology{Replicas: 1, AckWait: time.Second}))
	return s, nc, js
}

func newStore(t *testing.T) *store {
	t.Helper()
	_, nc, js := newNATS(t)
	s, err := openStore(t.Context(), nc, js, quiet())
	must(t, err)
	return s
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// stop shuts a server down; what it returns starts it again, at its address and on its files.
func stop(t *testing.T, s *server.Server) (start func()) {
	t.Helper()
	port, dir := s.Addr().(*net.TCPAddr).Port, filepath.Dir(s.StoreDir())
	s.Shutdown()
	s.WaitForShutdown()
	return func() {
		again, err := server.NewServer(&server.Options{
			ServerName: "test", Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
		})
		must(t, err)
		again.Start()
		t.Cleanup(func() { again.Shutdown(); again.WaitForShutdown() })
		if !again.ReadyForConnections(10 * time.Second) {
			t.Fatal("the NATS server does not come up again")
		}
	}
}
