// Package redistest runs real redis-servers for tests.
//
// Duty: boot the cluster of a plan from its rendered files, as an executor does: every server
// is started and bound before any may talk to its peers.
//
// Laws:
//   - Whatever it starts is gone when the test is over, failed or not; if the test's process
//     dies, the servers die with it.
//   - Only loopback addresses; host i of a plan is 127.0.0.(2+i). Two tests, also of different
//     processes, never share a port: a block of ports belongs to who holds its lock.
package redistest

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// Options change how a cluster is booted.
type Options struct {
	// Server is the server to run; the zero value is the installed redis-server.
	Server Server
	// Config holds further redis.conf directives, for all nodes.
	Config map[string]string
	// Persistence as in nodesconf.ServerOptions.
	Persistence string
	// Skip names the nodes that are not started.
	Skip []int
	// EditFiles, when set, may change a node's files before its start.
	EditFiles func(node int, nodesConf, redisConf []byte) ([]byte, []byte)
}

// Cluster is the running servers of a plan.
type Cluster struct {
	Plan   chunkdist.Plan
	Server Server
	t      testing.TB
	dir    string
	procs  []*process
}

// Boot renders the files of a plan, starts every server, holds each one from the moment it is
// bound until all are, and lets them go. It does not wait for them to form the cluster.
func Boot(t testing.TB, plan chunkdist.Plan, o Options) *Cluster {
	t.Helper()
	if o.Server.Path == "" {
		o.Server = Installed(t)
	}
	c := &Cluster{Plan: plan, Server: o.Server, t: t, dir: t.TempDir(), procs: make([]*process, len(plan.Nodes))}
	renderer, err := o.Server.Dialect.Renderer(plan)
	if err != nil {
		t.Fatal(err)
	}
	for i := range plan.Nodes {
		nodes, err := renderer.AppendNodesConf(nil, i)
		if err != nil {
			t.Fatal(err)
		}
		conf, err := renderer.RedisConf(i, nodesconf.ServerOptions{
			Dir: c.Dir(i), MemoryMB: 256, Persistence: o.Persistence, Config: o.Config,
		})
		if err != nil {
			t.Fatal(err)
		}
		if o.EditFiles != nil {
			nodes, conf = o.EditFiles(i, nodes, conf)
		}
		c.WriteFile(i, "nodes.conf", nodes)
		c.WriteFile(i, "redis.conf", conf)
	}
	skip := make(map[int]bool)
	for _, i := range o.Skip {
		skip[i] = true
	}
	t.Cleanup(c.stopAll)
	for i := range plan.Nodes {
		if !skip[i] {
			c.launch(i)
		}
	}
	for i := range plan.Nodes {
		if !skip[i] {
			c.waitBound(i)
			c.Signal(i, syscall.SIGSTOP)
		}
	}
	for i := range plan.Nodes {
		if !skip[i] {
			c.Signal(i, syscall.SIGCONT)
		}
	}
	return c
}

// Dir is the directory of a node: nodes.conf, redis.conf, server.log and its data.
func (c *Cluster) Dir(i int) string { return filepath.Join(c.dir, "node-"+strconv.Itoa(i)) }

// Addr is host:port of a node.
func (c *Cluster) Addr(i int) string {
	n := c.Plan.Nodes[i]
	return net.JoinHostPort(n.Host, strconv.Itoa(n.Port))
}

// Start starts a node that is not running and waits until it is bound.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	c.launch(i)
	c.waitBound(i)
}

// Kill ends nodes by SIGKILL and waits until they are gone.
func (c *Cluster) Kill(nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		c.Signal(i, syscall.SIGKILL)
	}
	for _, i := range nodes {
		c.waitGone(i)
	}
}

// Restart ends all nodes by a signal and starts them again at once.
func (c *Cluster) Restart(sig syscall.Signal) {
	c.t.Helper()
	for i := range c.procs {
		c.Signal(i, sig)
	}
	for i := range c.procs {
		c.waitGone(i)
	}
	for i := range c.procs {
		c.launch(i)
	}
	for i := range c.procs {
		c.waitBound(i)
	}
}

// Signal sends a signal to a running node.
func (c *Cluster) Signal(i int, sig syscall.Signal) {
	c.t.Helper()
	p := c.procs[i]
	if p == nil {
		c.t.Fatalf("node %d is not running", i)
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		c.t.Fatalf("node %d: %v\n%s", i, err, c.log(i))
	}
}

// WriteFile writes a file into a node's directory.
func (c *Cluster) WriteFile(i int, name string, content []byte) {
	c.t.Helper()
	if err := os.MkdirAll(c.Dir(i), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir(i), name), content, 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// ReadFile reads a file from a node's directory.
func (c *Cluster) ReadFile(i int, name string) []byte {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Dir(i), name))
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}
