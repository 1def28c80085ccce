package local

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// accept launches tasks on offers; what they leave goes back, with the call's filters.
func (m *master) accept(f *framework, call *scheduler.Call_Accept) {
	m.disturb(f, call)
	offers, problem := m.take(f, call.OfferIDs)
	if problem != "" {
		for _, t := range tasksOf(call.Operations) {
			m.refuseTask(f, t, mesos.TASK_DROPPED, mesos.REASON_INVALID_OFFERS, "Task launched with invalid offers: "+problem)
		}
		return
	}
	if len(offers) == 0 {
		return
	}
	a := m.agents[offers[0].agent]
	var rest pool
	for _, o := range offers {
		rest = rest.plus(o.resources)
	}
	for _, op := range call.Operations {
		switch op.Type {
		case mesos.Offer_Operation_LAUNCH:
			if op.Launch != nil {
				rest = m.launch(f, a, offers[0].role, rest, op.Launch.TaskInfos)
			}
		case mesos.Offer_Operation_LAUNCH_GROUP:
			for _, t := range tasksOf([]mesos.Offer_Operation{op}) {
				m.refuseTask(f, t, mesos.TASK_ERROR, mesos.REASON_TASK_GROUP_INVALID, "LAUNCH_GROUP is not supported by this local Mesos")
			}
		default:
			m.log.Warn("operation is not supported and ignored", "type", op.Type.String())
		}
	}
	a.free = a.free.plus(rest.allocatedTo(""))
	m.refuse(f, offers[0], rest, call.Filters)
	m.holdBack(a)
	m.loseFor(f, a, call)
}

// take uses up the offers of an ACCEPT. Where one of them is not good, all of them go back
// without a filter, and the problem is returned.
func (m *master) take(f *framework, ids []mesos.OfferID) ([]*offer, string) {
	var offers []*offer
	problem := ""
	seen := map[string]bool{}
	for _, id := range ids {
		o := m.offers[id.Value]
		switch {
		case seen[id.Value]:
			problem = cmp.Or(problem, fmt.Sprintf("Duplicate offer %s in offer list", id.Value))
			continue
		case o == nil || o.framework != f.id:
			problem = cmp.Or(problem, fmt.Sprintf("Offer %s is no longer valid", id.Value))
			continue
		case len(offers) > 0 && o.agent != offers[0].agent:
			problem = cmp.Or(problem, fmt.Sprintf("Aggregated offers must belong to one single agent. Offer %s uses agent %s and agent %s",
				id.Value, o.agent, offers[0].agent))
		case len(offers) > 0 && o.role != offers[0].role:
			problem = cmp.Or(problem, fmt.Sprintf("Aggregated offers must be allocated to the same role. Offer %s uses role %s but another is using role %s",
				id.Value, o.role, offers[0].role))
		}
		seen[id.Value] = true
		offers = append(offers, o)
	}
	for _, o := range offers {
		delete(m.offers, o.id)
		if problem != "" {
			if a := m.agents[o.agent]; a != nil {
				a.free = a.free.plus(o.resources.allocatedTo(""))
			}
		}
	}
	return offers, problem
}

func tasksOf(operations []mesos.Offer_Operation) []mesos.TaskInfo {
	var tasks []mesos.TaskInfo
	for _, op := range operations {
		if op.Launch != nil {
			tasks = append(tasks, op.Launch.TaskInfos...)
		}
		if op.LaunchGroup != nil {
			tasks = append(tasks, op.LaunchGroup.TaskGroup.Tasks...)
		}
	}
	return tasks
}

// launch starts the tasks of one LAUNCH that are valid and returns what they leave of rest.
func (m *master) launch(f *framework, a *masterAgent, role string, rest pool, tasks []mesos.TaskInfo) pool {
	for i := range tasks {
		allocate(tasks[i].Resources, role)
		if e := tasks[i].Executor; e != nil {
			allocate(e.Resources, role)
			if e.FrameworkID == nil {
				e.FrameworkID = &mesos.FrameworkID{Value: f.id}
			}
		}
	}
	for i := range tasks {
		if _, err := poolOf(tasks[i].Resources); err != nil {
			for _, t := range tasks { // one malformed resource fails the whole operation
				m.refuseTask(f, t, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID, err.Error())
			}
			return rest
		}
	}
	for _, info := range tasks {
		used, problem := m.validateTask(f, a, rest, info)
		if problem != "" {
			m.refuseTask(f, info, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID, problem)
			continue
		}
		m.start(f, a, role, info)
		rest = rest.minus(used)
	}
	return rest
}

// start records a task and gives it to its agent.
func (m *master) start(f *framework, a *masterAgent, role string, info mesos.TaskInfo) {
	resources, err := poolOf(info.Resources)
	if err != nil {
		m.log.Error("a validated task has malformed resources", "task", info.TaskID.Value, "error", err)
		return
	}
	t := &task{
		id: info.TaskID.Value, name: info.Name, framework: f.id, agent: a.id, role: role, resources: resources,
		labels: info.Labels, discovery: info.Discovery, state: mesos.TASK_STAGING,
	}
	fresh := false
	if e := info.Executor; e != nil {
		t.executor = e.ExecutorID.Value
		key := executorKey{f.id, t.executor}
		if fresh = a.executors[key] == nil; fresh {
			p, err := poolOf(e.Resources)
			if err != nil {
				m.log.Error("a validated executor has malformed resources", "executor", t.executor, "error", err)
				return
			}
			a.executors[key] = &masterExecutor{info: *e, resources: p}
		}
	}
	f.tasks[t.id] = t
	f.order = append(f.order, t.id)
	frameworkInfo := f.info
	a.link.toAgent(func(ag *agent) { ag.runTask(frameworkInfo, info, fresh) })
}

// refuseTask answers for a task that is not launched.
func (m *master) refuseTask(f *framework, info mesos.TaskInfo, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) {
	if state == mesos.TASK_DROPPED {
		state = ifAware(f.partitionAware(), state)
	}
	status := masterStatus(info.TaskID.Value, state, reason, message)
	status.AgentID = &mesos.AgentID{Value: info.AgentID.Value}
	m.sendStatus(f, status)
}

// freeExecutor gives back what an executor held.
func (m *master) freeExecutor(a *masterAgent, key executorKey) {
	if e := a.executors[key]; e != nil {
		a.free = a.free.plus(e.resources.allocatedTo(""))
		delete(a.executors, key)
	}
}

// free gives back what a task held, once.
func (m *master) free(t *task) {
	if t.freed {
		return
	}
	t.freed = true
	if a := m.agents[t.agent]; a != nil {
		a.free = a.free.plus(t.resources.allocatedTo(""))
	}
}

// tasksOn lists the tasks on an agent, by framework, oldest first.
func (m *master) tasksOn(agent string) []*task {
	var out []*task
	for _, id := range slices.Sorted(maps.Keys(m.frameworks)) {
		f := m.frameworks[id]
		for _, taskID := range f.order {
			if t := f.tasks[taskID]; t != nil && t.agent == agent {
				out = append(out, t)
			}
		}
	}
	return out
}
