package executor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// errExited means that a server ended before its ports were bound.
var errExited = errors.New("ended before it was bound")

// server is one run of a node's redis-server, from bound ports to the end of its process. The
// process leads a group of its own, which all signals go to: its children, which save its data,
// end with it.
type server struct {
	addr  netip.AddrPort   // where it answers
	ports []netip.AddrPort // data port and bus port
	log   string           // path of its log
	// began is when its event loop may have begun; zero while it is held before that. It belongs
	// to who starts the server, then to the owner.
	began time.Time
	// watched: there is, or was, a process.
	watched bool
	// ended is closed when the process is gone; then status says how it ended.
	ended  chan struct{}
	status string

	mu  sync.Mutex
	pid int // 0 once the number may be another's
}

// startServer starts the node with an index and returns when its ports are bound; if hold is
// set, it is then stopped until resume. On an error no process is left.
func (c *cluster) startServer(ctx context.Context, program string, index int, hold bool) (*server, error) {
	dir, node := c.dir(index), c.bundle.Plan.Nodes[index]
	ip, err := netip.ParseAddr(node.Host)
	if err != nil {
		return nil, err
	}
	if err := c.stage(index, dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the server has its own reference
	if err := c.dropStaleDump(dir); err != nil {
		return nil, err
	}
	s := &server{
		addr:  netip.AddrPortFrom(ip, uint16(node.Port)),
		log:   filepath.Join(dir, logName),
		ended: make(chan struct{}),
	}
	s.ports = []netip.AddrPort{s.addr, netip.AddrPortFrom(ip, uint16(node.BusPort))}
	for _, p := range s.ports {
		if err := awaitFree(ctx, p); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := func() *exec.Cmd {
		cmd := exec.Command(program, filepath.Join(dir, redisConf))
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = dir, log, log, serverEnv(dir)
		cmd.ExtraFiles = []*os.File{lock}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	}
	return s, s.start(ctx, command, hold)
}

// start starts the process and waits until its ports are bound. On an error no process is left.
func (s *server) start(ctx context.Context, command func() *exec.Cmd, hold bool) error {
	if hold {
		if held, err := s.startHeld(ctx, command()); held || err != nil {
			return err
		}
	}
	if !s.watched {
		cmd := command()
		if err := proc.Start(cmd); err != nil {
			return fmt.Errorf("start %s: %w", cmd.Path, err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			proc.AwaitEnd(cmd.Process.Pid)
		}()
		s.watch(cmd, ended)
	}
	if err := s.awaitBound(ctx); err != nil {
		return err
	}
	if hold {
		s.signal(syscall.SIGSTOP) // second best: its event loop has most likely begun
	}
	return nil
}

// startHeld starts the process such that it is bound and its event loop has not begun. false
// without an error means that this cannot be had here; the process may run nevertheless.
func (s *server) startHeld(ctx context.Context, cmd *exec.Cmd) (held bool, err error) {
	unhook := func() bool { return true }
	err = proc.StartHeld(cmd, s.isBound, func(ended <-chan struct{}) {
		s.watch(cmd, ended)
		unhook = context.AfterFunc(ctx, s.kill)
	})
	inTime := unhook()
	switch {
	case !inTime || errors.Is(err, proc.ErrEnded):
		return false, s.endedEarly(ctx)
	case err != nil:
		return false, nil
	}
	s.began = time.Time{}
	return true, nil
}

// watch sees the process to its end.
func (s *server) watch(cmd *exec.Cmd, ended <-chan struct{}) {
	s.watched, s.pid, s.began = true, cmd.Process.Pid, time.Now()
	go func() {
		defer close(s.ended)
		<-ended
		s.kill() // what is left of its group
		s.mu.Lock()
		s.pid = 0
		s.mu.Unlock()
		if err := cmd.Wait(); cmd.ProcessState == nil {
			s.status = err.Error()
		} else {
			s.status = cmd.ProcessState.String()
		}
	}()
}

// isBound reports whether all ports, which were free before, are listened on.
func (s *server) isBound() bool {
	return !slices.ContainsFunc(s.ports, func(p netip.AddrPort) bool { return !errors.Is(tryBind(p), unix.EADDRINUSE) })
}

// awaitBound waits until all ports are bound, by looking again and again.
func (s *server) awaitBound(ctx context.Context) error {
	const first, most = 500 * time.Microsecond, 20 * time.Millisecond
	for wait := first; !s.isBound(); wait = min(wait*5/4, most) {
		select {
		case <-s.ended:
			return s.endedEarly(ctx)
		case <-ctx.Done():
			s.kill()
			return s.endedEarly(ctx)
		case <-time.After(wait):
		}
	}
	return nil
}

// endedEarly waits for the end of a process that is not to be bound any more, and says why.
func (s *server) endedEarly(ctx context.Context) error {
	<-s.ended
	if ctx.Err() != nil {
		return fmt.Errorf("the server was not bound: %w", context.Cause(ctx))
	}
	return fmt.Errorf("the server %w (%s): %s", errExited, s.status, lastLine(s.log))
}

// signal sends a signal to all the server's processes, if any are left.
func (s *server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pid != 0 {
		syscall.Kill(-s.pid, sig) // they may just have ended
	}
}

// resume lets a held server go on.
func (s *server) resume() {
	if s.began.IsZero() {
		s.began = time.Now()
	}
	s.signal(syscall.SIGCONT)
}

// terminate asks the server to end; a stopped one gets to know when it continues.
func (s *server) terminate() {
	s.signal(syscall.SIGTERM)
	s.signal(syscall.SIGCONT)
}

func (s *server) kill() { s.signal(syscall.SIGKILL) }
