package executor

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/internal/heldport"
	"golang.org/x/sys/unix"
)

// portPatience is how long a port may stay another's that is about to end: a master offers the
// ports of a framework that is torn down before its servers are gone.
const portPatience = 3 * time.Second

// awaitFree returns once a server could bind a port, or says who has it.
func awaitFree(ctx context.Context, addr netip.AddrPort) error {
	const step = 10 * time.Millisecond
	for patience := portPatience; patience > 0 && errors.Is(tryBind(addr), unix.EADDRINUSE); patience -= step {
		select {
		case <-ctx.Done():
			return portFree(addr)
		case <-time.After(step):
		}
	}
	return portFree(addr)
}

// portFree reports whether a server could bind a port, as an error that says who has it.
func portFree(addr netip.AddrPort) error {
	err := tryBind(addr)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("port %s is taken by %s", addr, listenerName(addr))
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("port %s: the address is not this host's", addr)
	case err != nil:
		return fmt.Errorf("port %s: %w", addr, err)
	}
	return nil
}

// tryBind binds an address for a moment. It does not listen, so that nobody can reach the
// attempt, and neither lingering connections nor another attempt count: unix.EADDRINUSE means that
// somebody listens.
func tryBind(addr netip.AddrPort) error {
	p, err := heldport.Hold(addr)
	p.Release()
	return err
}

// listening finds the sockets that listen on addresses, by inode.
func listening(match func(netip.AddrPort) bool) (inodes []string, err error) {
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open(filepath.Join("/proc/self/net", table))
		if errors.Is(err, os.ErrNotExist) && table == "tcp6" {
			continue // a host without IPv6
		}
		if err != nil {
			return nil, err
		}
		found, err := parseListening(f, match)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		inodes = append(inodes, found...)
	}
	return inodes, nil
}

// parseListening reads /proc/net/tcp or tcp6. The kernel lists the listening sockets first, so
// it stops at the first one that does not, however many connections follow.
func parseListening(r io.Reader, match func(netip.AddrPort) bool) (inodes []string, err error) {
	const local, state, inode = 1, 3, 9 // fields
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) <= inode {
			return nil, fmt.Errorf("line %q has %d fields", lines.Text(), len(f))
		}
		if f[state] != "0A" {
			break
		}
		addr, err := parseProcAddr(f[local])
		if err != nil {
			return nil, err
		}
		if match(addr) {
			inodes = append(inodes, f[inode])
		}
	}
	return inodes, lines.Err()
}

// parseProcAddr reads an address as the kernel prints it: words of 32 bits, in the host's
// byte order, and the port, in hexadecimal digits.
func parseProcAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	words, err := hex.DecodeString(host)
	if err != nil || len(words) != 4 && len(words) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	for w := words; len(w) > 0; w = w[4:] {
		binary.NativeEndian.PutUint32(w, binary.BigEndian.Uint32(w))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", s, err)
	}
	ip, _ := netip.AddrFromSlice(words) // the length is right
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), nil
}

// listenerName names the process that listens on a port, as far as this process may look.
func listenerName(addr netip.AddrPort) string {
	const unknown = "another process"
	inodes, err := listening(func(a netip.AddrPort) bool {
		return a.Port() == addr.Port() && (a.Addr() == addr.Addr() || a.Addr().IsUnspecified())
	})
	if err != nil || len(inodes) == 0 {
		return unknown
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return unknown
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inodes[0]+"]" {
			pid := strings.Split(link, "/")[2]
			name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
			if err != nil {
				return "process " + pid
			}
			return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(name)))
		}
	}
	return unknown
}
