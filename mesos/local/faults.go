package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrNoSuchAgent and ErrNoSuchExecutor are returned by the faults that name one.
var (
	ErrNoSuchAgent    = errors.New("local: no such agent")
	ErrNoSuchExecutor = errors.New("local: no such executor")
)

// StopMaster ends the master as SIGKILL would: connections are closed without a last chunk,
// new ones are refused, and all that it knew is lost.
func (m *Mesos) StopMaster() {
	m.mu.Lock()
	ms := m.master
	m.master = nil
	if m.starting != nil {
		m.starting.Stop()
		m.starting = nil
	}
	m.mu.Unlock()
	m.srv.kill()
	if ms == nil {
		return
	}
	ms.loop.stop()
	for _, a := range m.agents {
		a.loop.post(func() {
			if l := a.link; l != nil && l.master == ms {
				l.cut()
				a.masterLost(l)
			}
		})
	}
}

// StartMaster starts a stopped master on the same address, as another run with another ID.
// It answers 404, then 503, then serves; agents register again AgentReregisterDelay later.
// It returns when the address is taken.
func (m *Mesos) StartMaster(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.master != nil || m.starting != nil {
		return errors.New("local: the master runs")
	}
	if err := m.srv.relisten(ctx); err != nil {
		return err
	}
	m.srv.serve(unready(time.Now().Add(m.cfg.MasterStart)))
	var timer *time.Timer
	timer = time.AfterFunc(2*m.cfg.MasterStart, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.starting != timer { // stopped meanwhile
			return
		}
		m.starting = nil
		m.findable = time.Now().Add(m.cfg.AgentReregisterDelay + m.cfg.chaos.late(m.cfg.AllocationInterval))
		m.master = newMaster(m.cfg, m.srv, domain(m.cfg.Region, m.cfg.Zone))
		m.srv.handle(m.master)
	})
	m.starting = timer
	return nil
}

// Redirect lets the master answer as one that does not lead: 307 to the same path below to,
// which is a base URL (http://host:port) or, as Mesos writes it, one without a scheme
// (//host:port). Open streams go on. Who asks for that very host is served: a relay there can
// stand for the leader. An empty URL ends it.
func (m *Mesos) Redirect(to string) error {
	if to == "" {
		m.srv.divert(nil)
		return nil
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" {
		return fmt.Errorf("local: %q is no base URL to redirect to (%v)", to, err)
	}
	m.srv.divert(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == u.Host {
			(*m.srv.handler.Load()).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Location", strings.TrimSuffix(to, "/")+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	return nil
}

// Answer lets the master answer every request with a status (429, 503 …) and a text. Open
// streams go on. Status 0 ends it.
func (m *Mesos) Answer(status int, text string) {
	if status == 0 {
		m.srv.divert(nil)
		return
	}
	m.srv.divert(func(w http.ResponseWriter, _ *http.Request) { httpErrorf(status, "%s", text).write(w) })
}

// CutStreams closes every scheduler's event stream without a last chunk.
func (m *Mesos) CutStreams(ctx context.Context) error {
	return m.inMaster(ctx, func(ms *master) {
		for _, f := range ms.frameworks {
			if f.stream != nil {
				f.stream.cut()
			}
		}
	})
}

// FreezeMaster (on) lets the master neither read nor send a byte, while connections stay
// open and new ones are accepted: a network that swallows everything. Off lets what has
// piled up through.
func (m *Mesos) FreezeMaster(on bool) { m.srv.gate.set(on) }

// StopHeartbeats (on) keeps the master from sending heartbeats; all else goes on.
func (m *Mesos) StopHeartbeats(ctx context.Context, on bool) error {
	return m.inMaster(ctx, func(ms *master) { ms.quiet = on })
}

// RescindOffers takes every outstanding offer back, as a real master does when it likes to.
// The resources are offered again at the next round.
func (m *Mesos) RescindOffers(ctx context.Context) error {
	return m.inMaster(ctx, func(ms *master) {
		for _, a := range ms.agents {
			ms.rescindAll(a)
		}
	})
}

// Accepting is an ACCEPT with tasks that has reached the master.
type Accepting struct {
	IP    string  // of the agent whose offers it names first; empty if they are not valid
	Ports [][]int // of each task
}

// BeforeAccept calls do before the master looks at an ACCEPT with tasks; nothing else happens
// in the master meanwhile. Where do says so, the offers that the call names are rescinded
// first: RESCIND and ACCEPT cross on their way. A nil do ends it; so does the master's end.
func (m *Mesos) BeforeAccept(ctx context.Context, do func(Accepting) (rescind bool)) error {
	return m.inMaster(ctx, func(ms *master) { ms.beforeAccept = do })
}

func (m *Mesos) inMaster(ctx context.Context, fn func(*master)) error {
	ms := m.leader()
	if ms == nil {
		return errors.New("local: the master does not run")
	}
	if !ms.loop.do(ctx, func() { fn(ms) }) {
		return fmt.Errorf("local: the master did not answer: %w", context.Cause(ctx))
	}
	return nil
}

// agent finds an agent by its IP (the first one there), ip:port or ID.
func (m *Mesos) agent(name string) (*agent, error) {
	for _, a := range m.agents {
		if a.spec.IP == name || a.srv.address() == name || a.status().ID == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNoSuchAgent, name)
}

// CrashAgent ends an agent (named by IP, ip:port or ID) as SIGKILL would. Its executors go
// on running, but for those of frameworks without checkpoint.
func (m *Mesos) CrashAgent(name string) error { return m.crash(name, (*agent).crash) }

// LoseHost ends an agent and every process of its executors, as a power failure would.
func (m *Mesos) LoseHost(name string) error {
	return m.crash(name, func(a *agent) {
		a.crash()
		for _, f := range a.frameworks {
			for _, e := range f.executors {
				if e.process != nil {
					e.process.kill()
				}
			}
		}
	})
}

func (m *Mesos) crash(name string, how func(*agent)) error {
	a, err := m.agent(name)
	if err != nil {
		return err
	}
	a.srv.gate.set(false) // a stopped process can be killed too
	a.loop.pause(false)
	a.loop.do(a.ctx, func() { how(a) })
	a.srv.kill()
	return nil
}

// RestartAgent starts a crashed agent, or one that left, on its address. It waits for its
// executors, then registers; RestartAgent does not wait for that.
func (m *Mesos) RestartAgent(ctx context.Context, name string) error {
	a, err := m.agent(name)
	if err != nil {
		return err
	}
	if a.status().Up {
		return fmt.Errorf("local: agent %s runs", name)
	}
	if err := a.srv.relisten(ctx); err != nil {
		return err
	}
	a.srv.serve(a)
	a.loop.post(a.recover)
	return nil
}

// FreezeAgent (on) stops an agent as SIGSTOP would: connections stay open and nothing is
// answered, but its executors run. Off continues it.
func (m *Mesos) FreezeAgent(name string, on bool) error {
	a, err := m.agent(name)
	if err != nil {
		return err
	}
	a.srv.gate.set(on)
	a.loop.pause(on)
	if !on {
		a.loop.post(a.lookAgain)
	}
	return nil
}

// LeaveAgent lets an agent leave in good order, as SIGUSR1 does: it unregisters, shuts its
// executors down and ends. RestartAgent brings it back under a new ID.
func (m *Mesos) LeaveAgent(ctx context.Context, name string) error {
	a, err := m.agent(name)
	if err != nil {
		return err
	}
	a.loop.do(ctx, a.leave)
	for {
		busy := 0
		if !a.loop.do(ctx, func() { busy = len(a.frameworks) }) {
			return fmt.Errorf("local: agent %s: executors did not end: %w", name, context.Cause(ctx))
		}
		if busy == 0 {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	a.loop.do(ctx, a.crash)
	a.srv.kill()
	a.loop.do(ctx, func() {
		a.id = ""
		a.setUp(false)
	})
	return nil
}

// KillExecutor sends a signal (SIGKILL, SIGSTOP …) to the process of an executor, by
// framework and executor ID, on whichever agent it runs.
func (m *Mesos) KillExecutor(framework, executor string, signal syscall.Signal) error {
	for _, a := range m.agents {
		for _, e := range a.status().Executors {
			if e.Framework == framework && e.Executor == executor && e.PID > 0 {
				if err := syscall.Kill(e.PID, signal); err != nil {
					return fmt.Errorf("local: signal %v to executor %s: %w", signal, executor, err)
				}
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s of framework %s", ErrNoSuchExecutor, executor, framework)
}

// CutExecutors closes the event streams of an agent's executors; they subscribe again.
func (m *Mesos) CutExecutors(ctx context.Context, name string) error {
	a, err := m.agent(name)
	if err != nil {
		return err
	}
	if !a.cutStreams(ctx) {
		return fmt.Errorf("local: agent %s did not answer: %w", name, context.Cause(ctx))
	}
	return nil
}
