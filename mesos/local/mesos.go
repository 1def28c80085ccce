package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Mesos is a running local Mesos.
type Mesos struct {
	cfg    Config
	srv    *server
	agents []*agent
	cancel context.CancelFunc
	timers sync.WaitGroup // a master that is starting

	mu     sync.Mutex
	master *master // nil while stopped or starting
	closed bool
}

// AgentStatus is an agent as it is now.
type AgentStatus struct {
	// ID is the agent's ID; empty before it was ever registered.
	ID string
	// IP and Port are where it serves the executor API.
	IP   string
	Port int
	// Up is false between a crash and a restart.
	Up bool
	// Executors are those that run.
	Executors []ExecutorStatus
}

// ExecutorStatus is an executor, or a command task, that runs on an agent.
type ExecutorStatus struct {
	Framework, Executor string
	// PID is the process; it leads a process group of its own. 0 while it is being started.
	PID     int
	Sandbox string
}

// Start starts a master and its agents and returns when the agents are registered. ctx
// bounds the start only. The errors say which address or directory was the matter.
func Start(ctx context.Context, cfg Config) (*Mesos, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	cfg.Dir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	host, portText, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("local: Config.Listen: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("local: Config.Listen: %w", err)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m := &Mesos{cfg: cfg, cancel: cancel, srv: &server{ip: host, port: port, log: cfg.Logger}}
	if err := m.start(ctx, background); err != nil {
		closing, cancel := context.WithTimeout(background, 10*time.Second)
		defer cancel()
		return nil, errors.Join(err, m.Close(closing))
	}
	return m, nil
}

func (m *Mesos) start(ctx, background context.Context) error {
	if err := m.srv.listen(ctx); err != nil {
		return err
	}
	m.serveMaster()
	for _, spec := range m.cfg.Agents {
		a := newAgent(background, m.cfg, spec, m.leader)
		m.agents = append(m.agents, a)
		if err := a.listen(ctx); err != nil {
			return err
		}
		a.boot()
		select { // one after the other, so that agent IDs follow the configuration
		case <-a.ready:
		case <-ctx.Done():
			return fmt.Errorf("local: agent %s did not register: %w", spec.IP, context.Cause(ctx))
		}
	}
	return nil
}

// serveMaster starts a new master on the address that the server listens on.
func (m *Mesos) serveMaster() {
	ms := newMaster(m.cfg, m.srv, domain(m.cfg.Region, m.cfg.Zone))
	m.srv.serve(ms)
	m.mu.Lock()
	m.master = ms
	m.mu.Unlock()
}

// leader is the serving master, nil while there is none.
func (m *Mesos) leader() *master {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.master
}

// URL is the master's base URL, such as http://127.0.0.1:5050.
func (m *Mesos) URL() string { return "http://" + m.srv.address() }

// Agents are the agents in the order of the configuration.
func (m *Mesos) Agents() []AgentStatus {
	out := make([]AgentStatus, 0, len(m.agents))
	for _, a := range m.agents {
		out = append(out, a.status())
	}
	return out
}

// status reads the agent's state; a frozen agent answers when it is thawed or ended.
func (a *agent) status() AgentStatus {
	s := AgentStatus{IP: a.spec.IP, Port: a.srv.port}
	a.loop.do(context.Background(), func() {
		s.ID, s.Up = a.id, a.up
		for id, f := range a.frameworks {
			for executorID, e := range f.executors {
				x := ExecutorStatus{Framework: id, Executor: executorID, Sandbox: e.sandbox}
				if e.process != nil {
					x.PID = e.process.pid
				}
				s.Executors = append(s.Executors, x)
			}
		}
	})
	return s
}

// Close ends every executor process that was started, waits until they are gone, and stops
// the master and the agents. An error says that ctx ended first.
func (m *Mesos) Close(ctx context.Context) error {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if closed {
		return nil
	}
	m.cancel()
	for _, a := range m.agents {
		a.loop.pause(false)
		a.loop.post(a.killAll)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, a := range m.agents {
			a.loop.do(context.WithoutCancel(ctx), func() {})
			a.work.Wait()
		}
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("local: executors did not end: %w", context.Cause(ctx))
	}
	m.srv.gate.set(false)
	m.timers.Wait()
	m.stopMaster()
	for _, a := range m.agents {
		a.srv.gate.set(false)
		a.srv.kill()
		a.loop.stop()
	}
	return err
}

// killAll kills every process and starts no more.
func (a *agent) killAll() {
	a.up, a.leaving = false, true
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			if e.process != nil {
				e.process.kill()
			} else {
				e.gone = true
			}
		}
	}
}
