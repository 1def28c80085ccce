package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
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

	mu       sync.Mutex
	master   *master     // nil while stopped or starting
	starting *time.Timer // not nil while a master is starting
	findable time.Time   // from when on agents find the master
	closed   bool
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
	m := &Mesos{cfg: cfg, cancel: cancel, srv: &server{ip: host, port: port, tls: cfg.TLS, log: cfg.Logger}}
	if err := m.start(ctx, background); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second) // Close ends background
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
	for i, spec := range m.cfg.Agents {
		a := newAgent(background, m.cfg, i, m.found)
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

// found is the master as the agents find it: a restarted one only after a while.
func (m *Mesos) found() *master {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Now().Before(m.findable) {
		return nil
	}
	return m.master
}

// URL is the master's base URL, such as http://127.0.0.1:5050.
func (m *Mesos) URL() string { return m.srv.url() }

// Agents are the agents in the order of the configuration.
func (m *Mesos) Agents() []AgentStatus {
	out := make([]AgentStatus, 0, len(m.agents))
	for _, a := range m.agents {
		out = append(out, a.status())
	}
	return out
}

// Encodings are the media types that schedulers and executors have sent, sorted.
func (m *Mesos) Encodings() []string {
	seen := map[string]bool{}
	for _, s := range m.servers() {
		s.media.Range(func(media, _ any) bool { seen[media.(string)] = true; return true })
	}
	return slices.Sorted(maps.Keys(seen))
}

// servers are the master's and the agents'.
func (m *Mesos) servers() []*server {
	all := []*server{m.srv}
	for _, a := range m.agents {
		all = append(all, a.srv)
	}
	return all
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
	m.StopMaster()
	m.srv.close()
	for _, a := range m.agents {
		a.srv.gate.set(false)
		a.srv.close()
		a.loop.stop()
	}
	return err
}

// killAll kills every process and starts no more.
func (a *agent) killAll() {
	a.setUp(false)
	a.leaving = true
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
