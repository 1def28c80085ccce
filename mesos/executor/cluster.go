package executor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/mesos/bundle"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// versionTimeout bounds `redis-server --version`.
const versionTimeout = 10 * time.Second

// cluster is what the bundle says, ready to use. It does not change and may be used by
// several goroutines.
type cluster struct {
	bundle   bundle.Bundle
	renderer *nodesconf.Renderer
	options  nodesconf.ServerOptions // without Dir
	sandbox  string
	// program finds the server's program and checks its version, once.
	program func() (string, error)
}

// newCluster decodes a bundle. server is the path of the server's program, or empty.
func newCluster(data []byte, sandbox, server string) (*cluster, error) {
	b, err := bundle.Decode(data)
	if err != nil {
		return nil, err
	}
	dialect, err := nodesconf.LookupDialect(b.Flavor, b.Version)
	if err != nil {
		return nil, err
	}
	r, err := dialect.Renderer(b.Plan)
	if err != nil {
		return nil, err
	}
	return &cluster{
		bundle:   b,
		renderer: r,
		options:  nodesconf.ServerOptions{MemoryMB: b.MemoryMB, Persistence: b.Persistence, Config: b.Config},
		sandbox:  sandbox,
		program:  sync.OnceValues(func() (string, error) { return findProgram(server, dialect) }),
	}, nil
}

func (c *cluster) dir(index int) string {
	return filepath.Join(c.sandbox, bundle.TaskID(index))
}

func findProgram(path string, dialect nodesconf.Dialect) (string, error) {
	if path == "" {
		found, err := lookProgram(dialect.Binary())
		if err != nil {
			return "", err
		}
		path = found
	}
	ctx, cancel := context.WithTimeout(context.Background(), versionTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := proc.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %s", versionTimeout)
	}
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	if err := dialect.CheckVersion(out.String()); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return path, nil
}

// lookProgram looks for a program in PATH and where servers usually are: an agent's PATH may be
// short.
func lookProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/bin", "/usr/local/bin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed on this host: it is neither in PATH nor in /usr/bin or /usr/local/bin, "+
		"and CLUSTERSMITH_REDIS_SERVER is not set", name)
}
