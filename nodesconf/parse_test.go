package nodesconf_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/nodesconf"
)

const (
	idA = "07c37dfeb235213a872192d90877d0cd55635b91"
	idB = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"
)

// TestParseLine reads lines as the different servers print them.
func TestParseLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line string
		check      func(l nodesconf.Line) bool
	}{
		{"plain master", idA + " 127.0.0.1:30004@31004 master - 0 1426238317239 4 connected 0-5460", func(l nodesconf.Line) bool {
			return string(l.ID) == idA && string(l.IP) == "127.0.0.1" && l.Port == 30004 && l.BusPort == 31004 && l.Aux == nil &&
				string(l.Addr) == "127.0.0.1:30004@31004" && l.Flags == nodesconf.FlagMaster && l.Master == nil &&
				l.PingSent == 0 && l.PongReceived == 1426238317239 && l.Epoch == 4 && l.Connected && string(l.Slots) == "0-5460"
		}},
		{"replica", idA + " 127.0.0.1:30004@31004 slave " + idB + " 7 8 0 disconnected", func(l nodesconf.Line) bool {
			return l.Flags == nodesconf.FlagReplica && string(l.Master) == idB && !l.Connected && l.Slots == nil && l.PingSent == 7
		}},
		{"hostname", idA + " 127.0.0.1:30004@31004,host-1.example myself,master - 0 0 1 connected", func(l nodesconf.Line) bool {
			return string(l.Aux) == "host-1.example" && l.Flags == nodesconf.FlagMyself|nodesconf.FlagMaster
		}},
		{"aux fields", idA + " 127.0.0.1:30004@31004,,tls-port=0,shard-id=" + idB + " myself,slave,nofailover " + idB + " 0 0 1 connected", func(l nodesconf.Line) bool {
			return string(l.Aux) == ",tls-port=0,shard-id="+idB && l.BusPort == 31004 && l.Flags&nodesconf.FlagNoFailover != 0
		}},
		{"IPv6", idA + " fd00::17:6379@16379 master,fail - 0 0 1 disconnected 7", func(l nodesconf.Line) bool {
			return string(l.IP) == "fd00::17" && l.Port == 6379 && l.Flags&nodesconf.FlagFail != 0 && string(l.Slots) == "7"
		}},
		{"no address", idA + " :0@0 master,noaddr - 1 2 1 disconnected", func(l nodesconf.Line) bool {
			return len(l.IP) == 0 && l.Port == 0 && l.Flags&nodesconf.FlagNoAddr != 0
		}},
		{"own address not known yet", idA + " :7000@17000 myself,master - 0 0 1 connected", func(l nodesconf.Line) bool {
			return len(l.IP) == 0 && l.Port == 7000
		}},
		{"handshake", idA + " 127.0.0.1:7000@17000 handshake - 0 0 0 connected", func(l nodesconf.Line) bool {
			return l.Flags == nodesconf.FlagHandshake
		}},
		{"no flags", idA + " 127.0.0.1:7000@17000 noflags - 0 0 0 connected", func(l nodesconf.Line) bool { return l.Flags == 0 }},
		{"no bus port (3.x)", idA + " 127.0.0.1:7000 master,fail? - 0 0 0 connected", func(l nodesconf.Line) bool {
			return l.BusPort == 0 && l.Flags&nodesconf.FlagPFail != 0
		}},
		{"valkey's words", idA + " 127.0.0.1:7000@17000 primary - 0 0 0 connected", func(l nodesconf.Line) bool {
			return l.Flags == nodesconf.FlagMaster
		}},
		{"a flag of the future", idA + " 127.0.0.1:7000@17000 master,sleepy - 0 0 18446744073709551615 connected", func(l nodesconf.Line) bool {
			return l.Flags == nodesconf.FlagMaster|nodesconf.FlagOther && l.Epoch == 1<<64-1
		}},
	} {
		var l nodesconf.Line
		if err := nodesconf.ParseLine([]byte(c.line), &l); err != nil || !c.check(l) {
			t.Errorf("%s: %v %+v", c.name, err, l)
		}
	}
}

// TestRefusedLines: what no server writes is an error, never a wrong reading.
func TestRefusedLines(t *testing.T) {
	t.Parallel()
	good := idA + " 127.0.0.1:30004@31004 master - 0 1426238317239 4 connected 0-5460"
	for _, cut := range []struct{ old, new string }{
		{idA, idA[:39]}, {idA, ""}, {":30004", ""}, {"30004", "65536"}, {"30004", "-1"}, {"31004", ""}, {"31004", "x"},
		{" master", ""}, {" - ", " "}, {" - ", " -- "}, {" - ", " " + idB[1:] + " "}, {" 0 142", " 142"}, {" 4 ", " -4 "}, {" 4 ", " 18446744073709551616 "},
		{"connected", "linked"}, {" connected 0-5460", ""},
	} {
		line := strings.Replace(good, cut.old, cut.new, 1)
		var l nodesconf.Line
		if err := nodesconf.ParseLine([]byte(line), &l); err == nil {
			t.Errorf("%q is taken: %+v", line, l)
		}
	}
}

func TestNextSlots(t *testing.T) {
	t.Parallel()
	slots := []byte("0-99 101  16383 [93-<-" + idA + "] [77->-" + idB + "]")
	want := []nodesconf.SlotToken{
		{First: 0, Last: 99}, {First: 101, Last: 101}, {First: 16383, Last: 16383},
		{Kind: nodesconf.SlotImporting, First: 93, Last: 93, Peer: []byte(idA)},
		{Kind: nodesconf.SlotMigrating, First: 77, Last: 77, Peer: []byte(idB)},
	}
	for _, w := range want {
		token, rest, more, err := nodesconf.NextSlots(slots)
		if err != nil || !more || token.Kind != w.Kind || token.First != w.First || token.Last != w.Last || !bytes.Equal(token.Peer, w.Peer) {
			t.Fatalf("%+v %v %v, expected %+v", token, more, err, w)
		}
		slots = rest
	}
	if _, _, more, err := nodesconf.NextSlots(slots); more || err != nil {
		t.Errorf("more: %v, %v", more, err)
	}
	for _, bad := range []string{"16384", "5-3", "-5", "5-", "a", "[5]", "[5->-]", "[5->-" + idA[1:] + "]", "[5-=-" + idA + "]", "[16384->-" + idA + "]", "[->-" + idA + "]"} {
		if _, _, _, err := nodesconf.NextSlots([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestMyself(t *testing.T) {
	t.Parallel()
	view := idB + " 127.0.0.1:1@2 master - 0 0 1 connected\n" + idA + " 127.0.0.1:3@4 myself,slave " + idB + " 0 0 1 connected\n"
	if got := nodesconf.Myself([]byte(view)); string(got) != idA {
		t.Errorf("%q", got)
	}
	if got := nodesconf.Myself([]byte("vars currentEpoch 1\n")); got != nil {
		t.Errorf("%q", got)
	}
}

// FuzzParseLine: any bytes are refused or read without a panic, and what was read is what is
// written there.
func FuzzParseLine(f *testing.F) {
	f.Add([]byte(idA + " 127.0.0.1:30004@31004,,tls-port=0,shard-id=" + idB + " myself,slave " + idB + " 0 1426238317239 4 connected 0-5460 7 [93-<-" + idA + "]"))
	f.Add([]byte(idA + " :0@0 master,noaddr,fail? - 1 2 1 disconnected"))
	f.Add([]byte("vars currentEpoch 3 lastVoteEpoch 0"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var l nodesconf.Line
		if nodesconf.ParseLine(line, &l) != nil {
			return
		}
		words := strings.Split(string(line), " ")
		if len(words) < 8 || words[0] != string(l.ID) || len(l.ID) != 40 {
			t.Fatalf("%q is read as %+v", line, l)
		}
		addr, aux, hasAux := strings.Cut(words[1], ",")
		if addr != string(l.Addr) || hasAux != (l.Aux != nil) || aux != string(l.Aux) || l.Port < 0 || l.Port > 65535 || l.BusPort < 0 || l.BusPort > 65535 {
			t.Fatalf("%q is read as %+v", line, l)
		}
		if (words[3] == "-") != (l.Master == nil) || (words[7] == "connected") != l.Connected || l.PingSent < 0 || l.PongReceived < 0 {
			t.Fatalf("%q is read as %+v", line, l)
		}
		owned := 0
		for slots := l.Slots; ; {
			token, rest, more, err := nodesconf.NextSlots(slots)
			if err != nil || !more {
				break
			}
			if token.First < 0 || token.Last > 16383 || token.First > token.Last || len(rest) >= len(slots) {
				t.Fatalf("slots of %q: %+v", line, token)
			}
			owned, slots = owned+1, rest
		}
		if owned > len(words)-8 {
			t.Fatalf("%d slot tokens in %q", owned, line)
		}
	})
}
