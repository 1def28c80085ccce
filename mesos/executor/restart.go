package executor

import (
	"strconv"
	"time"
)

// Bounds of restarting in place.
const (
	maxRestarts   = 5
	restartWindow = 10 * time.Minute
	// writableDelay is how long a master refuses writes after its event loop began (Redis:
	// CLUSTER_WRITABLE_DELAY). One that ends earlier holds no data.
	writableDelay = 2 * time.Second
	// defaultNodeTimeout is the servers' own cluster-node-timeout.
	defaultNodeTimeout = 15 * time.Second
)

// restarts remembers when a node was started again. The zero value is ready.
type restarts struct{ at []time.Time }

// next says how long to wait before the next start, and whether there have been as many as maxRestarts
// in restartWindow. The first restart is at once, the second after about base, each later one after
// twice as long, up to most, and after too many each after about most. jitter is in [0, 1).
func (r *restarts) next(now time.Time, base, most time.Duration, jitter float64) (wait time.Duration, tooMany bool) {
	tooMany = r.many(now)
	n := len(r.at)
	if r.at = append(r.at, now); tooMany {
		r.at = r.at[1:]
	}
	switch {
	case n == 0:
		return 0, false
	case tooMany:
		wait = most
	default:
		wait = min(base<<(n-1), most)
	}
	return wait/2 + time.Duration(jitter*float64(wait)), tooMany
}

// many says that there have been maxRestarts in restartWindow.
func (r *restarts) many(now time.Time) bool {
	for len(r.at) > 0 && now.Sub(r.at[0]) >= restartWindow {
		r.at = r.at[1:]
	}
	return len(r.at) == maxRestarts
}

// nodeTimeout is the cluster-node-timeout that a user's configuration asks for.
func nodeTimeout(config map[string]string) time.Duration {
	ms, err := strconv.Atoi(config["cluster-node-timeout"])
	if err != nil || ms <= 0 {
		return defaultNodeTimeout
	}
	return time.Duration(ms) * time.Millisecond
}
