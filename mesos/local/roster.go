package local

import (
	"cmp"
	"slices"
	"sync"
)

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

// roster is what others may know of an agent at any time, also while it is frozen. The
// agent's loop writes it.
type roster struct {
	mu   sync.Mutex
	id   string
	up   bool
	runs map[*agentExecutor]ExecutorStatus
}

func (r *roster) set(id string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.up = id, up
}

func (r *roster) put(e *agentExecutor, pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs = map[*agentExecutor]ExecutorStatus{}
	}
	r.runs[e] = ExecutorStatus{
		Framework: e.framework.info.ID.Value, Executor: e.info.ExecutorID.Value, PID: pid, Sandbox: e.sandbox,
	}
}

func (r *roster) drop(e *agentExecutor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.runs, e)
}

func (a *agent) status() AgentStatus {
	r := &a.seen
	r.mu.Lock()
	defer r.mu.Unlock()
	s := AgentStatus{ID: r.id, IP: a.spec.IP, Port: a.srv.port, Up: r.up}
	for _, e := range r.runs {
		s.Executors = append(s.Executors, e)
	}
	slices.SortFunc(s.Executors, func(x, y ExecutorStatus) int {
		return cmp.Or(cmp.Compare(x.Framework, y.Framework), cmp.Compare(x.Executor, y.Executor))
	})
	return s
}
