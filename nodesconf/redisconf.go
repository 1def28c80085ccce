package nodesconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Kinds of persistence.
const (
	PersistenceNone = "none" // a cache: nothing is written to disk
	PersistenceAOF  = "aof"  // append-only file, synced every second
	PersistenceRDB  = "rdb"  // snapshots, as often as a stock server makes them
)

// ServerOptions is what redis.conf needs beyond the plan.
type ServerOptions struct {
	// Dir is the absolute path of the node's own directory, which holds nodes.conf and,
	// with persistence, the data.
	Dir string
	// MemoryMB is the memory that the node may use in all, in MiB; maxmemory is derived from it
	// (MaxMemory).
	MemoryMB int
	// Persistence is PersistenceNone (also ""), PersistenceAOF or PersistenceRDB.
	Persistence string
	// Config holds a user's directives by name. They take the place of the defaults here;
	// those that Denied names are refused. A maxmemory of the user's may not exceed
	// MemoryMB less BusMB.
	Config map[string]string
}

// directive is one line of redis.conf: a name and its arguments.
type directive struct {
	name string
	args []string
}

// RedisConf renders the redis.conf of the node with index self. A refused directive of the
// user's is a *ConfigError.
func (d Dialect) RedisConf(plan chunkdist.Plan, self int, o ServerOptions) ([]byte, error) {
	r, err := d.Renderer(plan)
	if err != nil {
		return nil, err
	}
	return r.RedisConf(self, o)
}

// RedisConf renders the redis.conf of the node with index self. A refused directive of the
// user's is a *ConfigError.
func (r *Renderer) RedisConf(self int, o ServerOptions) ([]byte, error) {
	if self < 0 || self >= len(r.plan.Nodes) {
		return nil, fmt.Errorf("redis.conf of %s: there is no node %d", r.plan.Cluster, self)
	}
	if !strings.HasPrefix(o.Dir, "/") || !utf8.ValidString(o.Dir) || strings.ContainsFunc(o.Dir, unicode.IsControl) {
		return nil, fmt.Errorf("redis.conf of %s: directory %q is not an absolute path", r.plan.Cluster, o.Dir)
	}
	if err := CheckConfig(o.Config); err != nil {
		return nil, err
	}
	list := r.identity(r.plan.Nodes[self], o.Dir)
	persistence, err := r.dialect.persistence(o.Persistence)
	if err != nil {
		return nil, err
	}
	list = append(list, persistence...)
	maxMemory, err := o.MaxMemory(len(r.plan.Nodes), r.plan.Replicas)
	if err != nil {
		return nil, fmt.Errorf("redis.conf of %s: %w", r.plan.Cluster, err)
	}
	tuning := r.defaults(maxMemory)
	for _, key := range sortedKeys(o.Config) {
		if key == "maxmemory" {
			continue // already in tuning, in bytes
		}
		tuning = slices.DeleteFunc(tuning, func(t directive) bool { return t.name == key })
		tuning = append(tuning, r.dialect.userDirective(key, o.Config[key])...)
	}
	return appendDirectives(nil, append(list, tuning...)), nil
}

// identity is what makes the server the planned node. It binds the planned address alone, so
// that several hosts' nodes may share a port on one machine, and announces it, because
// otherwise peers store the source address of its connections.
func (r *Renderer) identity(n chunkdist.Node, dir string) []directive {
	port, bus := strconv.Itoa(n.Port), strconv.Itoa(n.BusPort)
	list := []directive{
		{"port", []string{port}},
		{"bind", []string{n.Host}},
		{"protected-mode", []string{"no"}},
		{"daemonize", []string{"no"}},
		{"dir", []string{dir}},
		{"logfile", []string{""}},
		{"cluster-enabled", []string{"yes"}},
		{"cluster-config-file", []string{"nodes.conf"}},
		{"cluster-announce-ip", []string{n.Host}},
		{"cluster-announce-port", []string{port}},
		{"cluster-announce-bus-port", []string{bus}},
		{"replica-announce-ip", []string{n.Host}},
		{"replica-announce-port", []string{port}},
	}
	if r.dialect.hasClusterPort() {
		list = append(list, directive{"cluster-port", []string{bus}})
	}
	if r.dialect.hasMigrationSwitch() {
		return append(list, directive{"cluster-allow-replica-migration", []string{"no"}})
	}
	// More replicas than any master has left: none ever migrates.
	return append(list, directive{"cluster-migration-barrier", []string{"1000000"}})
}

// persistence is what makes a server keep its data, or keep nothing.
func (d Dialect) persistence(kind string) ([]directive, error) {
	switch kind {
	case "", PersistenceNone:
		list := []directive{{"save", []string{""}}, {"appendonly", []string{"no"}}}
		if d.removesSyncFiles() { // a replica that synchronises writes one, else for good
			list = append(list, directive{"rdb-del-sync-files", []string{"yes"}})
		}
		return list, nil
	case PersistenceAOF:
		return []directive{{"save", []string{""}}, {"appendonly", []string{"yes"}}}, nil
	case PersistenceRDB:
		return []directive{
			{"save", []string{"3600", "1"}}, {"save", []string{"300", "100"}}, {"save", []string{"60", "10000"}},
			{"appendonly", []string{"no"}},
		}, nil
	}
	return nil, fmt.Errorf("redis.conf: persistence %q is none of none, aof, rdb", kind)
}

// defaults are the directives that a user's may replace.
func (r *Renderer) defaults(maxMemory int64) []directive {
	return []directive{
		{"maxmemory", []string{strconv.FormatInt(maxMemory, 10)}},
		{"cluster-replica-validity-factor", []string{"10"}},
		// Bus links count as clients, two for each peer.
		{"maxclients", []string{strconv.Itoa(10000 + 2*len(r.plan.Nodes))}},
		// A master's first replicas all arrive at once; waiting for more only delays them.
		{"repl-diskless-sync", []string{"yes"}},
		{"repl-diskless-sync-delay", []string{"0"}},
	}
}

// Forks reports whether such servers, with so many replicas to a master, fork now and then.
func (o ServerOptions) Forks(replicas int) bool {
	return replicas > 0 || o.Persists()
}

// Persists reports whether such servers keep their data over a restart.
func (o ServerOptions) Persists() bool {
	return o.Persistence == PersistenceAOF || o.Persistence == PersistenceRDB
}

// MaxMemory is the maxmemory, in bytes, of each node of a cluster of a number of nodes with so many
// replicas to a master: as the function of that name derives it, or the user's. A *ConfigError is
// about the user's, another error about MemoryMB.
func (o ServerOptions) MaxMemory(nodes, replicas int) (int64, error) {
	derived, err := MaxMemory(o.MemoryMB, nodes, o.Forks(replicas))
	if err != nil {
		return 0, err
	}
	value, set := o.Config["maxmemory"]
	if !set {
		return derived, nil
	}
	wanted, err := parseBytes(value)
	if err != nil {
		return 0, &ConfigError{Key: "maxmemory", Reason: err.Error()}
	}
	if limit := int64(o.MemoryMB-BusMB(nodes)) * mib; wanted == 0 || wanted > limit {
		return 0, &ConfigError{Key: "maxmemory", Reason: fmt.Sprintf(
			"%s is not between 1 and %d MB: the node has %d MB, of which the server and the cluster bus take %d",
			value, limit/mib, o.MemoryMB, BusMB(nodes))}
	}
	return wanted, nil
}

// userDirective splits the directives of several arguments, which a server does not take
// as one quoted word (before Redis 7.0, not as one line either).
func (d Dialect) userDirective(key, value string) []directive {
	switch key {
	case "client-output-buffer-limit":
		var list []directive
		for group := range slices.Chunk(strings.Fields(value), 4) {
			list = append(list, directive{key, group})
		}
		return list
	case "oom-score-adj-values":
		return []directive{{key, strings.Fields(value)}}
	}
	return []directive{{key, []string{value}}}
}

func appendDirectives(dst []byte, list []directive) []byte {
	for _, d := range list {
		dst = append(dst, d.name...)
		for _, a := range d.args {
			dst = appendWord(dst, a)
		}
		dst = append(dst, '\n')
	}
	return dst
}
