package nodesconf

import (
	"fmt"
	"strconv"
	"strings"
)

// Flavors of server.
const (
	Redis  = "redis"
	Valkey = "valkey"
)

// Dialect is what one version of a server reads and understands. Dialects are comparable
// values; LookupDialect makes them, and the zero Dialect renders nothing.
type Dialect struct {
	flavor       string
	major, minor int
}

// dialects are the servers whose nodes.conf loader is known, in the order that Known lists.
var dialects = []Dialect{
	{Redis, 5, 0}, {Redis, 6, 0}, {Redis, 6, 2}, {Redis, 7, 0}, {Redis, 7, 2}, {Redis, 7, 4}, {Redis, 8, 0},
	{Valkey, 7, 2}, {Valkey, 8, 0}, {Valkey, 8, 1}, {Valkey, 9, 0}, {Valkey, 9, 1},
}

// LookupDialect finds the dialect of a flavor ("" is redis) and a version (major.minor).
// The error of an unknown one lists those that are known.
func LookupDialect(flavor, version string) (Dialect, error) {
	if flavor == "" {
		flavor = Redis
	}
	for _, d := range dialects {
		if d.flavor == flavor && d.Version() == version {
			return d, nil
		}
	}
	return Dialect{}, fmt.Errorf("server %s %q is not known; known are %s", flavor, version, strings.Join(Known(), ", "))
}

// Known lists the dialects as "flavor major.minor".
func Known() []string {
	names := make([]string, len(dialects))
	for i, d := range dialects {
		names[i] = d.String()
	}
	return names
}

// Flavor is "redis" or "valkey".
func (d Dialect) Flavor() string { return d.flavor }

// Version is major.minor.
func (d Dialect) Version() string { return strconv.Itoa(d.major) + "." + strconv.Itoa(d.minor) }

// String is "flavor major.minor".
func (d Dialect) String() string { return d.flavor + " " + d.Version() }

// Binary is the name of the server's program.
func (d Dialect) Binary() string { return d.flavor + "-server" }

// BusOffset is 0 where the bus port is free to choose (cluster-port, since Redis 7.0); before,
// the bus port is the data port plus BusOffset.
func (d Dialect) BusOffset() int {
	if d.hasClusterPort() {
		return 0
	}
	return 10000
}

// ServerVersion reads what a server's program prints for --version: its flavor and its
// version as major.minor.patch.
//
//	Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0
//	Valkey server v=8.0.1 …
//	Server v=7.2.7 …           (Valkey 7.2 does not say its name)
func ServerVersion(output string) (flavor, version string, err error) {
	name, rest, found := strings.Cut(strings.TrimSpace(output), "erver v=")
	version, _, _ = strings.Cut(rest, " ")
	if found && version != "" {
		switch name {
		case "Redis s":
			return Redis, version, nil
		case "Valkey s", "S":
			return Valkey, version, nil
		}
	}
	return "", "", fmt.Errorf("%.80q is not the --version of a server of a known kind", output)
}

// CheckVersion takes what the server's program prints for --version and refuses another
// flavor or another major.minor. Patch levels are all accepted.
func (d Dialect) CheckVersion(output string) error {
	flavor, version, err := ServerVersion(output)
	if err != nil {
		return err
	}
	return d.CheckServer(flavor, version)
}

// CheckServer refuses a server of another flavor or of another major.minor; version is
// major.minor.patch.
func (d Dialect) CheckServer(flavor, version string) error {
	if flavor != d.flavor || !strings.HasPrefix(version, d.Version()+".") {
		return fmt.Errorf("the server is %s %s, not %s", flavor, version, d)
	}
	return nil
}

func (d Dialect) atLeast(major, minor int) bool {
	return d.major > major || d.major == major && d.minor >= minor
}

// hasClusterPort: the directive cluster-port chooses the bus port.
func (d Dialect) hasClusterPort() bool { return d.atLeast(7, 0) }

// hasAux: nodes.conf carries aux fields, and then must carry shard-id on every line.
func (d Dialect) hasAux() bool { return d.atLeast(7, 2) }

// hasMigrationSwitch: cluster-allow-replica-migration exists.
func (d Dialect) hasMigrationSwitch() bool { return d.atLeast(6, 2) }

// removesSyncFiles: rdb-del-sync-files exists.
func (d Dialect) removesSyncFiles() bool { return d.atLeast(6, 0) }
