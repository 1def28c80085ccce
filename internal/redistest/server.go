package redistest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// EnvServers names the environment variable with further servers to test: paths of
// redis-server and valkey-server programs, separated as in PATH.
const EnvServers = "CLUSTERSMITH_TEST_SERVERS"

// Server is a redis-server or valkey-server program and its dialect.
type Server struct {
	Path    string
	Dialect nodesconf.Dialect
}

// Installed is the redis-server that is found in PATH. The test fails if there is none.
func Installed(t testing.TB) Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("the tests run real servers: install redis-server (on Debian: apt-get install redis-server): %v", err)
	}
	s, err := Identify(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Servers are the installed server and those that EnvServers names.
func Servers(t testing.TB) []Server {
	t.Helper()
	list := []Server{Installed(t)}
	for _, path := range filepath.SplitList(os.Getenv(EnvServers)) {
		if path == "" {
			continue
		}
		s, err := Identify(path)
		if err != nil {
			t.Fatalf("%s: %v", EnvServers, err)
		}
		list = append(list, s)
	}
	return list
}

// Identify asks a server program for its dialect.
func Identify(path string) (Server, error) {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return Server{}, fmt.Errorf("%s --version: %w", path, err)
	}
	flavor, version, err := nodesconf.ServerVersion(string(out))
	if err != nil {
		return Server{}, fmt.Errorf("%s: %w", path, err)
	}
	if parts := strings.Split(version, "."); len(parts) > 2 {
		version = parts[0] + "." + parts[1]
	}
	d, err := nodesconf.LookupDialect(flavor, version)
	if err != nil {
		return Server{}, fmt.Errorf("%s: %w", path, err)
	}
	return Server{Path: path, Dialect: d}, nil
}
