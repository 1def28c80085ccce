package history

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	// askTimeout bounds one node's answers.
	askTimeout = 5 * time.Second
	// maxReply bounds a reply, in bytes.
	maxReply = 64 << 20
)

// Ask asks the Redis node at host:port how it sees its cluster. What went wrong is in the view.
func Ask(ctx context.Context, address string) View {
	v, err := ask(ctx, address)
	if err != nil {
		return View{Err: err.Error()}
	}
	return v
}

func ask(ctx context.Context, address string) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return View{}, err
	}
	defer conn.Close()
	if until, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(until); err != nil {
			return View{}, err
		}
	}
	in := bufio.NewReader(conn)
	info, err := command(conn, in, "CLUSTER", "INFO")
	if err != nil {
		return View{}, err
	}
	var v View
	for line := range strings.Lines(info) {
		if state, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_state:"); ok {
			v.State = state
		}
	}
	if v.State == "" {
		return View{}, errors.New("CLUSTER INFO without cluster_state")
	}
	nodes, err := command(conn, in, "CLUSTER", "NODES")
	if err != nil {
		return View{}, err
	}
	v.Nodes, err = parseNodes(nodes)
	return v, err
}

// command sends one command and returns its bulk string.
func command(w io.Writer, in *bufio.Reader, words ...string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return "", err
	}
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	length, bulk := strings.CutPrefix(line, "$")
	n, err := strconv.Atoi(length)
	if !bulk || err != nil || n < 0 || n > maxReply {
		return "", fmt.Errorf("%s: %q", strings.Join(words, " "), line)
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(in, body); err != nil {
		return "", err
	}
	return string(body[:n]), nil
}
