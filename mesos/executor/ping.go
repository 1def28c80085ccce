package executor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	// askTimeout bounds one question to a server.
	askTimeout = 5 * time.Second
	// maxReply bounds its answer, in bytes: CLUSTER NODES has about 150 a node.
	maxReply = 16 << 20
)

var errLoading = errors.New("the server loads its data")

// awaitAnswer asks a server until it answers PING. A server that still loads its data says
// -LOADING, which is no answer; any other reply shows that it serves. It ends with ctx.
func awaitAnswer(ctx context.Context, addr string) error {
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := ping(ctx, addr)
		if err == nil {
			return nil
		}
		if !sleep(ctx, wait/2+rand.N(wait)) {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

func ping(ctx context.Context, addr string) error {
	reply, err := ask(ctx, addr, "PING")
	if err == nil && strings.HasPrefix(reply, "-LOADING") {
		err = errLoading
	}
	return err
}

// ask asks a server by an inline command, and returns its answer: the text of a bulk string, or
// the one line of any other reply with its type byte.
func ask(ctx context.Context, addr, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })() // at once
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxReply+64)) // a stranger may have the port
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	length, isBulk := strings.CutPrefix(line, "$")
	if !isBulk {
		return line, nil
	}
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > maxReply {
		return "", fmt.Errorf("%s: reply of length %q", command, length)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return string(text), err
}

// sleep waits; it reports whether ctx lived as long.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
