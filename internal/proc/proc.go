// Package proc starts child processes that cannot outlive their parent.
//
// Duty: a child dies when this process dies, however it dies, SIGKILL included.
//
// Law: Linux ties a parent-death signal to the thread that forked, not to the process, and the
// Go runtime ends threads as it likes. So every child is forked by one thread that lives as
// long as the process does.
package proc

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

type request struct {
	cmd  *exec.Cmd
	done chan error
}

var forker = sync.OnceValue(func() chan<- request {
	requests := make(chan request)
	go fork(requests)
	return requests
})

// fork serves requests for as long as the process lives. (A test that looks for leaked
// goroutines has to leave it out by its name.)
func fork(requests <-chan request) {
	runtime.LockOSThread() // never unlocked: the thread's end would kill the children
	for r := range requests {
		r.done <- r.cmd.Start()
	}
}

// Start starts cmd as exec.Cmd.Start does, with SIGKILL as its parent-death signal.
func Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	r := request{cmd: cmd, done: make(chan error, 1)}
	forker() <- r
	return <-r.done
}
