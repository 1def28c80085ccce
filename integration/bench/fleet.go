package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// fleet is the servers of a plan, started directly.
type fleet struct {
	server string // program
	plan   chunkdist.Plan
	dir    string

	mu    sync.Mutex
	cmds  []*exec.Cmd
	ended []<-chan struct{}
}

// memoryMB is what a node has, in every column.
const memoryMB = 128

// stage writes the files of all nodes. edit may change a nodes.conf; nil writes none at all.
func stage(server string, dialect nodesconf.Dialect, plan chunkdist.Plan, dir string, edit func([]byte) []byte) (*fleet, error) {
	f := &fleet{server: server, plan: plan, dir: dir}
	r, err := dialect.Renderer(plan)
	if err != nil {
		return nil, err
	}
	for i := range plan.Nodes {
		node := f.node(i)
		if err := os.MkdirAll(node, 0o755); err != nil {
			return nil, err
		}
		conf, err := r.RedisConf(i, nodesconf.ServerOptions{Dir: node, MemoryMB: memoryMB})
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(node, "redis.conf"), conf, 0o644); err != nil {
			return nil, err
		}
		if edit == nil {
			continue
		}
		nodes, err := r.AppendNodesConf(nil, i)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(node, "nodes.conf"), edit(nodes), 0o644); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fleet) node(i int) string { return filepath.Join(f.dir, "node-"+strconv.Itoa(i)) }

func (f *fleet) command(i int) (*exec.Cmd, *os.File, error) {
	dir := f.node(i)
	log, err := os.Create(filepath.Join(dir, "redis.log"))
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(f.server, filepath.Join(dir, "redis.conf"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	return cmd, log, nil
}

// startHeld starts all servers, each held from its bound ports on, as an executor does, and lets
// all go when all are held.
func (f *fleet) startHeld(ctx context.Context) error {
	slots := make(chan struct{}, max(4, 2*runtime.NumCPU()))
	errs := make([]error, len(f.plan.Nodes))
	var wg sync.WaitGroup
	for i := range f.plan.Nodes {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() == nil {
				errs[i] = f.hold(ctx, i)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs, context.Cause(ctx))...); err != nil {
		return err
	}
	for _, cmd := range f.cmds {
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return fmt.Errorf("bench: let a server go: %w", err)
		}
	}
	return nil
}

func (f *fleet) hold(ctx context.Context, i int) error {
	cmd, log, err := f.command(i)
	if err != nil {
		return err
	}
	defer log.Close()
	unhook := func() bool { return true }
	err = proc.StartHeld(cmd, func() bool { return f.bound(i) }, func(ended <-chan struct{}) {
		f.own(cmd, ended)
		unhook = context.AfterFunc(ctx, func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	})
	unhook()
	if err != nil {
		return fmt.Errorf("bench: node %d is not held: %w", i, err)
	}
	return nil
}

// start starts all servers at once and holds none.
func (f *fleet) start() error {
	for i := range f.plan.Nodes {
		cmd, log, err := f.command(i)
		if err != nil {
			return err
		}
		err = proc.Start(cmd)
		log.Close()
		if err != nil {
			return fmt.Errorf("bench: start node %d: %w", i, err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); proc.AwaitEnd(cmd.Process.Pid) }()
		f.own(cmd, ended)
	}
	return nil
}

func (f *fleet) own(cmd *exec.Cmd, ended <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cmds, f.ended = append(f.cmds, cmd), append(f.ended, ended)
}

// awaitBound waits until all servers listen.
func (f *fleet) awaitBound(ctx context.Context) error {
	for i := range f.plan.Nodes {
		for !f.bound(i) {
			if ctx.Err() != nil {
				return fmt.Errorf("bench: node %d is not bound: %w", i, context.Cause(ctx))
			}
			pause(ctx, time.Millisecond)
		}
	}
	return nil
}

// stop kills all servers and waits for their end.
func (f *fleet) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cmd := range f.cmds {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
	}
	for i, cmd := range f.cmds {
		<-f.ended[i]
		cmd.Wait() //nolint:errcheck // it was killed
	}
	f.cmds, f.ended = nil, nil
}

// bound says that both ports of a node are listened on. It binds them for a moment, without
// listening, as an executor does: a question by connecting would count as a refused connection.
func (f *fleet) bound(i int) bool {
	n := f.plan.Nodes[i]
	return taken(n.Host, n.Port) && taken(n.Host, n.BusPort)
}

func taken(host string, port int) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is4() {
		return false
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return false
	}
	return errors.Is(unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}), unix.EADDRINUSE)
}
