package redistest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// patience is how long a server may take to bind, to answer or to end.
const patience = 30 * time.Second

// grace is how long a server may take to end by SIGTERM.
const grace = 2 * time.Second

// process is one run of one server; done is closed when it has ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (c *Cluster) launch(i int) {
	c.t.Helper()
	log, err := os.OpenFile(filepath.Join(c.Dir(i), "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(c.Server.Path, filepath.Join(c.Dir(i), "redis.conf"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := proc.Start(cmd); err != nil {
		c.t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how a server ends is judged by who ended it
	}()
	c.procs[i] = p
}

// waitBound waits until a node listens on its port. It fails the test if the node ends.
func (c *Cluster) waitBound(i int) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", c.Addr(i), patience)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("node %d is not bound after %v: %v\n%s", i, patience, err, c.log(i))
		}
		select {
		case <-c.procs[i].done:
			c.t.Fatalf("node %d ended: %v\n%s", i, c.procs[i].cmd.ProcessState, c.log(i))
		case <-tick.C:
		}
	}
}

// waitGone waits until a node has ended. A server that is writing its first append-only file
// takes no notice of SIGTERM, so it gets SIGKILL in the end.
func (c *Cluster) waitGone(i int) {
	c.t.Helper()
	select {
	case <-c.procs[i].done:
	case <-time.After(grace):
		c.Signal(i, syscall.SIGKILL)
		select {
		case <-c.procs[i].done:
		case <-time.After(patience):
			c.t.Fatalf("node %d (pid %d) has not ended after %v", i, c.procs[i].cmd.Process.Pid, patience)
		}
	}
	c.procs[i] = nil
}

func (c *Cluster) stopAll() {
	for _, p := range c.procs {
		if p != nil {
			_ = p.cmd.Process.Kill() // it may be gone already
		}
	}
	for _, p := range c.procs {
		if p != nil {
			<-p.done
		}
	}
}

// log is the end of a node's log.
func (c *Cluster) log(i int) string {
	b, err := os.ReadFile(filepath.Join(c.Dir(i), "server.log"))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte{'\n'})
	return string(bytes.Join(lines[max(0, len(lines)-20):], []byte{'\n'}))
}

// Pid is the process ID of a running node.
func (c *Cluster) Pid(i int) int { return c.procs[i].cmd.Process.Pid }
