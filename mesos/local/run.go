package local

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// run is one run of an executor or command: its sandbox, environment and command line.
type run struct {
	dir       string
	container string
	command   *mesos.CommandInfo
	env       map[string]string
	image     *mesos.Image // that the executor asks for
	stdout    *os.File
	stderr    *os.File
}

// newRun collects what the process needs to know; it reads the agent's state, so it must be
// called in the loop.
func (a *agent) newRun(e *agentExecutor) *run {
	framework, id := e.framework.info.ID.Value, e.info.ExecutorID.Value
	dir := filepath.Join(a.dir, "slaves", a.id, "frameworks", framework, "executors", id, "runs", e.container)
	address := a.srv.address()
	checkpoint := "0"
	if e.framework.info.GetCheckpoint() {
		checkpoint = "1"
	}
	env := map[string]string{
		"LIBPROCESS_IP":                        a.spec.IP,
		"LIBPROCESS_PORT":                      "0",
		"MESOS_AGENT_ENDPOINT":                 address,
		"MESOS_CHECKPOINT":                     checkpoint,
		"MESOS_DIRECTORY":                      dir,
		"MESOS_SANDBOX":                        dir,
		"MESOS_EXECUTOR_ID":                    id,
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": durationString(a.grace(e)),
		"MESOS_FRAMEWORK_ID":                   framework,
		"MESOS_HTTP_COMMAND_EXECUTOR":          "0",
		"MESOS_SLAVE_ID":                       a.id,
		"MESOS_SLAVE_PID":                      "slave(1)@" + address,
		"PATH":                                 os.Getenv("PATH"),
		"PWD":                                  dir,
	}
	if checkpoint == "1" {
		env["MESOS_RECOVERY_TIMEOUT"] = "15mins"
		env["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = "2secs"
	}
	if a.tokens != nil && e.command == nil {
		env[tokenVariable] = a.tokens.of(claims{framework, id, e.container})
	}
	maps.Copy(env, a.cfg.ExecutorEnv)
	for _, v := range e.info.Command.Environment.GetVariables() {
		env[v.Name] = v.GetValue()
	}
	return &run{dir: dir, container: e.container, command: e.info.Command, env: env, image: imageOf(e.info)}
}

// prepare makes the sandbox and fetches the URIs. The errors are in the words of Mesos.
func (r *run) prepare(ctx context.Context) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("Failed to create the sandbox: %w", err)
	}
	var err error
	if r.stdout, err = openOutput(filepath.Join(r.dir, "stdout")); err != nil {
		return fmt.Errorf("Failed to create the sandbox: %w", err)
	}
	if r.stderr, err = openOutput(filepath.Join(r.dir, "stderr")); err != nil {
		return fmt.Errorf("Failed to create the sandbox: %w", err)
	}
	if r.image != nil { // as an agent without --image_providers says
		return fmt.Errorf("Unsupported container image type: %d", r.image.GetType())
	}
	for _, uri := range r.command.URIs {
		if err := fetch(ctx, uri, r.dir); err != nil {
			fmt.Fprintf(r.stderr, "Failed to fetch '%s': %v\n", uri.Value, err)
			return fmt.Errorf("Failed to fetch all URIs for container '%s': exited with status 1", r.container)
		}
	}
	return ctx.Err()
}

// start starts the process in its prepared sandbox.
func (r *run) start() (*process, error) {
	p, err := startProcess(r.cmd())
	if err == nil {
		return p, nil
	}
	// Mesos starts a launcher first, which then fails to execute the command: status 1.
	fmt.Fprintf(r.stderr, "Failed to execute command: %v\n", err)
	failing := exec.Command("/bin/false")
	failing.Dir = r.dir
	if p, err = startProcess(failing); err != nil {
		return nil, fmt.Errorf("Failed to start the process: %w", err)
	}
	return p, nil
}

// close closes this process's copies of the output files.
func (r *run) close() {
	for _, f := range []*os.File{r.stdout, r.stderr} {
		if f != nil {
			_ = f.Close() // the child has its own
		}
	}
}

func (r *run) cmd() *exec.Cmd {
	path, args := r.command.GetValue(), r.command.Arguments
	if r.command.Shell == nil || *r.command.Shell {
		path, args = "/bin/sh", []string{"sh", "-c", r.command.GetValue()}
	}
	cmd := &exec.Cmd{Path: r.lookup(path), Args: args, Dir: r.dir, Stdout: r.stdout, Stderr: r.stderr}
	if len(args) == 0 {
		cmd.Args = []string{path}
	}
	for _, name := range slices.Sorted(maps.Keys(r.env)) {
		cmd.Env = append(cmd.Env, name+"="+r.env[name])
	}
	return cmd
}

// lookup finds an executable as execvp(3) does, in the PATH of the container.
func (r *run) lookup(path string) string {
	if strings.Contains(path, "/") {
		return path
	}
	for _, dir := range filepath.SplitList(r.env["PATH"]) {
		full := filepath.Join(dir, path)
		if info, err := os.Stat(full); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return full
		}
	}
	return filepath.Join("/nonexistent", path)
}
