package nodesconf_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/nodesconf"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// TestGolden compares what each dialect renders with its golden files.
func TestGolden(t *testing.T) {
	plan := ring(3, 1, 3)
	options := nodesconf.ServerOptions{
		Dir: `/var/lib/"odd" \dir`, MemoryMB: 1024, Persistence: nodesconf.PersistenceRDB,
		Config: map[string]string{
			"maxmemory-policy":           "allkeys-lru",
			"maxmemory":                  "200mb",
			"cluster-node-timeout":       "5000",
			"client-output-buffer-limit": "normal 0 0 0 replica 256mb 64mb 60",
		},
	}
	for _, name := range nodesconf.Known() {
		flavor, version, _ := strings.Cut(name, " ")
		t.Run(name, func(t *testing.T) {
			d, err := nodesconf.LookupDialect(flavor, version)
			if err != nil {
				t.Fatal(err)
			}
			nodes, err := d.NodesConf(plan, 4)
			if err != nil {
				t.Fatal(err)
			}
			conf, err := d.RedisConf(plan, 4, options)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join("testdata", "golden", flavor+"-"+version)
			golden(t, filepath.Join(dir, "nodes.conf"), nodes)
			golden(t, filepath.Join(dir, "redis.conf"), conf)
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-rewrite sets it right); got\n%s", path, got)
	}
}
