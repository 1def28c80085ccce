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
	"github.com/clustersmith/clustersmith/nodesconf"
)

// versionTimeout bounds `redis-server --version`.
const versionTimeout = 10 * time.Second

// program is the server's program on this host: looked for once, and its version checked then and
// whenever the file has changed. A node that crashes after an upgrade must not be started by a server
// that reads its nodes.conf in another way.
type program struct {
	server  string // configured path, or empty
	dialect nodesconf.Dialect
	found   chan struct{} // closed when path and err are set
	path    string
	err     error

	mu      sync.Mutex
	checked os.FileInfo // the file as it was
}

// find finds the program; it is called once.
func (p *program) find(ctx context.Context) {
	defer close(p.found)
	if p.path = p.server; p.path == "" {
		if p.path, p.err = lookProgram(p.dialect.Binary()); p.err != nil {
			return
		}
	}
	p.err = p.check(ctx)
}

// check asks the program for its version unless that is known.
func (p *program) check(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, err := os.Stat(p.path) // before the question: what comes later is asked again
	if was := p.checked; err == nil && was != nil && os.SameFile(was, now) && was.ModTime().Equal(now.ModTime()) && was.Size() == now.Size() {
		return nil
	}
	if err := checkProgram(ctx, p.path, p.dialect); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	p.checked = now
	return err
}

// current waits until the program is found, and is the path of one of the right version.
func (p *program) current(ctx context.Context) (path string, err error) {
	select {
	case <-p.found:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if p.err != nil {
		return "", p.err
	}
	return p.path, p.check(ctx)
}

func checkProgram(ctx context.Context, path string, dialect nodesconf.Dialect) error {
	ctx, cancel := context.WithTimeoutCause(ctx, versionTimeout, fmt.Errorf("no answer within %s", versionTimeout))
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, serverEnv("/")
	cmd.WaitDelay = time.Second
	err := proc.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("--version: %w", err)
	}
	return dialect.CheckVersion(out.String())
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

// serverEnv is the environment of a server: nothing of the executor's own, which may hold the
// agent's secrets.
func serverEnv(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
}
