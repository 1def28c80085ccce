package mesos

import (
	"io"
	"sync/atomic"
	"time"
)

// watchdog calls dead when a read waits for longer than its limit. It runs only while
// somebody waits in Read: time spent on handling what was read does not count, since meanwhile
// the bytes pile up unseen.
type watchdog struct {
	in    io.Reader
	limit atomic.Int64 // time.Duration
	dead  func()
}

func newWatchdog(in io.Reader, limit time.Duration, dead func()) *watchdog {
	w := &watchdog{in: in, dead: dead}
	w.limit.Store(int64(limit))
	return w
}

func (w *watchdog) Read(p []byte) (int, error) {
	t := time.AfterFunc(time.Duration(w.limit.Load()), w.dead)
	defer t.Stop()
	return w.in.Read(p)
}
