package heldport

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func hold(t *testing.T, addr string) *Port {
	t.Helper()
	p, err := Hold(netip.MustParseAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return &p
}

// A server listens, leaves and listens again; who connects meanwhile is refused.
func TestServersComeAndGo(t *testing.T) {
	t.Parallel()
	addresses := []string{"127.0.0.1:0"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil { // a machine with IPv6
		l.Close()
		addresses = append(addresses, "[::1]:0")
	}
	for _, free := range addresses {
		p := hold(t, free)
		addr := p.Addr().String()
		for range 3 {
			if c, err := net.Dial("tcp", addr); !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatalf("%s is held and answers: %v, %v", addr, c, err)
			}
			l, err := net.Listen("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			l.Close()
		}
	}
}

// No connection and no listener that asks for any port is given a held one, though they may choose
// among no others.
func TestNobodyIsGivenIt(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.83.0.1:0") // an address of this test's own
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p := hold(t, "127.83.0.1:0")
	only := p.Addr().Port()

	var narrow error
	control := func(_, _ string, raw syscall.RawConn) error {
		return errors.Join(raw.Control(func(fd uintptr) {
			narrow = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, int(only)<<16|int(only))
		}), narrow)
	}
	uses := []struct {
		name string
		try  func() (io.Closer, net.Addr, error)
	}{
		{"listener", func() (io.Closer, net.Addr, error) {
			l, err := (&net.ListenConfig{Control: control}).Listen(t.Context(), "tcp", "127.83.0.1:0")
			if err != nil {
				return nil, nil, err
			}
			return l, l.Addr(), nil
		}},
		{"connection", func() (io.Closer, net.Addr, error) {
			d := net.Dialer{Control: control, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 83, 0, 1)}}
			c, err := d.DialContext(t.Context(), "tcp", server.Addr().String())
			if err != nil {
				return nil, nil, err
			}
			return c, c.LocalAddr(), nil
		}},
	}
	for _, use := range uses {
		c, addr, err := use.try()
		if errors.Is(narrow, unix.ENOPROTOOPT) {
			t.Skip("a socket cannot narrow its ports: Linux before 6.3")
		}
		if err == nil {
			c.Close()
			t.Errorf("a %s is given %s, which is held", use.name, addr)
		} else if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: %v", use.name, err)
		}
	}
	p.Release()
	for _, use := range uses { // now that it is free each is given it; the connection last, for it lingers
		c, addr, err := use.try()
		if err != nil {
			t.Errorf("%s: %v", use.name, err)
			continue
		}
		if c.Close(); addr.(*net.TCPAddr).AddrPort().Port() != only {
			t.Errorf("a %s is given %s, not %d", use.name, addr, only)
		}
	}
}

// A port on which somebody listens cannot be held; one that is held may be held once more.
func TestTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if p, err := Hold(l.Addr().(*net.TCPAddr).AddrPort()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("%s is listened on and held: %v", p.Addr(), err)
	}
	if _, err := Hold(netip.MustParseAddrPort("192.0.2.1:0")); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("another host's address: %v", err)
	}
	if p, err := Hold(netip.AddrPort{}); err == nil {
		t.Errorf("no address is held: %s", p.Addr())
	}
	p := hold(t, "127.0.0.1:0")
	if again := hold(t, p.Addr().String()); again.Addr() != p.Addr() {
		t.Errorf("held twice: %s and %s", p.Addr(), again.Addr())
	}
}

// What a port is held against: a connection's own end is in a listener's way.
func TestConnectionInTheWay(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.83.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 83, 0, 2)}}
	c, err := d.DialContext(t.Context(), "tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if l, err := net.Listen("tcp", c.LocalAddr().String()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a connection's own end is listened on: %v, %v", l, err)
	}
}
