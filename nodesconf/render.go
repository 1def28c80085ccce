package nodesconf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Renderer renders the files of one plan, which it has checked once. It may be used by
// several goroutines.
type Renderer struct {
	dialect Dialect
	plan    chunkdist.Plan
	shards  []string // shard-id by master index; nil where the dialect has none
}

// Renderer checks the plan and returns what renders its files. The plan must not change
// afterwards.
func (d Dialect) Renderer(plan chunkdist.Plan) (*Renderer, error) {
	if err := d.check(plan); err != nil {
		return nil, fmt.Errorf("nodes.conf of %s: %w", plan.Cluster, err)
	}
	r := &Renderer{dialect: d, plan: plan}
	if d.hasAux() {
		r.shards = make([]string, len(plan.Nodes))
		for i, n := range plan.Nodes {
			if n.Role == chunkdist.Master {
				r.shards[i] = shardID(plan.UID, i)
			}
		}
	}
	return r, nil
}

// NodesConf renders the nodes.conf of the node with index self.
func (d Dialect) NodesConf(plan chunkdist.Plan, self int) ([]byte, error) {
	r, err := d.Renderer(plan)
	if err != nil {
		return nil, err
	}
	return r.AppendNodesConf(nil, self)
}

// AppendNodesConf appends the nodes.conf of the node with index self to dst, about 130
// bytes per node of the plan.
func (r *Renderer) AppendNodesConf(dst []byte, self int) ([]byte, error) {
	if self < 0 || self >= len(r.plan.Nodes) {
		return dst, fmt.Errorf("nodes.conf of %s: there is no node %d", r.plan.Cluster, self)
	}
	for i := range r.plan.Nodes {
		dst = r.appendLine(dst, &r.plan.Nodes[i], i == self)
	}
	dst = append(dst, "vars currentEpoch "...)
	dst = strconv.AppendInt(dst, int64(r.plan.Masters), 10)
	return append(dst, " lastVoteEpoch 0\n"...), nil
}

// appendLine appends
//
//	<id> <ip>:<port>@<bus>[,,tls-port=0,shard-id=<id>] <flags> <master|-> 0 0 <epoch> connected [<slots>]
//
// Ping and pong times of 0 make the server ping the node on its first tick. The roles are
// written in their old words, which every server reads.
func (r *Renderer) appendLine(dst []byte, n *chunkdist.Node, self bool) []byte {
	dst = append(dst, n.ID...)
	dst = append(dst, ' ')
	dst = append(dst, n.Host...)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, int64(n.Port), 10)
	dst = append(dst, '@')
	dst = strconv.AppendInt(dst, int64(n.BusPort), 10)
	master := n.Index
	if n.Master != nil {
		master = *n.Master
	}
	if r.shards != nil {
		dst = append(dst, ",,tls-port=0,shard-id="...)
		dst = append(dst, r.shards[master]...)
	}
	dst = append(dst, ' ')
	if self {
		dst = append(dst, "myself,"...)
	}
	if n.Role == chunkdist.Master {
		dst = append(dst, "master -"...)
	} else {
		dst = append(dst, "slave "...)
		dst = append(dst, r.plan.Nodes[master].ID...)
	}
	dst = append(dst, " 0 0 "...)
	dst = strconv.AppendUint(dst, n.Epoch, 10)
	dst = append(dst, " connected"...)
	for _, s := range n.Slots {
		dst = append(dst, ' ')
		dst = appendRange(dst, s[0], s[1])
	}
	return append(dst, '\n')
}

// appendRange appends slots as servers print them: 0-5460, or 7 for a single one.
func appendRange(dst []byte, first, last int) []byte {
	dst = strconv.AppendInt(dst, int64(first), 10)
	if last != first {
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(last), 10)
	}
	return dst
}

// shardID derives the ID that a master shares with its replicas, as chunkdist.NodeID derives
// a node's. It is the same for all files, because a server that has to invent one and restarts
// before its invention has spread calls its file corrupt.
func shardID(uid string, master int) string {
	sum := sha256.Sum256([]byte("clustersmith/shard/" + uid + "/" + strconv.Itoa(master)))
	return hex.EncodeToString(sum[:20])
}
