package local

import (
	"net/http"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// handle carries out a call that is not SUBSCRIBE, or says why not.
func (m *master) handle(call *scheduler.Call, header http.Header) *httpError {
	f := m.frameworks[call.FrameworkID.Value]
	if f == nil {
		return httpErrorf(http.StatusBadRequest, "Framework cannot be found")
	}
	if f.stream == nil {
		return httpErrorf(http.StatusForbidden, "Framework is not subscribed")
	}
	if len(header.Values(streamIDHeader)) == 0 {
		return httpErrorf(http.StatusBadRequest, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
	}
	if id := header.Get(streamIDHeader); id != f.stream.id {
		return httpErrorf(http.StatusBadRequest,
			"The stream ID '%s' included in this request didn't match the stream ID currently associated with framework ID %s", id, f.id)
	}
	switch call.Type {
	case scheduler.Call_TEARDOWN:
		m.log.Info("framework torn down", "framework", f.id)
		m.remove(f)
	case scheduler.Call_ACCEPT:
		m.accept(f, call.Accept)
	case scheduler.Call_DECLINE:
		m.decline(f, call.Decline)
	case scheduler.Call_REVIVE:
		m.revive(f, call.Revive.GetRoles())
	case scheduler.Call_SUPPRESS:
		m.suppress(f, call.Suppress.GetRoles())
	case scheduler.Call_KILL:
		m.kill(f, call.Kill)
	case scheduler.Call_SHUTDOWN:
		m.toAgent(call.Shutdown.AgentID, func(a *agent) { a.shutdownExecutor(f.id, call.Shutdown.ExecutorID.Value) })
	case scheduler.Call_ACKNOWLEDGE:
		m.acknowledge(f, call.Acknowledge)
	case scheduler.Call_RECONCILE:
		m.reconcile(f, call.Reconcile.Tasks)
	case scheduler.Call_MESSAGE:
		msg := call.Message
		m.toAgent(msg.AgentID, func(a *agent) { a.schedulerMessage(f.id, msg.ExecutorID.Value, msg.Data) })
	case scheduler.Call_ACCEPT_INVERSE_OFFERS:
		m.answerInverse(f, call.AcceptInverseOffers.InverseOfferIDs, call.AcceptInverseOffers.Filters, InverseAccepted)
	case scheduler.Call_DECLINE_INVERSE_OFFERS:
		m.answerInverse(f, call.DeclineInverseOffers.InverseOfferIDs, call.DeclineInverseOffers.Filters, InverseDeclined)
	case scheduler.Call_REQUEST: // Mesos' own allocator ignores it too
	default:
		return httpErrorf(http.StatusNotImplemented, "%s is not supported by this local Mesos", call.Type)
	}
	return nil
}

// toAgent gives something to an agent that is connected; otherwise it is dropped.
func (m *master) toAgent(id mesos.AgentID, fn func(*agent)) {
	if a := m.agents[id.Value]; a != nil && a.connected {
		a.link.toAgent(fn)
	}
}

func (m *master) decline(f *framework, call *scheduler.Call_Decline) {
	for _, id := range call.OfferIDs {
		if o := m.offers[id.Value]; o != nil && o.framework == f.id {
			m.withdraw(o)
			m.refuse(f, o, o.resources, call.Filters)
			m.holdBack(m.agents[o.agent])
		}
	}
}

func (m *master) revive(f *framework, roles []string) {
	roles, ok := f.own(roles)
	if !ok {
		m.log.Warn("REVIVE for a role that the framework does not have", "framework", f.id)
		return
	}
	for _, role := range roles {
		delete(f.suppressed, role)
	}
	f.filters = slices.DeleteFunc(f.filters, func(x filter) bool { return slices.Contains(roles, x.role) })
	m.holdSomeBack()
	m.allocate(nil)
}

func (m *master) suppress(f *framework, roles []string) {
	roles, ok := f.own(roles)
	if !ok {
		m.log.Warn("SUPPRESS for a role that the framework does not have", "framework", f.id)
		return
	}
	for _, role := range roles {
		f.suppressed[role] = true
	}
}

// own is roles, or all of f's roles where none are named; false if one is not f's.
func (f *framework) own(roles []string) ([]string, bool) {
	mine := f.roles()
	if len(roles) == 0 {
		return mine, true
	}
	for _, role := range roles {
		if !slices.Contains(mine, role) {
			return nil, false
		}
	}
	return roles, true
}

func (m *master) kill(f *framework, call *scheduler.Call_Kill) {
	t := f.tasks[call.TaskID.Value]
	if t == nil {
		m.reconcileOne(f, call.TaskID.Value, call.AgentID.GetValue())
		return
	}
	a := m.agents[t.agent]
	a.pendingKills = append(a.pendingKills, pendingKill{f.id, t.id, call.KillPolicy})
	m.deliverKills(a)
}

// deliverKills sends what an agent is to kill; an agent that is away gets it when it is back.
func (m *master) deliverKills(a *masterAgent) {
	if !a.connected {
		return
	}
	for _, k := range a.pendingKills {
		a.link.toAgent(func(ag *agent) { ag.killTask(k.framework, k.task, k.policy) })
	}
	a.pendingKills = nil
}

type pendingKill struct {
	framework, task string
	policy          *mesos.KillPolicy
}

func (m *master) acknowledge(f *framework, call *scheduler.Call_Acknowledge) {
	a := m.agents[call.AgentID.Value]
	if a == nil || !a.connected {
		return
	}
	a.link.toAgent(func(ag *agent) { ag.acknowledge(f.id, call.TaskID.Value, call.UUID) })
	t := f.tasks[call.TaskID.Value]
	if t != nil && t.agent == a.id && terminal(t.sentState) && string(t.sent) == string(call.UUID) {
		f.drop(t)
	}
}

// drop moves a task to the completed ones.
func (f *framework) drop(t *task) {
	delete(f.tasks, t.id)
	f.order = slices.DeleteFunc(f.order, func(id string) bool { return id == t.id })
	f.complete(t)
}

// maxCompleted bounds the completed tasks that are kept for GET /state.
const maxCompleted = 1000

func (f *framework) complete(t *task) {
	f.completed = append(f.completed, t)
	if len(f.completed) > maxCompleted {
		f.completed = f.completed[1:]
	}
}
