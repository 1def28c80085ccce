package main

import (
	"net"
	"sync"
)

// relay passes TCP connections on to a server, between the workers and NATS.
type relay struct {
	net.Listener
	target string
	work   sync.WaitGroup

	mu    sync.Mutex
	open  sync.Cond // on mu: held may have changed
	held  bool
	ended bool
	conns map[net.Conn]bool
}

func newRelay(target string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{Listener: l, target: target, conns: map[net.Conn]bool{}}
	r.open.L = &r.mu
	r.work.Go(r.accept)
	return r, nil
}

// hold lets nothing through while connections stay open, or lets what has piled up through.
func (r *relay) hold(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = on
	r.open.Broadcast()
}

// cut closes every connection.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close() //nolint:errcheck // it may be closed
	}
	clear(r.conns)
}

func (r *relay) end() {
	r.mu.Lock()
	r.ended = true
	r.Close() //nolint:errcheck // nothing can be done about it
	r.open.Broadcast()
	r.mu.Unlock()
	r.cut()
	r.work.Wait()
}

// pass waits while everything is held up; false at the relay's end.
func (r *relay) pass() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.held && !r.ended {
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
		return false
	}
	r.conns[c] = true
	return true
}

func (r *relay) drop(c net.Conn) {
	c.Close() //nolint:errcheck // it may be closed
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *relay) accept() {
	for {
		in, err := r.Accept()
		if err != nil || !r.keep(in) {
			return
		}
		r.work.Go(func() {
			defer r.drop(in)
			if !r.pass() {
				return
			}
			out, err := net.Dial("tcp", r.target)
			if err != nil || !r.keep(out) {
				return // the server refuses, so does the relay
			}
			defer r.drop(out)
			r.work.Go(func() { r.copy(in, out) })
			r.copy(out, in)
		})
	}
}

// copy passes on what comes from one side, until either side ends.
func (r *relay) copy(to, from net.Conn) {
	defer r.drop(to) // so that the other direction ends too
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !r.pass() {
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}
