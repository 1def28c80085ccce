package local

import (
	"context"
	"net/http"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// ServeHTTP routes the agent's requests.
func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/slave(1)"), "/")
	switch path {
	case "/api/v1/executor":
		a.serveExecutor(w, r)
	case "/health":
		w.WriteHeader(http.StatusOK)
	default:
		httpErrorf(http.StatusNotFound, "404 Not Found.").write(w)
	}
}

func (a *agent) serveExecutor(w http.ResponseWriter, r *http.Request) {
	var who claims
	if a.tokens != nil {
		var challenge string
		if who, challenge = a.tokens.read(r); challenge != "" {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	call := &executor.Call{}
	typed, herr := readCall(w, r, call)
	if herr == nil {
		herr = validateExecutorCall(call, typed)
	}
	var media string
	if herr == nil {
		media, herr = negotiate(r)
	}
	if herr != nil {
		herr.write(w)
		return
	}
	var s *stream
	if !a.loop.do(r.Context(), func() { s, herr = a.handle(call, media, who) }) {
		return
	}
	switch {
	case herr != nil:
		herr.write(w)
	case s != nil:
		// The stream's end is told however serve returns: it panics when the stream is cut.
		defer a.loop.post(func() { a.streamGone(s) })
		s.serve(w, r)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func validateExecutorCall(c *executor.Call, typed bool) *httpError {
	invalid := func(format string, args ...any) *httpError {
		return httpErrorf(http.StatusBadRequest, "Failed to validate Executor::Call: "+format, args...)
	}
	switch {
	case c.Type == executor.Call_UNKNOWN && !typed:
		return invalid("Expecting 'type' to be present")
	case c.Type == executor.Call_SUBSCRIBE && c.Subscribe == nil:
		return invalid("Expecting 'subscribe' to be present")
	case c.Type == executor.Call_MESSAGE && c.Message == nil:
		return invalid("Expecting 'message' to be present")
	case c.Type != executor.Call_UPDATE:
		return nil
	case c.Update == nil:
		return invalid("Expecting 'update' to be present")
	}
	status := &c.Update.Status
	from := "executor " + c.ExecutorID.Value + " of framework " + c.FrameworkID.Value
	switch {
	case status.UUID == nil:
		return invalid("Expecting 'uuid' to be present")
	case len(status.UUID) != 16:
		return invalid("Not a valid UUID")
	case status.ExecutorID != nil && status.ExecutorID.Value != c.ExecutorID.Value:
		return invalid("ExecutorID in Call: %s does not match ExecutorID in TaskStatus: %s", c.ExecutorID.Value, status.ExecutorID.Value)
	case status.GetSource() != mesos.SOURCE_EXECUTOR:
		return invalid("Received Call from %s with invalid source, expecting 'SOURCE_EXECUTOR'", from)
	case status.GetState() == mesos.TASK_STAGING:
		return invalid("Received TASK_STAGING from %s which is not allowed", from)
	}
	return nil
}

// handle carries out an executor's call; SUBSCRIBE returns its stream.
func (a *agent) handle(call *executor.Call, media string, who claims) (*stream, *httpError) {
	f := a.frameworks[call.FrameworkID.Value]
	if f == nil {
		return nil, httpErrorf(http.StatusBadRequest, "Framework cannot be found")
	}
	e := f.executors[call.ExecutorID.Value]
	if e == nil || e.command != nil || e.process == nil {
		return nil, httpErrorf(http.StatusBadRequest, "Executor cannot be found")
	}
	if a.tokens != nil {
		if herr := who.allow(call, e.container); herr != nil {
			return nil, herr
		}
	}
	if call.Type == executor.Call_SUBSCRIBE {
		return a.subscribe(e, call.Subscribe, media), nil
	}
	if e.state == executorRegistering {
		return nil, httpErrorf(http.StatusForbidden, "Executor is not subscribed")
	}
	switch call.Type {
	case executor.Call_UPDATE:
		a.update(e, call.Update.Status)
	case executor.Call_MESSAGE:
		framework, id, data, agentID := call.FrameworkID.Value, call.ExecutorID.Value, call.Message.Data, a.id
		a.toMaster(func(m *master) { m.executorMessage(agentID, framework, id, data) })
	default:
		return nil, httpErrorf(http.StatusNotImplemented, "%s is not supported by this local Mesos", call.Type)
	}
	return nil, nil
}

// subscribe takes an executor in, the first time or again.
func (a *agent) subscribe(e *agentExecutor, call *executor.Call_Subscribe, media string) *stream {
	s := newStream("", media, &a.srv.gate, a.log)
	s.wire = a.cfg.chaos.wire(a.place, e.framework.info.Name, len(e.queue))
	if e.state == executorTerminating {
		s.send(&executor.Event{Type: executor.Event_SHUTDOWN})
		s.end()
		return s
	}
	if e.stream != nil {
		e.stream.end()
	}
	e.stream = s
	if e.timer != nil {
		e.timer.Stop()
	}
	e.state = executorRunning
	e.back = true
	a.dropUnknown(e, call)
	if !a.everSentTask(e) && len(e.queue) == 0 {
		a.shutdownExecutor(e.framework.info.ID.Value, e.info.ExecutorID.Value)
		return s
	}
	s.send(&executor.Event{Type: executor.Event_SUBSCRIBED, Subscribed: &executor.Event_Subscribed{
		ExecutorInfo: e.info, FrameworkInfo: *e.framework.info, AgentInfo: *a.info,
		ContainerID: &mesos.ContainerID{Value: e.container},
	}})
	for _, u := range call.UnacknowledgedUpdates {
		a.update(e, u.Status)
	}
	a.deliver(e)
	return s
}

// dropUnknown drops the tasks that were on their way when the connection broke, or the agent ended, and that the
// executor has not got.
func (a *agent) dropUnknown(e *agentExecutor, call *executor.Call_Subscribe) {
	known := func(id string) bool {
		return slices.ContainsFunc(call.UnacknowledgedTasks, func(t mesos.TaskInfo) bool { return t.TaskID.Value == id }) ||
			slices.ContainsFunc(call.UnacknowledgedUpdates, func(u executor.Call_Update) bool { return u.Status.TaskID.Value == id })
	}
	aware := (&framework{info: e.framework.info}).partitionAware()
	for _, t := range a.tasksOf(e) {
		if t.delivered && t.state == mesos.TASK_STAGING && !known(t.info.TaskID.Value) {
			a.fail(t, ifAware(aware, mesos.TASK_DROPPED), ending{mesos.REASON_AGENT_RESTARTED, "Task launched during agent restart"})
		}
	}
}

// everSentTask says whether an executor is known to have had a task (Executor::everSentTask): one that never had
// any, and for which none is queued, is shut down when it subscribes.
func (a *agent) everSentTask(e *agentExecutor) bool {
	return len(e.seen) > 0 ||
		slices.ContainsFunc(a.tasksOf(e), func(t *agentTask) bool { return t.delivered && !terminal(t.state) })
}

// update takes an executor's update and acknowledges that it is stored. Of a framework that was torn
// down, or with the ID of another agent, it is ignored; about a task that the executor never had it is
// passed on and not acknowledged.
func (a *agent) update(e *agentExecutor, status mesos.TaskStatus) {
	if e.framework.ending || status.AgentID != nil && status.AgentID.Value != a.id {
		return
	}
	_, had := e.over[status.TaskID.Value]
	had = had || a.tasks[taskKey{e.framework.info.ID.Value, status.TaskID.Value}] != nil
	if uuid := string(status.UUID); !e.seen[uuid] {
		e.seen[uuid] = true
		if status.Timestamp == nil {
			now := unixNow()
			status.Timestamp = &now
		}
		a.addUpdate(e, status)
	}
	if had {
		e.send(&executor.Event{Type: executor.Event_ACKNOWLEDGED, Acknowledged: &executor.Event_Acknowledged{
			TaskID: status.TaskID, UUID: status.UUID}})
	}
}

// streamGone is told when a stream's handler returned. The executor may subscribe again.
func (a *agent) streamGone(s *stream) {
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			if e.stream == s {
				e.stream = nil
			}
		}
	}
}

var _ http.Handler = (*agent)(nil)

// cutStreams closes the executors' connections; they have to subscribe again.
func (a *agent) cutStreams(ctx context.Context) bool {
	return a.loop.do(ctx, func() {
		for _, f := range a.frameworks {
			for _, e := range f.executors {
				if e.stream != nil {
					e.stream.cut()
					e.stream = nil
				}
			}
		}
	})
}
