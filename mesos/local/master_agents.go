package local

import (
	"fmt"
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// registration is what an agent says of itself when it registers.
type registration struct {
	id        string // empty the first time
	info      *mesos.AgentInfo
	cfg       AgentConfig
	port      int
	executors []registeredExecutor
	tasks     []registeredTask
}

type registeredExecutor struct {
	framework *mesos.FrameworkInfo
	info      mesos.ExecutorInfo
}

type registeredTask struct {
	framework *mesos.FrameworkInfo
	info      mesos.TaskInfo
	status    *mesos.TaskStatus // the latest; nil before any
	state     mesos.TaskState
}

// register takes an agent in: a new one, one that is back, or one that this master has not
// seen because it was restarted.
func (m *master) register(l *link, r registration) {
	a := m.agents[r.id]
	isNew := a == nil // or was given up
	switch {
	case r.id == "":
		r.id = m.newAgentID()
		a = m.newAgent(r)
	case a == nil:
		a = m.newAgent(r)
		a.link = l
		m.recover(a, r)
	default:
		a.link.cut()
	}
	a.link, a.connected, a.pings = l, true, 0
	id := a.id
	l.toAgent(func(ag *agent) { ag.registered(id) })
	for _, f := range m.frameworks {
		info := f.info
		l.toAgent(func(ag *agent) { ag.frameworkUpdated(info) })
	}
	for _, f := range m.removed {
		l.toAgent(func(ag *agent) { ag.shutdownFramework(f.id) })
	}
	m.forgetLost(a, r)
	m.deliverKills(a)
	if m.activity[id] == draining {
		m.drain(a)
	}
	m.log.Info("agent registered", "agent", id, "ip", r.cfg.IP)
	if isNew { // what an agent has that was away for a moment is offered in the next round
		m.allocate([]string{id})
	}
}

func (m *master) newAgent(r registration) *masterAgent {
	info := *r.info
	info.ID = &mesos.AgentID{Value: r.id}
	a := &masterAgent{
		id: r.id, info: &info, cfg: r.cfg, port: r.port, total: r.cfg.total(), free: r.cfg.total(),
		executors: map[executorKey]*masterExecutor{}, since: time.Now(), answers: map[string]InverseAnswer{},
	}
	m.agents[r.id] = a
	return a
}

// recover takes over the executors and tasks of an agent that this master did not know (any
// more), and tells their frameworks.
func (m *master) recover(a *masterAgent, r registration) {
	_, unreachable := m.unreached[a.id]
	delete(m.unreached, a.id)
	for _, e := range r.executors {
		if m.removed[e.framework.ID.Value] != nil {
			continue
		}
		p, err := poolOf(e.info.Resources)
		if err != nil {
			m.log.Error("an executor has malformed resources", "error", err)
			continue
		}
		a.executors[executorKey{e.framework.ID.Value, e.info.ExecutorID.Value}] = &masterExecutor{info: e.info, resources: p}
		a.free = a.free.minus(p.allocatedTo(""))
	}
	for _, t := range r.tasks {
		if m.removed[t.framework.ID.Value] != nil {
			continue
		}
		m.recoverTask(a, t, unreachable)
	}
}

func (m *master) recoverTask(a *masterAgent, r registeredTask, unreachable bool) {
	f := m.frameworks[r.framework.ID.Value]
	if f == nil { // its scheduler is not back yet; until it was, Mesos has no failover timeout for it
		f = &framework{
			id: r.framework.ID.Value, info: r.framework, tasks: map[string]*task{}, unreached: map[string]*task{},
			suppressed: map[string]bool{}, registered: time.Now(), known: true,
		}
		m.frameworks[f.id] = f
	}
	if f.tasks[r.info.TaskID.Value] != nil {
		// The ID was used again while this agent was away: the newer task counts.
		id, framework := r.info.TaskID.Value, f.id
		a.link.toAgent(func(ag *agent) { ag.killTask(framework, id, nil) })
		return
	}
	p, err := poolOf(r.info.Resources)
	if err != nil {
		m.log.Error("a task has malformed resources", "error", err)
		return
	}
	t := &task{
		id: r.info.TaskID.Value, name: r.info.Name, framework: f.id, agent: a.id, resources: p,
		labels: r.info.Labels, discovery: r.info.Discovery, state: r.state, status: r.status,
	}
	if len(p) > 0 {
		t.role = p[0].kind.allocation
	}
	if r.info.Executor != nil {
		t.executor = r.info.Executor.ExecutorID.Value
	}
	if old := f.unreached[t.id]; old != nil {
		t.statuses = old.statuses
		delete(f.unreached, t.id)
	}
	f.tasks[t.id] = t
	f.order = append(f.order, t.id)
	if terminal(t.state) {
		t.freed = true
		return
	}
	a.free = a.free.minus(p.allocatedTo(""))
	message := "Unknown agent reregistered"
	if unreachable {
		message = "Unreachable agent re-reregistered"
	}
	m.sendStatus(f, latest(t, mesos.REASON_AGENT_REREGISTERED, message))
}

// forgetLost ends what the master thinks is on an agent and the agent does not know: it was
// sent and lost on the way.
func (m *master) forgetLost(a *masterAgent, r registration) {
	known := map[[2]string]bool{}
	for _, t := range r.tasks {
		known[[2]string{t.framework.ID.Value, t.info.TaskID.Value}] = true
	}
	for _, t := range m.tasksOn(a.id) {
		if known[[2]string{t.framework, t.id}] || terminal(t.state) {
			continue
		}
		f := m.frameworks[t.framework]
		state := ifAware(f.partitionAware(), mesos.TASK_DROPPED)
		t.state = state
		m.free(t)
		f.drop(t)
		m.sendStatus(f, taskStatus(t, state, mesos.REASON_RECONCILIATION, "Task is unknown to the agent"))
	}
	executors := map[executorKey]bool{}
	for _, e := range r.executors {
		executors[executorKey{e.framework.ID.Value, e.info.ExecutorID.Value}] = true
	}
	for key := range a.executors {
		if !executors[key] {
			m.freeExecutor(a, key)
		}
	}
}

// agentLost is told when the connection of an agent broke: its offers are rescinded, and
// what is not checkpointed is lost.
func (m *master) agentLost(l *link) {
	a := m.agentOf(l)
	if a == nil {
		return
	}
	a.connected = false
	m.rescindAll(a)
	m.rescindInverse(a)
	for _, t := range m.tasksOn(a.id) {
		f := m.frameworks[t.framework]
		if f.info.GetCheckpoint() || terminal(t.state) {
			continue
		}
		t.state = mesos.TASK_LOST
		m.free(t)
		f.drop(t)
		m.sendStatus(f, taskStatus(t, mesos.TASK_LOST, mesos.REASON_AGENT_DISCONNECTED,
			fmt.Sprintf("Agent %s disconnected", a.info.Hostname)))
	}
	for key := range a.executors {
		if f := m.frameworks[key.framework]; f == nil || !f.info.GetCheckpoint() {
			m.freeExecutor(a, key)
		}
	}
}

func (m *master) agentOf(l *link) *masterAgent {
	for _, a := range m.agents {
		if a.link == l {
			return a
		}
	}
	return nil
}

func (m *master) rescindAll(a *masterAgent) {
	for _, id := range slices.Sorted(maps.Keys(m.offers)) {
		if o := m.offers[id]; o.agent == a.id {
			m.rescind(o)
		}
	}
}

// pingAgents counts the silent rounds of every agent and gives up those that are too many.
func (m *master) pingAgents() {
	for _, id := range slices.Sorted(maps.Keys(m.agents)) {
		a := m.agents[id]
		if a.pings >= m.cfg.AgentMaxPings {
			m.unreachable(a)
			continue
		}
		a.pings++
		a.link.toAgent(func(ag *agent) { ag.ping() })
	}
	m.loop.after(m.cfg.AgentPingTimeout, m.pingAgents)
}

func (m *master) pong(l *link) {
	if a := m.agentOf(l); a != nil {
		a.pings = 0
	}
}

// unreachable gives an agent up; it may come back.
func (m *master) unreachable(a *masterAgent) {
	m.log.Warn("agent is unreachable", "agent", a.id, "ip", a.info.Hostname)
	since := time.Now()
	m.unreached[a.id] = since
	m.dropAgent(a, func(f *framework, t *task) {
		state := ifAware(f.partitionAware(), mesos.TASK_UNREACHABLE)
		t.state = state
		f.unreached[t.id] = t
		status := taskStatus(t, state, mesos.REASON_AGENT_REMOVED, "health check timed out")
		status.UnreachableTime = &mesos.TimeInfo{Nanoseconds: since.UnixNano()}
		m.sendStatus(f, status)
	})
}

// unregister takes an agent out that says that it leaves.
func (m *master) unregister(l *link) {
	a := m.agentOf(l)
	if a == nil {
		return
	}
	m.log.Info("agent left", "agent", a.id)
	m.dropAgent(a, func(f *framework, t *task) {
		t.state = mesos.TASK_LOST
		f.complete(t)
		m.sendStatus(f, taskStatus(t, mesos.TASK_LOST, mesos.REASON_AGENT_REMOVED,
			fmt.Sprintf("Agent %s removed: the agent unregistered", a.info.Hostname)))
	})
}

// dropAgent removes an agent with all that is on it; each live task goes to lost.
func (m *master) dropAgent(a *masterAgent, lost func(*framework, *task)) {
	a.link.cut()
	for _, t := range m.tasksOn(a.id) {
		f := m.frameworks[t.framework]
		delete(f.tasks, t.id)
		f.order = slices.DeleteFunc(f.order, func(id string) bool { return id == t.id })
		if terminal(t.state) {
			f.complete(t)
			continue
		}
		lost(f, t)
	}
	m.rescindAll(a)
	m.rescindInverse(a)
	delete(m.agents, a.id)
	for _, id := range slices.Sorted(maps.Keys(m.frameworks)) {
		m.send(m.frameworks[id], &scheduler.Event{Type: scheduler.Event_FAILURE, Failure: &scheduler.Event_Failure{
			AgentID: &mesos.AgentID{Value: a.id}}})
	}
}
