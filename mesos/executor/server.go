package executor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// errExited means that a server ended before its ports were bound.
var errExited = errors.New("ended before it was bound")

// server is one run of a node's redis-server, from bound ports to the end of its process.
type server struct {
	addr    netip.AddrPort // where it answers
	log     string         // path of its log
	process *os.Process
	// ended is closed when the process is gone; then status says how it ended.
	ended  chan struct{}
	status string
}

// startServer starts the node with an index and returns when its ports are bound; the server is
// then stopped (SIGSTOP) if hold is set. On an error no process is left.
func (c *cluster) startServer(ctx context.Context, index int, hold bool) (*server, error) {
	program, err := c.program()
	if err != nil {
		return nil, err
	}
	dir, node := c.dir(index), c.bundle.Plan.Nodes[index]
	ip, err := netip.ParseAddr(node.Host)
	if err != nil {
		return nil, err
	}
	ports := []netip.AddrPort{netip.AddrPortFrom(ip, uint16(node.Port)), netip.AddrPortFrom(ip, uint16(node.BusPort))}
	if err := c.stage(index, dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the server has its own reference
	for _, p := range ports {
		if err := portFree(p); err != nil {
			return nil, err
		}
	}
	s := &server{addr: ports[0], log: filepath.Join(dir, logName), ended: make(chan struct{})}
	if err := s.start(program, dir, lock); err != nil {
		return nil, err
	}
	if err := s.awaitBound(ctx, ports); err != nil {
		s.kill()
		<-s.ended
		return nil, err
	}
	if hold {
		s.signal(syscall.SIGSTOP)
	}
	return s, nil
}

// start starts the process in a group of its own, so that the children that a server forks to
// save can be ended with it.
func (s *server) start(program, dir string, lock *os.File) error {
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(program, filepath.Join(dir, redisConf))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir} // not the agent's secrets
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := proc.Start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	s.process = cmd.Process
	pid := cmd.Process.Pid
	go func() {
		defer close(s.ended)
		// While the ended process is not waited for, its group's number cannot be another's.
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		syscall.Kill(-pid, syscall.SIGKILL)
		if err := cmd.Wait(); cmd.ProcessState == nil {
			s.status = err.Error()
		} else {
			s.status = cmd.ProcessState.String()
		}
	}()
	return nil
}

// awaitBound waits until the process listens on all ports.
func (s *server) awaitBound(ctx context.Context, ports []netip.AddrPort) error {
	const first, most = 500 * time.Microsecond, 20 * time.Millisecond
	for wait := first; ; wait = min(wait*5/4, most) {
		select {
		case <-s.ended:
			return fmt.Errorf("the server %w (%s): %s", errExited, s.status, lastLine(s.log))
		case <-ctx.Done():
			return fmt.Errorf("the server is not bound: %w", context.Cause(ctx))
		case <-time.After(wait):
		}
		inodes, err := listening(strconv.Itoa(s.process.Pid), func(a netip.AddrPort) bool {
			for _, p := range ports {
				if a == p {
					return true
				}
			}
			return false
		})
		if err == nil && len(inodes) == len(ports) {
			return nil
		}
	}
}

// signal sends a signal; to a process that is gone it does nothing.
func (s *server) signal(sig syscall.Signal) { s.process.Signal(sig) }

func (s *server) resume() { s.signal(syscall.SIGCONT) }

// terminate asks the server to end; a stopped one gets to know when it continues.
func (s *server) terminate() {
	s.signal(syscall.SIGTERM)
	s.signal(syscall.SIGCONT)
}

func (s *server) kill() { s.signal(syscall.SIGKILL) }
