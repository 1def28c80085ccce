package verifier

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// askQuick asks node i what a single cheap command tells.
func (v *Verifier) askQuick(ctx context.Context, i int, _ *nodesconf.Comparer) result {
	r := result{asked: true}
	if replies := v.question(ctx, &r, i, command{"CLUSTER", "INFO"}); replies != nil {
		v.judgeInfo(&r, i, replies[0].bytes())
	}
	return r
}

// askFull asks node i everything, in one round trip, and judges it.
func (v *Verifier) askFull(ctx context.Context, i int, c *nodesconf.Comparer) result {
	r := result{asked: true}
	replies := v.question(ctx, &r, i,
		command{"PING"}, command{"INFO", "server"}, command{"CLUSTER", "INFO"},
		command{"CLUSTER", "NODES"}, command{"INFO", "replication"})
	if replies == nil {
		return r
	}
	r.pass(setOf(CheckVersion))
	if err := v.dialect.CheckServer(serverOf(replies[1].bytes())); err != nil {
		v.foundText(&r, i, CheckVersion, v.dialect.String(), err.Error())
	}
	if v.judgeView(&r, i, replies[3].bytes(), replies[4].bytes(), c) {
		v.judgeInfo(&r, i, replies[2].bytes())
	}
	return r
}

// question is an exchange in which every command must be answered without an error; nil
// says that one was not, which r then tells.
func (v *Verifier) question(ctx context.Context, r *result, i int, commands ...command) []reply {
	r.pass(setOf(CheckAnswers))
	replies, err := v.exchange(ctx, i, commands...)
	r.answered = err == nil
	for n := range replies {
		if replies[n].err != nil && err == nil {
			err = fmt.Errorf("%v: %w", commands[n], replies[n].err)
		}
	}
	if err != nil {
		v.foundText(r, i, CheckAnswers, "an answer", err.Error())
		return nil
	}
	return replies
}

// judgeInfo judges an answer to CLUSTER INFO.
func (v *Verifier) judgeInfo(r *result, i int, info []byte) {
	r.pass(setOf(CheckState, CheckCounts))
	if state := string(field(info, "cluster_state")); state != "ok" {
		v.foundText(r, i, CheckState, "cluster_state:ok", "cluster_state:"+state)
	}
	for _, want := range []struct {
		name string
		n    int
	}{
		{"cluster_known_nodes", len(v.plan.Nodes)},
		{"cluster_size", v.plan.Masters},
		{"cluster_slots_assigned", chunkdist.Slots},
		{"cluster_slots_ok", chunkdist.Slots},
	} {
		if got := string(field(info, want.name)); got != strconv.Itoa(want.n) {
			v.foundText(r, i, CheckCounts, fmt.Sprintf("%s:%d", want.name, want.n), want.name+":"+got)
		}
	}
}

// judgeView compares the node's CLUSTER NODES with the plan, then INFO replication where the
// roles in the node's own shard are as planned. It returns false for a stranger: what that
// says about its cluster is of no interest.
func (v *Verifier) judgeView(r *result, i int, view, replication []byte, c *nodesconf.Comparer) bool {
	shardAsPlanned := true
	c.Compare(view, i, func(d nodesconf.Difference) bool {
		switch d.Kind {
		case nodesconf.Epoch:
			if v.aged && v.epochs.accept(d.Node, v.plan.Nodes[d.Node], d.Line.Epoch) {
				return true
			}
		case nodesconf.Role:
			now := v.layout.Find(d.Line.Master)
			if v.shard(d.Node) == v.shard(i) || now >= 0 && v.shard(now) == v.shard(i) {
				shardAsPlanned = false
				r.drift.note(v, i, d, replication)
			}
		}
		v.found(r, i, checkOf(d.Kind), d.Expected, d.Got)
		return true
	})
	if r.failed&setOf(CheckIdentity) != 0 {
		return false
	}
	r.pass(viewChecks)
	if shardAsPlanned {
		v.judgeReplication(r, i, replication)
	}
	return true
}

// judgeReplication compares INFO replication with the plan.
func (v *Verifier) judgeReplication(r *result, i int, info []byte) {
	r.pass(setOf(CheckReplication))
	n := &v.plan.Nodes[i]
	if n.Role == chunkdist.Replica {
		m := &v.plan.Nodes[*n.Master]
		want := fmt.Sprintf("link to %s:%d up", m.Host, m.Port)
		got := fmt.Sprintf("link to %s:%s %s", field(info, "master_host"), field(info, "master_port"), field(info, "master_link_status"))
		if want != got {
			v.foundText(r, i, CheckReplication, want, got)
		}
		return
	}
	replicas := v.replicas[i]
	if got := string(field(info, "connected_slaves")); got != strconv.Itoa(len(replicas)) {
		v.foundText(r, i, CheckReplication, fmt.Sprintf("%d replicas", len(replicas)), got+" replicas")
		return
	}
	for _, k := range replicas {
		if p := &v.plan.Nodes[k]; !online(info, len(replicas), p) {
			v.foundText(r, i, CheckReplication, fmt.Sprintf("node %d at %s:%d online", k, p.Host, p.Port), "not among the replicas that are")
		}
	}
}

// online finds a replica among those that a master lists:
//
//	slave0:ip=10.0.0.2,port=31002,state=online,offset=14,lag=0
func online(info []byte, replicas int, p *chunkdist.Node) bool {
	want := fmt.Appendf(nil, "ip=%s,port=%d,state=online,", p.Host, p.Port)
	for k := range replicas {
		if bytes.HasPrefix(field(info, "slave"+strconv.Itoa(k)), want) {
			return true
		}
	}
	return false
}

// shard is the index of a node's planned master, or the node's own.
func (v *Verifier) shard(i int) int {
	if m := v.plan.Nodes[i].Master; m != nil {
		return *m
	}
	return i
}

// serverOf reads flavor and version from INFO server. Valkey calls itself Redis 7.2.4 in
// redis_version and gives its own elsewhere.
func serverOf(info []byte) (flavor, version string) {
	if name := string(field(info, "server_name")); name == nodesconf.Valkey {
		return nodesconf.Valkey, string(field(info, "valkey_version"))
	}
	return nodesconf.Redis, string(field(info, "redis_version"))
}

// field finds the value of a name:value line; nil where there is none.
func field(info []byte, name string) []byte {
	for len(info) > 0 {
		var line []byte
		line, info = nodesconf.NextLine(info)
		if len(line) > len(name) && line[len(name)] == ':' && string(line[:len(name)]) == name {
			return bytes.TrimSpace(line[len(name)+1:])
		}
	}
	return nil
}
