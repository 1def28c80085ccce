package integration

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// What says that the tests are to run on a Mesos that is there already, and how to break it.
const (
	// remoteURL is its leading master, http://host:port or https://host:port. All agents are on this
	// machine. Credentials, CA, user and encoding are those of the workers' own variables.
	remoteURL = "CLUSTERSMITH_TEST_MESOS"
	// remoteStop is a shell command that kills what its arguments name, `master` or `agent ADDRESS`, as
	// SIGKILL does; an agent's executors live on.
	remoteStop = "CLUSTERSMITH_TEST_MESOS_STOP"
	// remoteStart is one that starts it again; it need not wait until it serves.
	remoteStart = "CLUSTERSMITH_TEST_MESOS_START"
)

// operator is who may stop and start what a Mesos consists of, and see what runs on it.
type operator interface {
	StopMaster() error
	StartMaster(ctx context.Context) error
	// CrashAgent leaves the executors alive, LoseHost does not. Agents are named by their IPs.
	CrashAgent(ip string) error
	LoseHost(ip string) error
	RestartAgent(ctx context.Context, ip string) error
	KillExecutor(framework, executor string, signal syscall.Signal) error
	Agents() []local.AgentStatus
	// Maintain plans maintenance of an agent's machine, or none for a zero start.
	Maintain(ctx context.Context, ip string, start time.Time, duration time.Duration) error
	InverseAnswers(ctx context.Context, ip string) (map[string]local.InverseAnswer, error)
	Deactivate(ctx context.Context, ip string, on bool) error
}

// localOperator is the operator of a Mesos in this process.
type localOperator struct{ *local.Mesos }

func (o localOperator) StopMaster() error {
	o.Mesos.StopMaster()
	return nil
}

// remote is a Mesos that all tests of this process share.
type remote struct {
	web
	workers     worker.Config // how a worker gets at it
	stop, start string
	// use is held by every test that uses it, and held alone by those that break it.
	use sync.RWMutex

	mu     sync.Mutex
	agents []local.AgentStatus // by IP; Up is what was done to them
	master bool
	names  map[string]string // hostnames by IP
}

// operatorLimit bounds an operator's command and how long Mesos takes to be whole again.
const operatorLimit = 90 * time.Second

var theRemote = sync.OnceValues(func() (*remote, error) {
	r := &remote{stop: os.Getenv(remoteStop), start: os.Getenv(remoteStart), master: true}
	var err error
	if r.workers, err = worker.ConfigFromEnv(); err != nil {
		return nil, err
	}
	if r.web, err = webOf(os.Getenv(remoteURL), r.workers); err != nil {
		return nil, err
	}
	r.agents, err = r.registered()
	return r, err
})

// registered asks the master for its agents.
func (r *remote) registered() (list []local.AgentStatus, err error) {
	var answer struct {
		Slaves []struct {
			ID     string `json:"id"`
			PID    string `json:"pid"` // slave(1)@ip:port
			Name   string `json:"hostname"`
			Active bool   `json:"active"`
		} `json:"slaves"`
	}
	if err := r.get("/state", &answer); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, s := range answer.Slaves {
		_, address, _ := strings.Cut(s.PID, "@")
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("agent %s is at %q: %w", s.ID, s.PID, err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("agent %s is at %q: %w", s.ID, s.PID, err)
		}
		names[host] = s.Name
		if s.Active {
			list = append(list, local.AgentStatus{ID: s.ID, IP: host, Port: n, Up: true})
		}
	}
	slices.SortFunc(list, func(a, b local.AgentStatus) int { return cmp.Compare(a.IP, b.IP) })
	r.mu.Lock()
	r.names = names
	r.mu.Unlock()
	return list, nil
}

func (r *remote) hostname(ip string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[ip]
}

// command lets the operator stop or start something.
func (r *remote) command(ctx context.Context, command string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, operatorLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", command + ` "$@"`, "sh"}, args...)...)
	cmd.WaitDelay = time.Second // what it starts may keep its output open
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("%s %s: %w\n%s", command, strings.Join(args, " "), err, out)
	}
	return nil
}

func (r *remote) StopMaster() error {
	r.mu.Lock()
	r.master = false
	r.mu.Unlock()
	return r.command(context.Background(), r.stop, "master")
}

func (r *remote) StartMaster(ctx context.Context) error {
	if err := r.command(ctx, r.start, "master"); err != nil {
		return err
	}
	r.mu.Lock()
	r.master = true
	r.mu.Unlock()
	return nil
}

func (r *remote) CrashAgent(ip string) error {
	r.up(ip, false)
	return r.command(context.Background(), r.stop, "agent", ip)
}

func (r *remote) RestartAgent(ctx context.Context, ip string) error {
	if err := r.command(ctx, r.start, "agent", ip); err != nil {
		return err
	}
	r.up(ip, true)
	return nil
}

func (r *remote) LoseHost(ip string) error {
	errs := []error{r.CrashAgent(ip)}
	for _, a := range r.Agents() {
		for _, e := range a.Executors {
			if a.IP != ip {
				continue
			}
			processes, err := processesIn(filepath.Dir(e.Sandbox))
			errs = append(errs, err)
			for _, p := range processes {
				if err := syscall.Kill(p.pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
					errs = append(errs, err)
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (r *remote) up(ip string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.agents {
		if r.agents[i].IP == ip {
			r.agents[i].Up = up
		}
	}
}

func (r *remote) KillExecutor(framework, executor string, signal syscall.Signal) error {
	for _, a := range r.Agents() {
		for _, e := range a.Executors {
			if e.Framework == framework && e.Executor == executor {
				return syscall.Kill(e.PID, signal)
			}
		}
	}
	return fmt.Errorf("%w: %s of framework %s", local.ErrNoSuchExecutor, executor, framework)
}

// Agents finds the executors in the process table, by what their agents tell them.
func (r *remote) Agents() []local.AgentStatus {
	r.mu.Lock()
	list := slices.Clone(r.agents)
	r.mu.Unlock()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, file := range environments {
		process := filepath.Dir(file)
		if exe, err := os.Readlink(process + "/exe"); err != nil || !strings.HasPrefix(filepath.Base(exe), "clustersmith-executor") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		env := map[string]string{}
		for line := range bytes.SplitSeq(text, []byte{0}) {
			name, value, _ := strings.Cut(string(line), "=")
			env[name] = value
		}
		for i := range list {
			pid, err := strconv.Atoi(filepath.Base(process))
			if err == nil && env["MESOS_AGENT_ENDPOINT"] == fmt.Sprintf("%s:%d", list[i].IP, list[i].Port) {
				list[i].Executors = append(list[i].Executors, local.ExecutorStatus{
					Framework: env["MESOS_FRAMEWORK_ID"], Executor: env["MESOS_EXECUTOR_ID"], PID: pid, Sandbox: env["MESOS_SANDBOX"],
				})
			}
		}
	}
	return list
}

// mend starts again what is stopped, a master that has ended by itself too, and waits until every agent
// is registered.
func (r *remote) mend() error {
	ctx, cancel := context.WithTimeout(context.Background(), operatorLimit)
	defer cancel()
	r.mu.Lock()
	master, agents := r.master, slices.Clone(r.agents)
	r.mu.Unlock()
	var notStarted error // somebody else may have started it
	if _, err := r.registered(); !master || errors.Is(err, syscall.ECONNREFUSED) {
		notStarted = r.StartMaster(ctx)
	}
	for _, a := range agents {
		if !a.Up {
			if err := r.RestartAgent(ctx, a.IP); err != nil {
				return err
			}
		}
	}
	for {
		now, err := r.registered()
		if err == nil && len(now) >= len(agents) {
			r.mu.Lock()
			r.agents = now // an agent may have a new ID
			r.mu.Unlock()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d agents are registered again: %w", len(now), len(agents), errors.Join(err, ctx.Err(), notStarted))
		case <-time.After(100 * time.Millisecond): // nobody tells
		}
	}
}
