package verifier

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// errForeign says that what answers at a node's address is no Redis server that answers our commands.
var errForeign = errors.New("the reply is not a Redis server's")

// guard looks at replies before the Redis client does, which allocates what a header says, and follows
// nested ones: a stranger at a node's port must not end the process. Nothing that is asked is answered
// by an array. Longer lines than the client's buffer are the client's error.
type guard struct {
	net.Conn
	limit int    // of a bulk string, in bytes
	skip  int    // bytes that are left of one, with the line's end behind it
	head  []byte // of the line that is being read, as much as matters
}

// maxHead is as long as the first bytes of a line can matter.
const maxHead = 24

// Read implements net.Conn.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if foreign := g.check(p[:n]); foreign != nil {
		return 0, foreign
	}
	return n, err
}

func (g *guard) check(text []byte) error {
	for len(text) > 0 {
		if g.skip > 0 {
			n := min(g.skip, len(text))
			g.skip, text = g.skip-n, text[n:]
			continue
		}
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		g.head = append(g.head, line[:min(len(line), maxHead-len(g.head))]...)
		text = rest
		if !ended {
			return nil
		}
		if err := g.line(); err != nil {
			return err
		}
		g.head = g.head[:0]
	}
	return nil
}

// line judges a whole line.
func (g *guard) line() error {
	if len(g.head) == 0 {
		return g.foreign()
	}
	switch g.head[0] {
	case '+', '-', ':':
		return nil
	case '$':
	default:
		return g.foreign()
	}
	n, err := strconv.Atoi(string(bytes.TrimSuffix(g.head[1:], []byte("\r"))))
	if err != nil || n < -1 || n > g.limit {
		return g.foreign()
	}
	if n >= 0 {
		g.skip = n + len("\r\n")
	}
	return nil
}

func (g *guard) foreign() error { return fmt.Errorf("%w: it begins with %q", errForeign, g.head) }
