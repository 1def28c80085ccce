package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// meter passes a worker's connections on to a Mesos master and counts the bytes.
type meter struct {
	listener net.Listener
	target   string
	bytes    atomic.Int64
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
}

func newMeter(target string) (*meter, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("bench: meter: %w", err)
	}
	m := &meter{listener: l, target: strings.TrimPrefix(target, "http://")}
	m.wg.Go(m.accept)
	return m, nil
}

func (m *meter) url() string { return "http://" + m.listener.Addr().String() }

func (m *meter) accept() {
	for {
		from, err := m.listener.Accept()
		if err != nil {
			return // closed
		}
		to, err := net.Dial("tcp4", m.target)
		if err != nil || !m.keep(from, to) {
			from.Close()
			continue
		}
		m.wg.Go(func() { m.copy(from, to) })
		m.wg.Go(func() { m.copy(to, from) })
	}
}

// keep remembers connections for close; false means that it is too late.
func (m *meter) keep(conns ...net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.conns = append(m.conns, conns...)
	return true
}

func (m *meter) copy(to, from net.Conn) {
	io.Copy(counted{to, &m.bytes}, from) //nolint:errcheck // the end of either side ends both
	to.Close()
	from.Close()
}

func (m *meter) close() {
	m.mu.Lock()
	m.closed = true
	for _, c := range m.conns {
		c.Close()
	}
	m.mu.Unlock()
	m.listener.Close()
	m.wg.Wait()
}

// counted counts what is written.
type counted struct {
	io.Writer
	n *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
