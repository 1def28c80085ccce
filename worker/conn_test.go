package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Credentials that are refused for a while, because they are being changed, do not cut a worker off
// for good.
func TestConnectionOutlivesRefusedCredentials(t *testing.T) {
	t.Parallel()
	with := func(password string) *server.Options {
		return &server.Options{
			ServerName: "strict", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
			Username: "worker", Password: password,
		}
	}
	s, err := server.NewServer(with("old"))
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not come up")
	}
	nc, err := Connect(Config{NATSURL: fmt.Sprintf("nats://worker:old@%s", s.Addr()), Name: "test"}, quiet())
	must(t, err)
	t.Cleanup(nc.Close)

	tries := func() uint64 {
		v, err := s.Varz(nil)
		must(t, err)
		return v.TotalConnections
	}
	before := tries()
	must(t, s.ReloadOptions(with("new")))
	for limit := within(t, 20*time.Second); tries() < before+4; { // nobody tells of refused ones
		if nc.IsClosed() || sleep(limit, 5*time.Millisecond) != nil {
			t.Fatalf("after %d tries the connection is %s", tries()-before, nc.Status())
		}
	}
	must(t, s.ReloadOptions(with("old")))
	for limit := within(t, 20*time.Second); !nc.IsConnected(); {
		if sleep(limit, 5*time.Millisecond) != nil {
			t.Fatalf("the connection does not come back: %s", nc.Status())
		}
	}
}
