package nodesconf

import (
	"bytes"
	"fmt"
)

// Flags is the set of flag words of a node.
type Flags uint16

// The flag words, by what they mean. Valkey's primary and replica are FlagMaster and
// FlagReplica; a word that is not known is FlagOther.
const (
	FlagMyself     Flags = 1 << iota // myself
	FlagMaster                       // master
	FlagReplica                      // slave
	FlagPFail                        // fail?
	FlagFail                         // fail
	FlagHandshake                    // handshake
	FlagNoAddr                       // noaddr
	FlagNoFailover                   // nofailover
	FlagOther
)

// Line is one node in a nodes.conf or in an answer to CLUSTER NODES. Its byte slices point
// into the line that was parsed.
type Line struct {
	ID []byte // 40 bytes
	// Addr is ip:port@bus as it was written; IP, Port and BusPort are its parts. IP is empty
	// where the address is not known. BusPort is 0 where none was written.
	Addr          []byte
	IP            []byte
	Port, BusPort int
	// Aux is what follows the address's first comma: the hostname, then aux fields.
	Aux    []byte
	Flags  Flags
	Master []byte // nil where it is -
	// PingSent and PongReceived are Unix times in milliseconds; 0 is never.
	PingSent, PongReceived int64
	Epoch                  uint64
	Connected              bool
	// Slots are the slot tokens, separated by spaces: 0-5460, 7, [93-<-id], [77->-id]. NextSlots
	// takes them apart.
	Slots []byte
}

// NextLine cuts the first line off text; an empty line is one of zero length.
func NextLine(text []byte) (line, rest []byte) {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		line, rest = text[:i], text[i+1:]
	} else {
		line = text
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// IsVars reports whether a line of a nodes.conf holds variables, not a node.
func IsVars(line []byte) bool { return bytes.HasPrefix(line, []byte("vars ")) }

// Myself finds the ID of the node that printed a view; nil where no line is marked as its own.
func Myself(view []byte) []byte {
	i := bytes.Index(view, []byte(" myself"))
	if i < 0 {
		return nil
	}
	id, _ := cut(view[bytes.LastIndexByte(view[:i], '\n')+1:])
	return id
}

// ParseLine parses one node's line into l, all of whose fields it sets, without allocating.
// It takes what any known server writes; it refuses what none does.
func ParseLine(line []byte, l *Line) error {
	*l = Line{}
	var f [8][]byte
	rest := line
	for i := range f {
		if i == 7 {
			f[i], l.Slots = cut(rest)
			break
		}
		f[i], rest = cut(rest)
		if len(f[i]) == 0 {
			return fmt.Errorf("nodes line %.60q: field %d of 8 is missing", line, i+1)
		}
	}
	if len(f[0]) != 40 {
		return fmt.Errorf("nodes line %.60q: the node ID has %d bytes, not 40", line, len(f[0]))
	}
	l.ID = f[0]
	if !l.parseAddress(f[1]) {
		return fmt.Errorf("nodes line %.60q: address %.60q is not ip:port@bus", line, f[1])
	}
	l.Flags = parseFlags(f[2])
	if !(len(f[3]) == 1 && f[3][0] == '-') {
		if len(f[3]) != 40 {
			return fmt.Errorf("nodes line %.60q: master %.60q is neither a node ID nor -", line, f[3])
		}
		l.Master = f[3]
	}
	ping, ok1 := parseUint(f[4])
	pong, ok2 := parseUint(f[5])
	epoch, ok3 := parseUint(f[6])
	if !ok1 || !ok2 || !ok3 || ping > 1<<62 || pong > 1<<62 {
		return fmt.Errorf("nodes line %.60q: ping %.20q, pong %.20q and epoch %.20q are not all numbers", line, f[4], f[5], f[6])
	}
	l.PingSent, l.PongReceived, l.Epoch = int64(ping), int64(pong), epoch
	switch string(f[7]) {
	case "connected":
		l.Connected = true
	case "disconnected":
	default:
		return fmt.Errorf("nodes line %.60q: link state %.20q is neither connected nor disconnected", line, f[7])
	}
	return nil
}

// parseAddress takes ip:port[@bus][,hostname[,aux]…]. The IP may be empty or hold colons.
func (l *Line) parseAddress(field []byte) bool {
	addr := field
	if i := bytes.IndexByte(field, ','); i >= 0 {
		addr, l.Aux = field[:i], field[i+1:]
	}
	l.Addr = addr
	if i := bytes.IndexByte(addr, '@'); i >= 0 {
		bus, ok := parsePort(addr[i+1:])
		if !ok {
			return false
		}
		l.BusPort, addr = bus, addr[:i]
	}
	i := bytes.LastIndexByte(addr, ':')
	if i < 0 {
		return false
	}
	port, ok := parsePort(addr[i+1:])
	l.IP, l.Port = addr[:i], port
	return ok
}

func parseFlags(words []byte) Flags {
	var flags Flags
	for len(words) > 0 {
		word := words
		if i := bytes.IndexByte(words, ','); i >= 0 {
			word, words = words[:i], words[i+1:]
		} else {
			words = nil
		}
		switch string(word) { // the compiler compares without allocating
		case "myself":
			flags |= FlagMyself
		case "master", "primary":
			flags |= FlagMaster
		case "slave", "replica":
			flags |= FlagReplica
		case "fail?":
			flags |= FlagPFail
		case "fail":
			flags |= FlagFail
		case "handshake":
			flags |= FlagHandshake
		case "noaddr":
			flags |= FlagNoAddr
		case "nofailover":
			flags |= FlagNoFailover
		case "noflags":
		default:
			flags |= FlagOther
		}
	}
	return flags
}

// cut splits off what stands before the first space.
func cut(s []byte) (head, tail []byte) {
	if i := bytes.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, nil
}

func parseUint(s []byte) (uint64, bool) {
	if len(s) == 0 || len(s) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

func parsePort(s []byte) (int, bool) {
	n, ok := parseUint(s)
	return int(n), ok && n <= 65535
}
