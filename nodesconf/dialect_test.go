package nodesconf_test

import (
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// lookup finds a dialect that must be known.
func lookup(t testing.TB, name string) nodesconf.Dialect {
	t.Helper()
	flavor, version, _ := strings.Cut(name, " ")
	d, err := nodesconf.LookupDialect(flavor, version)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLookupDialect(t *testing.T) {
	t.Parallel()
	d, err := nodesconf.LookupDialect("", "7.0")
	if err != nil || d.Flavor() != "redis" || d.Version() != "7.0" || d.Binary() != "redis-server" || d.BusOffset() != 0 {
		t.Errorf("%v %v", d, err)
	}
	if d := lookup(t, "redis 6.2"); d.BusOffset() != 10000 {
		t.Errorf("%v: bus offset %d", d, d.BusOffset())
	}
	if d := lookup(t, "valkey 8.0"); d.Binary() != "valkey-server" || d.BusOffset() != 0 {
		t.Errorf("%v: %s, bus offset %d", d, d.Binary(), d.BusOffset())
	}
	for _, unknown := range [][2]string{{"redis", "4.0"}, {"redis", "7.0.15"}, {"redis", ""}, {"valkey", "7.0"}, {"dragonfly", "7.0"}} {
		_, err := nodesconf.LookupDialect(unknown[0], unknown[1])
		if err == nil {
			t.Errorf("%q is known", unknown)
			continue
		}
		for _, known := range nodesconf.Known() {
			if !strings.Contains(err.Error(), known) {
				t.Errorf("the error for %q does not list %s: %v", unknown, known, err)
			}
		}
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	const tail = " sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0\n"
	for _, c := range []struct {
		dialect, output string
		ok              bool
	}{
		{"redis 7.0", "Redis server v=7.0.15" + tail, true},
		{"redis 7.0", "Redis server v=7.2.6" + tail, false},
		{"redis 7.0", "Redis server v=7.01.1" + tail, false},
		{"redis 7.0", "Redis server v=7.0" + tail, false},
		{"redis 7.2", "Server v=7.2.7" + tail, false},
		{"valkey 7.2", "Server v=7.2.7" + tail, true},
		{"valkey 8.0", "Valkey server v=8.0.1" + tail, true},
		{"redis 8.0", "Valkey server v=8.0.1" + tail, false},
		{"redis 7.0", "Memcached server v=7.0.1" + tail, false},
		{"redis 7.0", "", false},
		{"redis 7.0", "bash: redis-server: command not found", false},
	} {
		err := lookup(t, c.dialect).CheckVersion(c.output)
		if (err == nil) != c.ok {
			t.Errorf("%s takes %q: %v, expected %v", c.dialect, c.output, err, c.ok)
		}
	}
}
