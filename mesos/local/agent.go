package local

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// agent is one agent. What a real one checkpoints to disk (frameworks, executors, tasks,
// updates) lives in this value and so survives a crash and a restart; connections, timers
// and messages under way do not.
type agent struct {
	cfg    Config
	spec   AgentConfig
	place  string // in the configuration
	log    *slog.Logger
	loop   *loop
	srv    *server
	leader func() *master // the serving master; nil while there is none
	dir    string
	work   sync.WaitGroup // processes, from their launch to their end
	seen   roster
	ctx    context.Context
	tokens *tokens // nil: executors need none

	// Owned by loop.
	id         string
	info       *mesos.AgentInfo
	link       *link // nil while not registered
	up         bool  // false after a crash
	leaving    bool
	frameworks map[string]*agentFramework
	tasks      map[taskKey]*agentTask // until the terminal update is acknowledged
	updates    map[taskKey]*updateStream
	ready      chan struct{} // closed at the next registration
	pings      *time.Timer   // fires if none come
}

type taskKey struct{ framework, task string }

// agentFramework is a framework that runs, or ran, something on an agent.
type agentFramework struct {
	info      *mesos.FrameworkInfo
	executors map[string]*agentExecutor
	ending    bool // torn down: nobody wants to hear of it
}

// agentExecutor is one run of an executor, or of a command task.
type agentExecutor struct {
	framework *agentFramework
	info      mesos.ExecutorInfo
	command   *mesos.TaskInfo // not nil: no executor of its own, just this task's command
	container string
	sandbox   string
	process   *process // nil until it is started
	stream    *stream  // nil while not subscribed
	state     executorState
	queue     []string // tasks to deliver, in order
	timer     *time.Timer
	seen      map[string]bool // uuids of updates
	over      map[string]bool // tasks that are terminal
	killed    bool            // by a KILL (command tasks)
	why       *ending         // why it ends, where that is not "Executor terminated"
	gone      bool            // it ended
	exited    *int32          // wait status, where it ended while the agent was down
	back      bool            // subscribed again since the agent's restart
}

type executorState int

const (
	executorLaunching   executorState = iota // fetching, starting
	executorRegistering                      // started, not yet subscribed
	executorRunning
	executorTerminating
)

// ending is what the live tasks of an ended executor are told.
type ending struct {
	reason  mesos.TaskStatus_Reason
	message string
}

// agentTask is a task on an agent.
type agentTask struct {
	info      mesos.TaskInfo
	executor  *agentExecutor
	state     mesos.TaskState
	status    *mesos.TaskStatus // the latest; nil before any
	delivered bool
}

func newAgent(ctx context.Context, cfg Config, place int, leader func() *master) *agent {
	spec := cfg.Agents[place]
	log := cfg.Logger.With("component", "agent", "ip", spec.IP)
	a := &agent{
		cfg: cfg, spec: spec, place: strconv.Itoa(place), log: log, loop: newLoop(), leader: leader, ctx: ctx,
		srv:        &server{ip: spec.IP, port: spec.Port, tls: cfg.AgentTLS, log: log},
		frameworks: map[string]*agentFramework{}, tasks: map[taskKey]*agentTask{}, updates: map[taskKey]*updateStream{},
		ready: make(chan struct{}),
	}
	if cfg.AuthenticateExecutors {
		a.tokens = newTokens()
	}
	return a
}

// listen takes the agent's address.
func (a *agent) listen(ctx context.Context) error {
	if err := a.srv.listen(ctx); err != nil {
		return err
	}
	a.dir = filepath.Join(a.cfg.Dir, a.srv.address())
	port := int32(a.srv.port)
	a.info = &mesos.AgentInfo{
		Hostname: a.spec.IP, Port: &port, Resources: a.spec.total().protos(true),
		Attributes: attributes(a.spec.Attributes), Domain: domain(a.spec.Region, a.spec.Zone),
	}
	return nil
}

// boot serves the executor API and registers.
func (a *agent) boot() {
	a.srv.serve(a)
	a.loop.post(func() { a.setUp(true); a.register() })
}

func (a *agent) setUp(up bool) {
	a.up = up
	a.seen.set(a.id, up)
}

// registerRetry is how often an agent looks for a master.
const registerRetry = 20 * time.Millisecond

// register announces the agent to the master; without one it tries again later.
func (a *agent) register() {
	if !a.up || a.leaving || (a.link != nil && !a.link.broken.Load()) {
		return
	}
	m := a.leader()
	if m == nil {
		a.loop.after(registerRetry, a.register)
		return
	}
	l := &link{master: m, agent: a}
	a.link = l
	r := a.registration()
	l.toMaster(func(m *master) { m.register(l, r) })
}

func (a *agent) registration() registration {
	r := registration{id: a.id, info: a.info, cfg: a.spec, port: a.srv.port}
	for _, f := range a.frameworks {
		if f.ending {
			continue
		}
		for _, e := range f.executors {
			if e.command == nil {
				r.executors = append(r.executors, registeredExecutor{framework: f.info, info: e.info})
			}
		}
	}
	for _, t := range a.tasks {
		if !t.executor.framework.ending {
			r.tasks = append(r.tasks, registeredTask{
				framework: t.executor.framework.info, info: t.info, status: t.status, state: t.state})
		}
	}
	return r
}

// registered is the master's answer.
func (a *agent) registered(id string) {
	a.id = id
	a.seen.set(id, true)
	info := *a.info
	info.ID = &mesos.AgentID{Value: id}
	a.info = &info
	a.expectPings()
	for _, s := range a.updates {
		a.resend(s)
	}
	select {
	case <-a.ready:
	default:
		close(a.ready)
	}
}

// expectPings lets the agent look again if it hears no ping for as long as the master waits for an
// answer: a busy machine may have kept one from the other.
func (a *agent) expectPings() {
	if a.pings != nil {
		a.pings.Stop()
	}
	a.pings = a.loop.after(a.cfg.AgentPingTimeout*time.Duration(a.cfg.AgentMaxPings), func() {
		a.lookAgain()
		a.expectPings()
	})
}

// masterLost is told when the connection to a master broke.
func (a *agent) masterLost(l *link) {
	if a.link == l {
		a.link = nil
		a.register()
	}
}

// ping is the master's question whether the agent lives.
func (a *agent) ping() {
	a.expectPings()
	l := a.link
	l.toMaster(func(m *master) { m.pong(l) })
}

// toMaster gives something to the master, if the agent is registered.
func (a *agent) toMaster(fn func(*master)) {
	if a.link != nil {
		a.link.toMaster(fn)
	}
}

// frameworkUpdated tells that a framework's scheduler (re-)subscribed: what it has not
// acknowledged is sent again at once.
func (a *agent) frameworkUpdated(info *mesos.FrameworkInfo) {
	f := a.frameworks[info.ID.Value]
	if f == nil {
		return
	}
	f.info = info
	for key, s := range a.updates {
		if key.framework == info.ID.Value {
			a.resend(s)
		}
	}
}

// schedulerMessage passes a MESSAGE on; an unknown or absent executor misses it.
func (a *agent) schedulerMessage(framework, executorID string, data []byte) {
	if e := a.executor(framework, executorID); e != nil {
		e.send(&executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: data}})
	}
}

func (a *agent) executor(framework, id string) *agentExecutor {
	if f := a.frameworks[framework]; f != nil {
		return f.executors[id]
	}
	return nil
}

func (e *agentExecutor) send(event *executor.Event) {
	if e.stream != nil {
		e.stream.send(event)
	}
}
