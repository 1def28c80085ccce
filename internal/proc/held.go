package proc

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	// ErrNoTrace means that this process may not trace its children, or not on this kernel or
	// processor.
	ErrNoTrace = errors.New("proc: children cannot be traced here")
	// ErrEnded means that a child ended before it was ready.
	ErrEnded = errors.New("proc: the child ended before it was ready")
)

// StartHeld starts cmd as Start does and returns when the child is held: stopped (SIGSTOP) as
// it makes the first thread, a clone(2) of its main thread, at which ready says yes. SIGCONT lets
// it go on.
//
// A child that is ready without such a thread is held as well, but some milliseconds late. ready
// is called often and by several goroutines. A child that is never ready is waited for until it
// ends, ErrEnded. After ErrNoTrace the child runs and is not held; after any other error there is no
// child.
//
// When there is one, onStart is called once and before StartHeld waits. The channel that it gets
// is closed when the child has ended and Cmd.Wait will not block.
func StartHeld(cmd *exec.Cmd, ready func() bool, onStart func(ended <-chan struct{})) error {
	prepare(cmd)
	cmd.SysProcAttr.Ptrace = traceable
	started, held, ended := make(chan error, 1), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		// The parent that the death signal watches is a thread, and so is a tracer.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		held <- hold(cmd.Process.Pid, ready)
		AwaitEnd(cmd.Process.Pid)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	onStart(ended)
	return <-held
}

// hold traces a child that was just started until it is held or has ended.
func hold(pid int, ready func() bool) error {
	if !traceable {
		return ErrNoTrace
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		stopWhenReady(pid, ready, stop)
	}()
	err := traceUntil(pid, ready)
	close(stop)
	<-stopped // it must not stop the child later
	if err != nil && !errors.Is(err, ErrEnded) {
		return fmt.Errorf("%w: %w", ErrNoTrace, err)
	}
	return err
}

// stopWhenReady sends SIGSTOP to a child that has become ready out of the tracer's sight.
func stopWhenReady(pid int, ready func() bool, stop <-chan struct{}) {
	for wait := 50 * time.Millisecond; ; wait = 10 * time.Millisecond {
		select {
		case <-stop:
			return
		case <-time.After(wait):
		}
		if ready() {
			syscall.Kill(pid, syscall.SIGSTOP) // in vain if it has ended, which the tracer sees
			return
		}
	}
}

// AwaitEnd waits until a child has ended, and leaves it to Cmd.Wait to ask how. Until then the
// child's number, also as that of a process group, cannot become another's.
func AwaitEnd(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
