// Package heldport holds a TCP port while nothing listens on it, for a server that goes and comes back.
//
// Every connection, and every listener on port 0, is given one of some ten thousand free ports. A
// port that a server has left is one of them, and when it returns its address may be taken.
//
// Laws:
//   - While a port is held, nobody is given it by chance.
//   - Who connects to it is refused, as where nothing is.
//   - Whoever asks for this very port with SO_REUSEADDR, as Go, NATS and Redis do, may listen on it,
//     and leave and listen again.
package heldport

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Port is held until it is released. The zero value holds nothing.
type Port struct {
	fd   int
	addr netip.AddrPort
}

// Hold binds an address and does not listen; port 0 takes a free one. unix.EADDRINUSE means that
// somebody listens there, or is connected from there without SO_REUSEADDR.
func Hold(addr netip.AddrPort) (Port, error) {
	if !addr.IsValid() {
		return Port{}, fmt.Errorf("%s is no address to hold", addr)
	}
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(addr.Port())})
	if ip := addr.Addr(); ip.Is4() {
		to.(*unix.SockaddrInet4).Addr = ip.As4()
	} else {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Port{}, fmt.Errorf("socket: %w", err)
	}
	port, err := bind(fd, to)
	if err != nil {
		_ = unix.Close(fd) // nothing was written to it
		return Port{}, err
	}
	return Port{fd: fd, addr: netip.AddrPortFrom(addr.Addr(), port)}, nil
}

// bind returns the port that the socket has then.
func bind(fd int, to unix.Sockaddr) (uint16, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, fmt.Errorf("SO_REUSEADDR: %w", err)
	}
	if err := unix.Bind(fd, to); err != nil {
		return 0, fmt.Errorf("bind: %w", err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("getsockname: %w", err)
	}
	if v6, ok := bound.(*unix.SockaddrInet6); ok {
		return uint16(v6.Port), nil
	}
	return uint16(bound.(*unix.SockaddrInet4).Port), nil
}

// Addr is the address that is held; its port is never 0. It is invalid where nothing is held.
func (p *Port) Addr() netip.AddrPort { return p.addr }

// Release lets the port go, once. Who listens on it goes on listening.
func (p *Port) Release() {
	if p.addr.IsValid() {
		_ = unix.Close(p.fd) // nothing was written to it
	}
	*p = Port{}
}
