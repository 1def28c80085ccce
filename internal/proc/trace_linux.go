//go:build linux && (amd64 || arm64)

package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// traceable says that children can be traced on this processor, if the kernel lets us.
const traceable = true

// traceUntil runs a child, which was started with SysProcAttr.Ptrace by the same thread. When it
// makes a thread and ready says yes, it leaves the child stopped and untraced. On an error other
// than ErrEnded it leaves it running and untraced.
func traceUntil(pid int, ready func() bool) error {
	signal, err := awaitStop(pid) // at the end of its execve(2)
	if err != nil {
		return err
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return release(pid, fmt.Errorf("PTRACE_SETOPTIONS: %w", ended(err)))
	}
	for {
		deliver := 0
		switch signal {
		case int(unix.SIGTRAP) | unix.PTRACE_EVENT_CLONE<<8:
			if err := releaseThread(pid); errors.Is(err, ErrEnded) {
				reapThreads(pid)
				return err
			} else if err != nil {
				return release(pid, err)
			}
			if ready() {
				return leaveStopped(pid)
			}
		case int(unix.SIGTRAP): // an execve(2)
		case int(unix.SIGSTOP):
			if ready() {
				return leaveStopped(pid)
			}
		default:
			deliver = signal
		}
		if err := unix.PtraceCont(pid, deliver); err != nil && err != unix.ESRCH {
			return release(pid, fmt.Errorf("PTRACE_CONT: %w", err))
		}
		if signal, err = awaitStop(pid); err != nil {
			reapThreads(pid) // it may have been killed while it made one
			return err
		}
	}
}

// releaseThread lets the thread go that a child just made: it is traced from its birth.
func releaseThread(pid int) error {
	tid, err := unix.PtraceGetEventMsg(pid)
	if err != nil {
		return fmt.Errorf("PTRACE_GETEVENTMSG: %w", ended(err))
	}
	if _, err := awaitStop(int(tid)); err != nil {
		return err
	}
	if err := unix.PtraceDetach(int(tid)); err != nil {
		return fmt.Errorf("PTRACE_DETACH: %w", ended(err))
	}
	return nil
}

// ended makes the kernel's word for a tracee that was killed ours.
func ended(err error) error {
	if err == unix.ESRCH {
		return ErrEnded
	}
	return err
}

// reapThreads waits for the threads of a child that was killed while they were traced. Nobody
// else can, and the child itself does not count as ended before they are gone.
func reapThreads(pid int) {
	for {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return // the child is gone altogether
		}
		reaped := false
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil || tid == pid {
				continue
			}
			for err = unix.EINTR; err == unix.EINTR; {
				err = unix.Waitid(unix.P_PID, tid, nil, unix.WEXITED|unix.WALL, nil)
			}
			reaped = reaped || err == nil
		}
		if !reaped {
			return // what is left, if anything, is not traced and goes by itself
		}
	}
}

// leaveStopped ends the tracing. The signal is pending before the child goes on, so it stops
// before its next instruction.
func leaveStopped(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return release(pid, fmt.Errorf("SIGSTOP: %w", err))
	}
	return release(pid, nil)
}

func release(pid int, cause error) error {
	if err := unix.PtraceDetach(pid); err != nil && err != unix.ESRCH {
		return fmt.Errorf("PTRACE_DETACH: %w", errors.Join(err, cause))
	}
	return cause
}

// awaitStop waits until a traced child stops, and says by which signal. It does not ask for
// children that have ended, so that their status stays for Cmd.Wait.
func awaitStop(pid int) (signal int, err error) {
	var info stopInfo
	for {
		err := unix.Waitid(unix.P_PID, pid, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WSTOPPED|unix.WALL, nil)
		switch err {
		case nil:
			return int(info.status), nil
		case unix.EINTR:
		case unix.ECHILD:
			return 0, ErrEnded
		default:
			return 0, fmt.Errorf("waitid: %w", err)
		}
	}
}

// stopInfo is siginfo_t of a child on 64-bit Linux.
type stopInfo struct {
	_      [4]int32 // signo, errno, code, padding
	_      [2]int32 // pid, uid
	status int32
	_      [100]byte
}
