package executor

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/clustersmith/clustersmith/nodesconf"
)

const (
	// electionTime is what an election takes besides the node timeouts: for the news to spread
	// and for a replica's own delay, half a second to one.
	electionTime = 2 * time.Second
	// electionPatience, in node timeouts, bounds the wait for an election that is late. One
	// that failed is repeated after four; where many masters are gone, several fail.
	electionPatience = 10
	// askedPeers is how many peers are asked at a time.
	askedPeers = 3
)

// failoverWait is how long a crashed node has to stay down at least, so that a replica takes its
// place first; see the package's laws. conf is its nodes.conf when it crashed, served how long its
// event loop may have run.
func failoverWait(persistence string, conf []byte, served, nodeTimeout time.Duration) time.Duration {
	if persistence == nodesconf.PersistenceAOF || served < writableDelay || !parseView(conf).hasReplicas() {
		return 0
	}
	return 2*nodeTimeout + electionTime
}

// awaitTakeover waits until a peer says that another node serves the slots of a crashed one. If
// none is elected within the patience, none will be, and the node may as well come back.
func awaitTakeover(ctx context.Context, conf []byte, nodeTimeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, electionPatience*nodeTimeout)
	defer cancel()
	v := parseView(conf)
	for !v.takenOver(ctx) && sleep(ctx, nodeTimeout/4+rand.N(nodeTimeout/4+1)) {
	}
}

// view is what a node's nodes.conf says, as far as a restart needs to know.
type view struct {
	readable bool
	myself   string
	master   bool     // myself is one
	replicas int      // of myself, without those that have failed
	masters  []string // addresses of the other masters
}

func parseView(text []byte) view {
	var v view
	replicas := map[string]int{} // by their master's node ID
	for len(text) > 0 {
		var line []byte
		line, text = nodesconf.NextLine(text)
		if len(bytes.TrimSpace(line)) == 0 || nodesconf.IsVars(line) {
			continue
		}
		var l nodesconf.Line
		if err := nodesconf.ParseLine(line, &l); err != nil {
			return view{}
		}
		if l.Master != nil && l.Flags&nodesconf.FlagFail == 0 {
			replicas[string(l.Master)]++
		}
		switch isMaster := l.Flags&nodesconf.FlagMaster != 0; {
		case l.Flags&nodesconf.FlagMyself != 0:
			v.myself, v.master = string(l.ID), isMaster
		case isMaster:
			v.masters = append(v.masters, fmt.Sprintf("%s:%d", bracketed(l.IP), l.Port))
		}
	}
	v.readable, v.replicas = v.myself != "", replicas[v.myself]
	return v
}

func bracketed(ip []byte) string {
	if bytes.IndexByte(ip, ':') >= 0 {
		return "[" + string(ip) + "]"
	}
	return string(ip)
}

// hasReplicas reports whether the node was a master with replicas. A view that cannot be read
// counts as one that was: waiting costs time, a mistake costs data.
func (v view) hasReplicas() bool { return !v.readable || v.master && v.replicas > 0 }

// takenOver asks some of the other masters whether the node has lost its slots.
func (v view) takenOver(ctx context.Context) bool {
	for i, at := range rand.Perm(len(v.masters)) {
		if i == askedPeers {
			break
		}
		nodes, err := ask(ctx, v.masters[at], "CLUSTER NODES")
		if err == nil && hasLostSlots([]byte(nodes), v.myself) {
			return true
		}
	}
	return false
}

// hasLostSlots reports whether a peer's CLUSTER NODES gives a node no slots.
func hasLostSlots(nodes []byte, id string) bool {
	for len(nodes) > 0 {
		var line []byte
		line, nodes = nodesconf.NextLine(nodes)
		var l nodesconf.Line
		if err := nodesconf.ParseLine(line, &l); err == nil && string(l.ID) == id {
			return len(bytes.TrimSpace(l.Slots)) == 0
		}
	}
	return false
}
