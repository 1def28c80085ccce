package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// process is a container: a process and its process group, which die together.
type process struct {
	cmd  *exec.Cmd
	pid  int
	gone atomic.Bool // waited for: the pid may be another's
}

// startProcess starts cmd as the leader of a group of its own. It dies with this process.
func startProcess(cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := proc.Start(cmd); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, pid: cmd.Process.Pid}, nil
}

// wait returns the wait status once the process has ended and its group is gone.
func (p *process) wait() int32 {
	err := p.cmd.Wait()
	// Whatever the process left behind in its group ends with the container.
	p.gone.Store(true)
	killGroup(p.pid)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1
	}
	return int32(p.cmd.ProcessState.Sys().(syscall.WaitStatus))
}

// killGroup kills what is left of a group and waits, for a bounded time, until it is gone.
// Who is dead but not yet reaped counts as gone: its parent is init, which reaps as it likes.
func killGroup(pgid int) {
	for range 500 {
		if err := syscall.Kill(-pgid, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) || !groupAlive(pgid) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// groupAlive looks in /proc for a process of the group that is no zombie.
func groupAlive(pgid int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return true
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // ended meanwhile
		}
		// pid (comm) state ppid pgrp …; comm may hold anything.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) > 2 && fields[0] != "Z" && fields[0] != "X" && fields[2] == strconv.Itoa(pgid) {
			return true
		}
	}
	return false
}

// terminate asks the group to end, kill ends it.
func (p *process) terminate() { p.signal(syscall.SIGTERM) }
func (p *process) kill()      { p.signal(syscall.SIGKILL) }

func (p *process) signal(s syscall.Signal) {
	if !p.gone.Load() {
		// The group may be gone already, which is what was wanted.
		_ = syscall.Kill(-p.pid, s)
	}
}

// signalName is a signal as strsignal(3) names it.
func signalName(s syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGHUP: "Hangup", syscall.SIGINT: "Interrupt", syscall.SIGQUIT: "Quit", syscall.SIGILL: "Illegal instruction",
		syscall.SIGTRAP: "Trace/breakpoint trap", syscall.SIGABRT: "Aborted", syscall.SIGBUS: "Bus error",
		syscall.SIGFPE: "Floating point exception", syscall.SIGKILL: "Killed", syscall.SIGUSR1: "User defined signal 1",
		syscall.SIGSEGV: "Segmentation fault", syscall.SIGUSR2: "User defined signal 2", syscall.SIGPIPE: "Broken pipe",
		syscall.SIGALRM: "Alarm clock", syscall.SIGTERM: "Terminated",
	}
	if name, ok := names[s]; ok {
		return name
	}
	return fmt.Sprintf("Unknown signal %d", int(s))
}

// openOutput opens a sandbox file that a process writes to.
func openOutput(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}
