package verifier

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/clustersmith/clustersmith/nodesconf"
	"github.com/gomodule/redigo/redis"
)

// stream is a connection that says what a reader does.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error)      { return s.Reader.Read(p) }
func (s stream) Close() error                    { return nil }
func (s stream) SetReadDeadline(time.Time) error { return nil }

func TestGuard(t *testing.T) {
	t.Parallel()
	for text, foreign := range map[string]bool{
		"+PONG\r\n:1\r\n-ERR no\r\n$-1\r\n":            false,
		"$5\r\n*1\r\n\n\r\n+OK\r\n":                    false, // what is in a bulk string does not matter
		"$0\r\n\r\n$100\r\n" + strings.Repeat("x", 90): false,
		"$100\r\n":                         false,
		"$101\r\n":                         true,
		"$9223372036854775807\r\n":         true,
		"$99999999999999999999\r\n":        true,
		"$-2\r\n":                          true,
		"$1x\r\n":                          true,
		"$\r\n":                            true,
		"*9999999999\r\n":                  true,
		"*1\r\n*1\r\n*1\r\n":               true,
		"+OK\r\n%1\r\n":                    true,
		"HTTP/1.1 400 Bad Request\r\n\r\n": true,
		"\r\n":                             true,
		"\n":                               true,
		"$100000000000000000000000000000000000000000000000\r\n": true,
	} {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
			_, err := io.Copy(io.Discard, struct{ io.Reader }{&guard{Conn: stream{Reader: r}, limit: 100}})
			if foreign != errors.Is(err, errForeign) {
				t.Errorf("%q, %s: %v", text, name, err)
			}
		}
	}
}

// Whatever a stranger says, the client behind the guard comes back, and allocates no more than the limit.
func FuzzGuard(f *testing.F) {
	for _, text := range []string{"+OK\r\n", "$3\r\nabc\r\n", "*1\r\n$1\r\na\r\n", "$9223372036854775807\r\n", ":12\r\n", "-ERR\r\n", "$-1\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := redis.NewConn(&guard{Conn: stream{Reader: strings.NewReader(string(text))}, limit: 1 << 10}, 0, 0)
		for range 1000 {
			value, err := c.Receive()
			if err != nil && c.Err() != nil {
				return
			}
			if b, is := value.([]byte); is && len(b) > 1<<10 {
				t.Fatalf("%d bytes", len(b))
			}
			if _, is := value.([]any); is {
				t.Fatalf("an array: %v", value)
			}
		}
	})
}

// A stranger at a node's port is a node that differs, whatever it says.
func TestStrangerAtAPort(t *testing.T) {
	t.Parallel()
	for _, says := range []string{"$9223372036854775807\r\n", "*9999999999\r\n", strings.Repeat("*1\r\n", 1<<16), strings.Repeat("x", 1<<20)} {
		var said sync.WaitGroup
		plan := threeMasters(t).plan
		d, err := nodesconf.LookupDialect(nodesconf.Redis, "7.0")
		if err != nil {
			t.Fatal(err)
		}
		v, err := New(plan, d, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			said.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
			said.Go(func() {
				defer theirs.Close()
				_, _ = io.WriteString(theirs, says) // until the verifier has had enough
			})
			return ours, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		report, err := v.Pass(ctx)
		cancel()
		if err != nil || report.OK || len(report.Differences) == 0 {
			t.Errorf("%.20q: %v, %+v", says, err, report)
		}
		v.Close()
		said.Wait()
	}
}
