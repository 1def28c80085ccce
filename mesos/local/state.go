package local

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// The types of GET /state carry the names that Mesos uses, as far as they go.
type (
	stateJSON struct {
		Version             string          `json:"version"`
		ID                  string          `json:"id"`
		PID                 string          `json:"pid"`
		Hostname            string          `json:"hostname"`
		StartTime           float64         `json:"start_time"`
		ActivatedAgents     int             `json:"activated_slaves"`
		DeactivatedAgents   int             `json:"deactivated_slaves"`
		UnreachableAgents   int             `json:"unreachable_slaves"`
		Agents              []agentJSON     `json:"slaves"`
		Frameworks          []frameworkJSON `json:"frameworks"`
		CompletedFrameworks []frameworkJSON `json:"completed_frameworks"`
	}
	resourcesJSON struct {
		CPUs  float64 `json:"cpus"`
		Mem   float64 `json:"mem"`
		Disk  float64 `json:"disk"`
		Ports string  `json:"ports,omitempty"`
	}
	agentJSON struct {
		ID               string            `json:"id"`
		Hostname         string            `json:"hostname"`
		Port             int               `json:"port"`
		PID              string            `json:"pid"`
		Attributes       map[string]string `json:"attributes"`
		RegisteredTime   float64           `json:"registered_time"`
		Active           bool              `json:"active"`
		Deactivated      bool              `json:"deactivated"`
		Resources        resourcesJSON     `json:"resources"`
		UsedResources    resourcesJSON     `json:"used_resources"`
		OfferedResources resourcesJSON     `json:"offered_resources"`
	}
	frameworkJSON struct {
		ID               string         `json:"id"`
		Name             string         `json:"name"`
		User             string         `json:"user"`
		Principal        string         `json:"principal,omitempty"`
		FailoverTimeout  float64        `json:"failover_timeout"`
		Checkpoint       bool           `json:"checkpoint"`
		Roles            []string       `json:"roles"`
		Capabilities     []string       `json:"capabilities"`
		Active           bool           `json:"active"`
		Connected        bool           `json:"connected"`
		RegisteredTime   float64        `json:"registered_time"`
		UnregisteredTime float64        `json:"unregistered_time"`
		UsedResources    resourcesJSON  `json:"used_resources"`
		OfferedResources resourcesJSON  `json:"offered_resources"`
		Tasks            []taskJSON     `json:"tasks"`
		UnreachableTasks []taskJSON     `json:"unreachable_tasks"`
		CompletedTasks   []taskJSON     `json:"completed_tasks"`
		Offers           []offerJSON    `json:"offers"`
		Executors        []executorJSON `json:"executors"`
	}
	taskJSON struct {
		ID          string        `json:"id"`
		Name        string        `json:"name"`
		FrameworkID string        `json:"framework_id"`
		ExecutorID  string        `json:"executor_id"`
		AgentID     string        `json:"slave_id"`
		State       string        `json:"state"`
		Resources   resourcesJSON `json:"resources"`
		Statuses    []statusJSON  `json:"statuses"`
		Labels      []labelJSON   `json:"labels,omitempty"`
	}
	statusJSON struct {
		State     string  `json:"state"`
		Timestamp float64 `json:"timestamp"`
		Reason    string  `json:"reason,omitempty"`
		Message   string  `json:"message,omitempty"`
	}
	labelJSON struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	offerJSON struct {
		ID        string        `json:"id"`
		AgentID   string        `json:"slave_id"`
		Role      string        `json:"role"`
		Resources resourcesJSON `json:"resources"`
	}
	executorJSON struct {
		ExecutorID string        `json:"executor_id"`
		AgentID    string        `json:"slave_id"`
		Resources  resourcesJSON `json:"resources"`
	}
)

func (m *master) serveState(w http.ResponseWriter, r *http.Request) {
	var b []byte
	var err error
	if !m.loop.do(r.Context(), func() { b, err = json.MarshalIndent(m.state(), "", "  ") }) {
		return
	}
	if err != nil {
		httpErrorf(http.StatusInternalServerError, "%v", err).write(w)
		return
	}
	w.Header().Set("Content-Type", mediaJSON)
	// A client that is gone needs no answer.
	_, _ = w.Write(append(b, '\n'))
}

func (m *master) state() stateJSON {
	s := stateJSON{
		Version: m.info.GetVersion(), ID: m.id, PID: m.info.GetPID(), Hostname: m.info.GetHostname(),
		StartTime: unix(m.started), UnreachableAgents: len(m.unreached),
		Agents: []agentJSON{}, Frameworks: []frameworkJSON{}, CompletedFrameworks: []frameworkJSON{},
	}
	for _, id := range slices.Sorted(maps.Keys(m.agents)) {
		a := m.agents[id]
		s.Agents = append(s.Agents, m.agentState(a))
		if a.connected && m.activity[a.id] == active {
			s.ActivatedAgents++
		} else {
			s.DeactivatedAgents++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.frameworks)) {
		s.Frameworks = append(s.Frameworks, m.frameworkState(m.frameworks[id]))
	}
	for _, id := range m.recent {
		s.CompletedFrameworks = append(s.CompletedFrameworks, m.frameworkState(m.removed[id]))
	}
	return s
}

func (m *master) agentState(a *masterAgent) agentJSON {
	var offered pool
	for _, o := range m.offers {
		if o.agent == a.id {
			offered = offered.plus(o.resources.allocatedTo(""))
		}
	}
	out := agentJSON{
		ID: a.id, Hostname: a.info.Hostname, Port: a.port, PID: fmt.Sprintf("slave(1)@%s:%d", a.info.Hostname, a.port),
		Attributes: map[string]string{}, RegisteredTime: unix(a.since), Active: a.connected && m.activity[a.id] == active, Deactivated: m.activity[a.id] != active,
		Resources: a.total.json(), UsedResources: a.total.minus(a.free).minus(offered).json(), OfferedResources: offered.json(),
	}
	maps.Copy(out.Attributes, a.cfg.Attributes)
	return out
}

func (m *master) frameworkState(f *framework) frameworkJSON {
	out := frameworkJSON{
		ID: f.id, Name: f.info.Name, User: f.info.User, Principal: f.info.GetPrincipal(),
		FailoverTimeout: f.info.GetFailoverTimeout(), Checkpoint: f.info.GetCheckpoint(), Roles: f.roles(), Capabilities: []string{},
		Active: f.stream != nil, Connected: f.stream != nil, RegisteredTime: unix(f.registered),
		Tasks: []taskJSON{}, UnreachableTasks: []taskJSON{}, CompletedTasks: []taskJSON{}, Offers: []offerJSON{}, Executors: []executorJSON{},
	}
	if !f.removedAt.IsZero() {
		out.UnregisteredTime = unix(f.removedAt)
	}
	for _, c := range f.info.Capabilities {
		out.Capabilities = append(out.Capabilities, c.Type.String())
	}
	var used, offered pool
	for _, id := range f.order {
		t := f.tasks[id]
		out.Tasks = append(out.Tasks, t.json())
		if !t.freed {
			used = used.plus(t.resources)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.unreached)) {
		out.UnreachableTasks = append(out.UnreachableTasks, f.unreached[id].json())
	}
	for _, t := range f.completed {
		out.CompletedTasks = append(out.CompletedTasks, t.json())
	}
	for _, id := range slices.Sorted(maps.Keys(m.agents)) {
		for key, e := range m.agents[id].executors {
			if key.framework == f.id {
				used = used.plus(e.resources)
				out.Executors = append(out.Executors, executorJSON{ExecutorID: key.executor, AgentID: id, Resources: e.resources.json()})
			}
		}
	}
	slices.SortFunc(out.Executors, func(x, y executorJSON) int {
		return cmp.Or(cmp.Compare(x.AgentID, y.AgentID), cmp.Compare(x.ExecutorID, y.ExecutorID))
	})
	for _, o := range m.offersOf(f.id) {
		offered = offered.plus(o.resources)
		out.Offers = append(out.Offers, offerJSON{ID: o.id, AgentID: o.agent, Role: o.role, Resources: o.resources.json()})
	}
	out.UsedResources, out.OfferedResources = used.json(), offered.json()
	return out
}

func (t *task) json() taskJSON {
	out := taskJSON{
		ID: t.id, Name: t.name, FrameworkID: t.framework, ExecutorID: t.executor, AgentID: t.agent,
		State: t.state.String(), Resources: t.resources.json(), Statuses: []statusJSON{},
	}
	for _, s := range t.statuses {
		status := statusJSON{State: s.GetState().String(), Timestamp: s.GetTimestamp(), Message: s.GetMessage()}
		if s.Reason != nil {
			status.Reason = s.Reason.String()
		}
		out.Statuses = append(out.Statuses, status)
	}
	for _, l := range labels(t.labels) {
		out.Labels = append(out.Labels, labelJSON{Key: l.Key, Value: l.GetValue()})
	}
	return out
}

func labels(l *mesos.Labels) []mesos.Label {
	if l == nil {
		return nil
	}
	return l.Labels
}

// json sums a pool over reservations and allocations.
func (p pool) json() resourcesJSON {
	var ports []portRange
	for _, a := range p {
		if a.kind.name == "ports" {
			ports = union(ports, a.ranges)
		}
	}
	out := resourcesJSON{
		CPUs: float64(p.milliOf("cpus")) / 1000, Mem: float64(p.milliOf("mem")) / 1000, Disk: float64(p.milliOf("disk")) / 1000,
	}
	if len(ports) > 0 {
		out.Ports = formatRanges(ports)
	}
	return out
}
