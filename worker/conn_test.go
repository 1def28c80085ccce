package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A server that says nothing any more, as when its host has lost its power, is given up soon.
func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var served sync.WaitGroup
	t.Cleanup(func() { silent.Close(); served.Wait() })
	lost := make(chan struct{})
	served.Go(func() {
		conn, err := silent.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "INFO {\"server_id\":\"s\",\"max_payload\":1048576}\r\n")
		lines := bufio.NewReader(conn)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				close(lost)
				return
			}
			if strings.HasPrefix(line, "PING") {
				_, _ = io.WriteString(conn, "PONG\r\n")
				break // and no more
			}
		}
		_, _ = io.Copy(io.Discard, lines)
		close(lost)
	})
	nc, err := Connect(Config{NATSURL: "nats://" + silent.Addr().String(), Name: "test"}, quiet())
	must(t, err)
	t.Cleanup(nc.Close)
	select {
	case <-lost:
	case <-time.After(time.Minute):
		t.Fatal("the connection is kept")
	}
	w := &Worker{nc: nc}
	if msg, err := w.fetch(); msg != nil || !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("a worker that is not connected fetches %v, %v", msg, err)
	}
}

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
