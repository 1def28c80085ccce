// Package proc starts child processes that cannot outlive their parent, and can hold one at the
// moment when it is ready.
//
// Duty: a child dies when this process dies, however it dies, SIGKILL included.
//
// Laws:
//   - Linux ties a parent-death signal to the thread that forked, not to the process, and the Go
//     runtime ends threads as it likes. So every child is forked by a thread that lives as long
//     as the child does.
//   - A child of StartHeld is stopped from within, when it makes its first thread: a
//     redis-server does that once, between listening on its ports and its event loop. Polling
//     cannot promise to be in time: the loop begins within a millisecond or two.
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
	prepare(cmd)
	r := request{cmd: cmd, done: make(chan error, 1)}
	forker() <- r
	return <-r.done
}

func prepare(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
