package executor

import (
	"bytes"
	"strconv"
	"time"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// Bounds of restarting in place.
const (
	maxRestarts    = 5
	restartWindow  = 10 * time.Minute
	restartWaitMax = 30 * time.Second
	// electionTime is what an election takes besides the node timeouts: for the news to spread
	// and for a replica's own delay, half a second to one.
	electionTime = 2 * time.Second
	// writableDelay is how long a master refuses writes after its event loop began (Redis:
	// CLUSTER_WRITABLE_DELAY). One that ends earlier holds no data.
	writableDelay = 2 * time.Second
	// defaultNodeTimeout is the servers' own cluster-node-timeout.
	defaultNodeTimeout = 15 * time.Second
)

// restarts remembers when a node was started again. The zero value is ready.
type restarts struct{ at []time.Time }

// next decides about a crash: how long to wait before the next start, and whether there is one.
// The first restart is at once, the second after about base, each later one after twice as long.
// jitter is in [0, 1).
func (r *restarts) next(now time.Time, base time.Duration, jitter float64) (wait time.Duration, ok bool) {
	for len(r.at) > 0 && now.Sub(r.at[0]) >= restartWindow {
		r.at = r.at[1:]
	}
	n := len(r.at)
	if n == maxRestarts {
		return 0, false
	}
	r.at = append(r.at, now)
	if n == 0 {
		return 0, true
	}
	wait = min(base<<(n-1), restartWaitMax)
	return wait/2 + time.Duration(jitter*float64(wait)), true
}

// failoverWait is how long a crashed node has to stay down so that a replica takes its place
// first; see the package's laws. nodesConf is the node's own view when it crashed, served how
// long its event loop may have run.
func failoverWait(persistence string, view []byte, served, nodeTimeout time.Duration) time.Duration {
	if persistence == nodesconf.PersistenceAOF || served < writableDelay || !hasReplicas(view) {
		return 0
	}
	return 2*nodeTimeout + electionTime
}

// hasReplicas reports whether a nodes.conf says that its node is a master and has replicas. A
// view that cannot be read counts as one that does: waiting costs time, a mistake costs data.
func hasReplicas(view []byte) bool {
	var myself []byte
	masters := map[string]bool{}
	for len(view) > 0 {
		var text []byte
		text, view = nodesconf.NextLine(view)
		if len(bytes.TrimSpace(text)) == 0 || nodesconf.IsVars(text) {
			continue
		}
		var l nodesconf.Line
		if err := nodesconf.ParseLine(text, &l); err != nil {
			return true
		}
		if l.Flags&nodesconf.FlagMyself != 0 {
			if l.Flags&nodesconf.FlagMaster == 0 {
				return false
			}
			myself = l.ID
		}
		if l.Master != nil {
			masters[string(l.Master)] = true
		}
	}
	return myself == nil || masters[string(myself)]
}

// nodeTimeout is the cluster-node-timeout that a user's configuration asks for.
func nodeTimeout(config map[string]string) time.Duration {
	ms, err := strconv.Atoi(config["cluster-node-timeout"])
	if err != nil || ms <= 0 {
		return defaultNodeTimeout
	}
	return time.Duration(ms) * time.Millisecond
}
