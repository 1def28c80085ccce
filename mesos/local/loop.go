package local

import (
	"context"
	"sync"
	"time"
)

// loop runs functions one after the other in one goroutine: the only one that touches its
// owner's state. It stands in for an actor with an unbounded mailbox.
type loop struct {
	mu     sync.Mutex
	queue  []func()
	paused bool
	ended  bool
	wake   chan struct{}
	done   chan struct{}
}

func newLoop() *loop {
	l := &loop{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *loop) run() {
	defer close(l.done)
	for range l.wake {
		for {
			fn, ended := l.next()
			if ended {
				return
			}
			if fn == nil {
				break
			}
			fn()
		}
	}
}

func (l *loop) next() (fn func(), ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, true
	}
	if l.paused || len(l.queue) == 0 {
		return nil, false
	}
	fn = l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	return fn, false
}

// post queues fn. It never blocks; after stop it does nothing.
func (l *loop) post(fn func()) {
	l.mu.Lock()
	if !l.ended {
		l.queue = append(l.queue, fn)
	}
	l.mu.Unlock()
	l.signal()
}

// do runs fn in the loop and waits for it. It reports false when ctx or the loop ended
// first; fn may then still run. It must not be called from the loop itself.
func (l *loop) do(ctx context.Context, fn func()) bool {
	done := make(chan struct{})
	l.post(func() { fn(); close(done) })
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	case <-l.done:
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

// after posts fn once d has passed. Stopping the timer is enough only inside the loop, and
// only if the timer has not fired: fn must look whether it is still wanted.
func (l *loop) after(d time.Duration, fn func()) *time.Timer {
	return time.AfterFunc(d, func() { l.post(fn) })
}

// pause keeps what is posted until resume, as a stopped process would.
func (l *loop) pause(on bool) {
	l.mu.Lock()
	l.paused = on
	l.mu.Unlock()
	l.signal()
}

// stop ends the loop, drops what is queued and waits for the function that is running.
func (l *loop) stop() {
	l.mu.Lock()
	l.ended = true
	l.queue = nil
	l.mu.Unlock()
	l.signal()
	<-l.done
}

func (l *loop) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
