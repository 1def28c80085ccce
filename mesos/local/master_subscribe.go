package local

import (
	"fmt"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// subscribe makes, resumes or takes over a framework. It always returns a stream: a refusal
// is an ERROR event and the stream's end.
func (m *master) subscribe(call *scheduler.Call, media string) *stream {
	info := call.Subscribe.FrameworkInfo
	s := newStream(newID(), media, &m.srv.gate, m.log)
	refuse := func(text string) *stream {
		s.send(errorEvent(text))
		s.end()
		return s
	}
	if problem := frameworkProblem(info); problem != "" {
		return refuse(problem)
	}
	if strange := m.strangeRoles(info); len(strange) > 0 {
		return refuse(fmt.Sprintf("Roles { %s } are not present in the master's --roles", strings.Join(strange, ", ")))
	}
	roles := (&framework{info: info}).roles()
	if strange := slices.DeleteFunc(slices.Clone(call.Subscribe.SuppressedRoles), func(role string) bool { return slices.Contains(roles, role) }); len(strange) > 0 {
		return refuse(fmt.Sprintf("Suppressed roles { %s } are not contained in the set of roles", strings.Join(strange, ", ")))
	}
	id := info.GetID().GetValue()
	if m.removed[id] != nil {
		return refuse("Framework has been removed")
	}
	f := m.frameworks[id]
	switch {
	case f != nil && info.GetPrincipal() != f.info.GetPrincipal():
		return refuse("Changing framework's principal is not allowed.")
	case f != nil:
		info.User, info.Checkpoint = f.info.User, f.info.Checkpoint // these stay what they were
	default:
		if id == "" {
			id = m.newFrameworkID()
		}
		f = &framework{
			id: id, tasks: map[string]*task{}, unreached: map[string]*task{}, registered: time.Now(),
		}
		m.frameworks[id] = f
	}
	info.ID = &mesos.FrameworkID{Value: id}
	m.update(f, info)
	m.detach(f, true)
	f.suppressed = map[string]bool{}
	for _, role := range call.Subscribe.SuppressedRoles {
		f.suppressed[role] = true
	}
	f.filters = nil
	s.name, s.takesOver = info.Name, f.known
	f.known, f.stream = true, s
	if f.expiry != nil {
		f.expiry.Stop()
		f.expiry = nil
	}
	m.greet(f)
	for _, a := range m.agents {
		a.link.toAgent(func(ag *agent) { ag.frameworkUpdated(info) })
	}
	m.log.Info("framework subscribed", "framework", id, "name", info.Name)
	m.holdSomeBack()
	m.allocate(nil)
	return s
}

// greet sends what every stream starts with.
func (m *master) greet(f *framework) {
	heartbeat := m.cfg.HeartbeatInterval.Seconds()
	m.send(f, &scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: f.id}, HeartbeatIntervalSeconds: &heartbeat, MasterInfo: m.info,
	}})
	m.beat(f, f.stream)
}

// beat sends a heartbeat now and after every interval, as long as the stream is f's.
func (m *master) beat(f *framework, s *stream) {
	if f.stream != s {
		return
	}
	if !m.quiet {
		m.send(f, &scheduler.Event{Type: scheduler.Event_HEARTBEAT})
	}
	f.heartbeat = m.loop.after(m.cfg.HeartbeatInterval, func() { m.beat(f, s) })
}

// update takes over a changed FrameworkInfo. Offers in a role that is gone are rescinded.
func (m *master) update(f *framework, info *mesos.FrameworkInfo) {
	f.info = info
	roles := f.roles()
	for _, o := range m.offersOf(f.id) {
		if !slices.Contains(roles, o.role) {
			m.rescind(o)
		}
	}
}

// detach ends f's present stream, if there is one. The offers go back.
func (m *master) detach(f *framework, failedOver bool) {
	if f.stream == nil {
		return
	}
	if failedOver {
		m.send(f, errorEvent("Framework failed over"))
	}
	m.outbox.end(f.stream)
	m.disconnected(f)
}

// streamGone is told when a stream's handler returned, for whatever reason.
func (m *master) streamGone(s *stream) {
	m.outbox.forget(s)
	for _, f := range m.frameworks {
		if f.stream == s {
			m.log.Info("framework disconnected", "framework", f.id)
			m.disconnected(f)
			m.expireLater(f)
			return
		}
	}
}

// disconnected takes f's offers back and stops its heartbeat.
func (m *master) disconnected(f *framework) {
	f.stream = nil
	if f.heartbeat != nil {
		f.heartbeat.Stop()
	}
	for _, o := range m.offersOf(f.id) {
		m.withdraw(o)
	}
	m.inverse = slices.DeleteFunc(m.inverse, func(o inverseOffer) bool { return o.framework == f.id })
}

// expireLater removes f unless it is back within its failover timeout.
func (m *master) expireLater(f *framework) {
	timeout := time.Duration(f.info.GetFailoverTimeout() * float64(time.Second))
	f.expiry = m.loop.after(max(0, timeout), func() {
		if m.frameworks[f.id] == f && f.stream == nil {
			m.log.Info("failover timeout is over", "framework", f.id)
			m.remove(f)
		}
	})
}

// remove ends a framework for good: its executors are shut down, and its resources are free
// at once, before the processes are gone.
func (m *master) remove(f *framework) {
	m.detach(f, false)
	if f.expiry != nil {
		f.expiry.Stop()
	}
	delete(m.frameworks, f.id)
	m.removed[f.id] = f
	f.removedAt = time.Now()
	m.recent = append(m.recent, f.id)
	if len(m.recent) > maxRemoved {
		m.removed[m.recent[0]] = &framework{id: m.recent[0]} // no more than its ID
		m.recent = m.recent[1:]
	}
	for _, id := range f.order {
		if t := f.tasks[id]; t != nil {
			if !terminal(t.state) {
				t.state = mesos.TASK_KILLED
			}
			m.free(t)
			f.complete(t)
		}
	}
	f.tasks, f.order = map[string]*task{}, nil
	for _, a := range m.agents {
		for key := range a.executors {
			if key.framework == f.id {
				m.freeExecutor(a, key)
			}
		}
		a.link.toAgent(func(ag *agent) { ag.shutdownFramework(f.id) })
	}
}

// maxRemoved bounds the removed frameworks that are kept for GET /state.
const maxRemoved = 50

func errorEvent(text string) *scheduler.Event {
	return &scheduler.Event{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{Message: text}}
}

// strangeRoles are a framework's roles that Config.Roles does not have, sorted.
func (m *master) strangeRoles(info *mesos.FrameworkInfo) (strange []string) {
	if len(m.cfg.Roles) == 0 {
		return nil
	}
	for _, role := range (&framework{info: info}).roles() {
		if role != "*" && !slices.Contains(m.cfg.Roles, role) {
			strange = append(strange, role)
		}
	}
	slices.Sort(strange)
	return strange
}

// frameworkProblem says in Mesos' words what is wrong with a FrameworkInfo; "" means nothing.
func frameworkProblem(info *mesos.FrameworkInfo) string {
	f := framework{info: info}
	multi := f.capable(mesos.FrameworkInfo_Capability_MULTI_ROLE)
	switch {
	case multi && info.Role != nil:
		return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
	case !multi && len(info.Roles) > 0:
		return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
	}
	seen := map[string]bool{}
	var twice []string
	for _, role := range info.Roles {
		if seen[role] {
			twice = append(twice, role)
		}
		seen[role] = true
	}
	if len(twice) > 0 {
		return fmt.Sprintf("'FrameworkInfo.roles' contains duplicate items: { %s }", strings.Join(twice, ", "))
	}
	for _, role := range f.roles() {
		if problem := roleProblem(role); problem != "" {
			if multi {
				return "'FrameworkInfo.roles' contains invalid role: " + problem
			}
			return "'FrameworkInfo.role' is not a valid role: " + problem
		}
	}
	return ""
}

func roleProblem(role string) string {
	if role == "*" {
		return ""
	}
	if role == "" {
		return "Empty role name is invalid"
	}
	for component := range strings.SplitSeq(role, "/") {
		switch {
		case component == "":
			return fmt.Sprintf("Role '%s' cannot contain two adjacent slashes, or start or end with one", role)
		case component == "." || component == ".." || component == "*":
			return fmt.Sprintf("Role component '%s' is invalid", component)
		case component[0] == '-':
			return fmt.Sprintf("Role component '%s' is invalid because it begins with a dash", component)
		case strings.ContainsAny(component, " \t\n\v\f\r\b\x7f"):
			return fmt.Sprintf("Role component '%s' is invalid because it contains backspace or whitespace", component)
		}
	}
	return ""
}
