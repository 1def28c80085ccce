package integration

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// relay passes TCP connections on to a server. Held, it accepts and reads nothing and sends
// nothing, while every connection stays open: a network that swallows everything. A connection
// that was lost stays like that for good.
type relay struct {
	net.Listener
	target string
	work   sync.WaitGroup

	mu    sync.Mutex
	open  sync.Cond // on mu: held may have changed
	held  bool
	lost  int // the first connections, this many, are lost
	begun int // connections so far
	ended bool
	conns []net.Conn
}

// newRelay starts a relay to target (host:port), which ends with the test.
func newRelay(t testing.TB, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{Listener: l, target: target}
	r.open.L = &r.mu
	r.work.Go(r.accept)
	t.Cleanup(r.end)
	return r
}

// hostOf is a base URL's host:port, schemeOf what stands before.
func hostOf(base string) string {
	_, host, _ := strings.Cut(base, "://")
	return host
}

func schemeOf(base string) string { return strings.TrimSuffix(base, hostOf(base)) }

func (r *relay) address() string { return r.Addr().String() }

// hold holds everything up, or lets what has piled up through.
func (r *relay) hold(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = on
	r.open.Broadcast()
}

// lose loses all connections that there are, without a word to either end.
func (r *relay) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = r.begun
}

// cut closes all connections that there are.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close() //nolint:errcheck // it may be closed
	}
	r.conns = nil
}

func (r *relay) end() {
	r.mu.Lock()
	r.ended = true
	r.Close() //nolint:errcheck // nothing can be done about it
	for _, c := range r.conns {
		c.Close() //nolint:errcheck // it may be closed
	}
	r.open.Broadcast()
	r.mu.Unlock()
	r.work.Wait()
}

// number gives a new connection its number, from 1.
func (r *relay) number() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun++
	return r.begun
}

// pass waits while connection n is held up; false at the relay's end.
func (r *relay) pass(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for (r.held || n <= r.lost) && !r.ended {
		r.open.Wait()
	}
	return !r.ended
}

// keep makes a connection end with the relay; false when that is over.
func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		c.Close() //nolint:errcheck // nobody uses it
	}
	r.conns = append(r.conns, c)
	return !r.ended
}

func (r *relay) accept() {
	for {
		in, err := r.Accept()
		if err != nil || !r.keep(in) {
			return
		}
		n := r.number()
		r.work.Go(func() {
			if !r.pass(n) {
				return
			}
			out, err := net.Dial("tcp", r.target)
			if err != nil {
				in.Close() //nolint:errcheck // the server refuses, so does the relay
				return
			}
			if r.keep(out) {
				r.work.Go(func() { r.copy(n, in, out) })
				r.copy(n, out, in)
			}
		})
	}
}

// copy passes on what comes from one side, until either side ends.
func (r *relay) copy(conn int, to, from net.Conn) {
	defer to.Close()   //nolint:errcheck // so that the other direction ends too
	defer from.Close() //nolint:errcheck
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.pass(conn) {
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}
