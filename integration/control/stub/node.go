package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// cluster is what all nodes of this process answer from.
type cluster struct {
	b       bundle.Bundle
	view    []byte // CLUSTER NODES without myself
	line    []int  // where node i's line begins in view; one more at the end
	host    []int  // for each node, how many replicas it has
	wait    time.Duration
	started chan struct{} // closed by release

	mu        sync.Mutex
	formed    time.Time // when the nodes say ok; zero before GO
	listeners map[string]net.Listener
}

func newCluster(b bundle.Bundle, wait time.Duration) (*cluster, error) {
	c := &cluster{b: b, wait: wait, host: make([]int, len(b.Plan.Nodes)), started: make(chan struct{}), listeners: map[string]net.Listener{}}
	now := time.Now().UnixMilli()
	for _, n := range b.Plan.Nodes {
		c.line = append(c.line, len(c.view))
		role, master := "master", "-"
		if n.Master != nil {
			role, master = "slave", b.Plan.Nodes[*n.Master].ID
			c.host[*n.Master]++
		}
		epoch := n.Epoch
		if n.Master != nil {
			epoch = b.Plan.Nodes[*n.Master].Epoch
		}
		c.view = fmt.Appendf(c.view, "%s %s:%d@%d %s %s 0 %d %d connected", n.ID, n.Host, n.Port, n.BusPort, role, master, now, epoch)
		for _, s := range n.Slots {
			c.view = fmt.Appendf(c.view, " %d-%d", s[0], s[1])
		}
		c.view = append(c.view, '\n')
	}
	c.line = append(c.line, len(c.view))
	return c, nil
}

// bind opens the planned port of a task. Until release it takes connections and is silent, as
// a server is that is stopped.
func (c *cluster) bind(task string) error {
	i, err := bundle.NodeIndex(task)
	if err != nil || i >= len(c.b.Plan.Nodes) {
		return fmt.Errorf("task %s is not in the plan", task)
	}
	n := c.b.Plan.Nodes[i]
	l, err := net.Listen("tcp", net.JoinHostPort(n.Host, strconv.Itoa(n.Port)))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners[task] = l
	go func() {
		<-c.started
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn, i)
		}
	}()
	return nil
}

func (c *cluster) close(task string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.listeners[task]; l != nil {
		l.Close()
	}
}

// release is GO: the nodes answer, and are a formed cluster after the wait.
func (c *cluster) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.formed.IsZero() {
		c.formed = time.Now().Add(c.wait)
		close(c.started)
	}
}

// serve answers one connection to node i.
func (c *cluster) serve(conn net.Conn, i int) {
	defer conn.Close()
	in, out := bufio.NewReader(conn), bufio.NewWriterSize(conn, 64<<10)
	value := ""
	for {
		words, err := command(in)
		if err != nil {
			return
		}
		c.answer(out, i, words, &value)
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

// command reads an inline command, or an array of bulk strings.
func command(in *bufio.Reader) ([]string, error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	count, isArray := strings.CutPrefix(strings.TrimSpace(head), "*")
	if !isArray {
		return strings.Fields(head), nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 16 {
		return nil, fmt.Errorf("an array of %q", count)
	}
	words := make([]string, n)
	for i := range words {
		size, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		length, err := strconv.Atoi(strings.Trim(size, "$\r\n"))
		if err != nil || length < 0 || length > 1<<16 {
			return nil, fmt.Errorf("a word of size %q", size)
		}
		word := make([]byte, length+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		words[i] = string(word[:length])
	}
	return words, nil
}

// answer writes node i's answer. value is what the connection's last SET held.
func (c *cluster) answer(out *bufio.Writer, i int, words []string, value *string) {
	n := &c.b.Plan.Nodes[i]
	switch strings.ToUpper(strings.Join(words[:min(2, len(words))], " ")) {
	case "PING":
		out.WriteString("+PONG\r\n")
	case "CLUSTER MYID":
		bulk(out, []byte(n.ID))
	case "INFO SERVER":
		bulk(out, fmt.Appendf(nil, "redis_version:%s.0\r\nserver_name:redis\r\n", c.b.Version))
	case "INFO REPLICATION":
		bulk(out, c.replication(n))
	case "CLUSTER INFO":
		c.mu.Lock()
		state := "ok"
		if time.Now().Before(c.formed) {
			state = "fail"
		}
		c.mu.Unlock()
		bulk(out, fmt.Appendf(nil, "cluster_state:%s\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\n",
			state, len(c.b.Plan.Nodes), c.b.Plan.Masters))
	case "CLUSTER NODES":
		const mark = "myself,"
		own := c.view[c.line[i]:c.line[i+1]]
		flags := bytes.IndexByte(own, ' ') + 1
		flags += bytes.IndexByte(own[flags:], ' ') + 1
		at := c.line[i] + flags
		fmt.Fprintf(out, "$%d\r\n%s%s", len(c.view)+len(mark), c.view[:at], mark)
		out.Write(c.view[at:])
		out.WriteString("\r\n")
	default:
		c.write(out, n, words, value)
	}
}

// write answers the commands of the write check.
func (c *cluster) write(out *bufio.Writer, n *chunkdist.Node, words []string, value *string) {
	switch {
	case len(words) > 2 && words[0] == "SET":
		*value = words[2]
		out.WriteString("+OK\r\n")
	case len(words) > 0 && words[0] == "WAIT":
		fmt.Fprintf(out, ":%d\r\n", c.host[n.Index])
	case len(words) > 0 && words[0] == "GET":
		bulk(out, []byte(*value))
	case len(words) > 0 && words[0] == "DEL":
		out.WriteString(":1\r\n")
	default:
		fmt.Fprintf(out, "-ERR a stub node does not know %q\r\n", words)
	}
}

func (c *cluster) replication(n *chunkdist.Node) []byte {
	if n.Master != nil {
		m := c.b.Plan.Nodes[*n.Master]
		return fmt.Appendf(nil, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:up\r\n", m.Host, m.Port)
	}
	text := fmt.Appendf(nil, "role:master\r\nconnected_slaves:%d\r\n", c.host[n.Index])
	k := 0
	for _, r := range c.b.Plan.Nodes[c.b.Plan.Masters:] {
		if *r.Master == n.Index {
			text = fmt.Appendf(text, "slave%d:ip=%s,port=%d,state=online,offset=14,lag=0\r\n", k, r.Host, r.Port)
			k++
		}
	}
	return text
}

func bulk(out *bufio.Writer, text []byte) {
	fmt.Fprintf(out, "$%d\r\n%s\r\n", len(text), text)
}
