package executor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPortThatIsTaken(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "[::]", "[::1]"} {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			if strings.HasPrefix(host, "[") {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		defer l.Close()
		addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(l.Addr().(*net.TCPAddr).Port))
		if host == "[::1]" {
			addr = netip.MustParseAddrPort(l.Addr().String())
		}
		want := fmt.Sprintf("port %s is taken by process %d (", addr, os.Getpid())
		if err := portFree(addr); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s…)", host, err, want)
		}
		l.Close()
		// A child that another test is just forking holds a copy until it executes its program.
		await(t, host+", closed, to be free", func() bool { return portFree(addr) == nil })
	}
}

func TestAddressOfAnotherHost(t *testing.T) {
	t.Parallel()
	err := portFree(netip.MustParseAddrPort("192.0.2.1:7000"))
	if err == nil || err.Error() != "port 192.0.2.1:7000: the address is not this host's" {
		t.Error(err)
	}
}

func TestKernelsTable(t *testing.T) {
	t.Parallel()
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0200007F:1B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000000000000:1B59 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100
   2: 0200007F:1B58 0200007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
`
	var seen []netip.AddrPort
	inodes, err := parseListening(strings.NewReader(table), func(a netip.AddrPort) bool {
		seen = append(seen, a)
		return true
	})
	if err != nil || fmt.Sprint(inodes) != "[4711 4712]" || fmt.Sprint(seen) != "[127.0.0.2:7000 [::]:7001]" {
		t.Errorf("%v %v %v", inodes, seen, err)
	}
	for _, bad := range []string{"head\n0: 0200007F:1B58\n", "head\n0: 02007F:1B58 x 0A 4 5 6 7 8 9\n", "head\n0: 0200007F:1B588 x 0A 4 5 6 7 8 9\n"} {
		if _, err := parseListening(strings.NewReader(bad), func(netip.AddrPort) bool { return true }); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if got := lastLine(path); got != "its log is empty" {
		t.Error(got)
	}
	long := strings.Repeat("x", 5000)
	for text, want := range map[string]string{
		"a\nb\n\nc\n":     "b|c",
		"a":               "a",
		"\n\n":            "",
		long + "\nlast\n": strings.Repeat("x", 4<<10-6) + "|last",
		"bad \xff\nend":   "bad ?|end",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(lastLines(path, 2), "|"); got != want {
			t.Errorf("%.20q: %.40q, want %.40q", text, got, want)
		}
	}
}
