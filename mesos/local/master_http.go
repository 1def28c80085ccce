package local

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

const streamIDHeader = "Mesos-Stream-Id"

// ServeHTTP routes the master's requests.
func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/master"), "/")
	switch path {
	case "/api/v1/scheduler":
		m.serveScheduler(w, r)
	case "/state", "/state.json", "/frameworks": // of which the last is a part
		m.serveState(w, r)
	case "/teardown":
		m.serveTeardown(w, r)
	case "/health":
		w.WriteHeader(http.StatusOK)
	default:
		httpErrorf(http.StatusNotFound, "404 Not Found.").write(w)
	}
}

// unready answers for a master that is still starting: 404 while the routes are not there
// yet, then 503.
func unready(serving time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if time.Now().Before(serving) {
			httpErrorf(http.StatusNotFound, "404 Not Found.").write(w)
			return
		}
		httpErrorf(http.StatusServiceUnavailable, "Master has not finished recovery").write(w)
	}
}

func (m *master) serveScheduler(w http.ResponseWriter, r *http.Request) {
	if !m.authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-scheduler"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	call := &scheduler.Call{}
	typed, herr := readCall(w, r, call)
	if herr == nil {
		herr = validateSchedulerCall(call, typed)
	}
	if herr == nil {
		herr = m.samePrincipal(r, call)
	}
	var media string
	if herr == nil {
		media, herr = negotiate(r)
	}
	if herr != nil {
		herr.write(w)
		return
	}
	if call.Type == scheduler.Call_SUBSCRIBE {
		m.serveSubscribe(w, r, call, media)
		return
	}
	if !m.loop.do(r.Context(), func() { herr = m.handle(call, r.Header) }) {
		return
	}
	if herr != nil {
		herr.write(w)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// serveTeardown removes a framework by an operator's hand: POST frameworkId=ID.
func (m *master) serveTeardown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		httpErrorf(http.StatusMethodNotAllowed, "405 Method Not Allowed. Expecting one of { 'POST' }, but received '%s'.", r.Method).write(w)
		return
	}
	id := r.PostFormValue("frameworkId")
	if id == "" {
		httpErrorf(http.StatusBadRequest, "Missing 'frameworkId' query parameter in the request body").write(w)
		return
	}
	found := false
	if !m.loop.do(r.Context(), func() {
		var f *framework
		if f, found = m.frameworks[id]; found {
			m.log.Info("framework torn down by an operator", "framework", id)
			m.remove(f)
		}
	}) {
		return
	}
	if !found {
		httpErrorf(http.StatusBadRequest, "No framework found with specified ID").write(w)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// authenticated says whether a request may be looked at.
func (m *master) authenticated(r *http.Request) bool {
	if m.cfg.Credentials == nil {
		return true
	}
	principal, given, ok := r.BasicAuth()
	secret, known := m.cfg.Credentials[principal]
	return ok && known && subtle.ConstantTimeCompare([]byte(secret), []byte(given)) == 1
}

// samePrincipal refuses a framework whose principal is not the one that was authenticated.
func (m *master) samePrincipal(r *http.Request, call *scheduler.Call) *httpError {
	if m.cfg.Credentials == nil || call.Type != scheduler.Call_SUBSCRIBE {
		return nil
	}
	principal, _, _ := r.BasicAuth()
	info := call.Subscribe.FrameworkInfo
	if info.Principal == nil { // one that the caller does not name is filled in
		info.Principal = &principal
	}
	if info.GetPrincipal() != principal {
		return httpErrorf(http.StatusBadRequest, "Failed to validate scheduler::Call: "+
			"Authenticated principal '%s' does not match principal '%s' set in `FrameworkInfo`", principal, info.GetPrincipal())
	}
	return nil
}

func (m *master) serveSubscribe(w http.ResponseWriter, r *http.Request, call *scheduler.Call, media string) {
	if r.Header.Get(streamIDHeader) != "" {
		httpErrorf(http.StatusBadRequest, "Subscribe calls should not include the 'Mesos-Stream-Id' header").write(w)
		return
	}
	var s *stream
	if !m.loop.do(r.Context(), func() { s = m.subscribe(call, media) }) {
		return
	}
	// The stream's end is told however serve returns: it panics when the stream is cut.
	defer m.loop.post(func() { m.streamGone(s) })
	s.serve(w, r)
}

// body is what a call of each type must carry.
var callBodies = map[scheduler.Call_Type]struct {
	name    string
	present func(*scheduler.Call) bool
}{
	scheduler.Call_SUBSCRIBE:              {"subscribe", func(c *scheduler.Call) bool { return c.Subscribe != nil }},
	scheduler.Call_ACCEPT:                 {"accept", func(c *scheduler.Call) bool { return c.Accept != nil }},
	scheduler.Call_DECLINE:                {"decline", func(c *scheduler.Call) bool { return c.Decline != nil }},
	scheduler.Call_ACCEPT_INVERSE_OFFERS:  {"accept_inverse_offers", func(c *scheduler.Call) bool { return c.AcceptInverseOffers != nil }},
	scheduler.Call_DECLINE_INVERSE_OFFERS: {"decline_inverse_offers", func(c *scheduler.Call) bool { return c.DeclineInverseOffers != nil }},
	scheduler.Call_KILL:                   {"kill", func(c *scheduler.Call) bool { return c.Kill != nil }},
	scheduler.Call_SHUTDOWN:               {"shutdown", func(c *scheduler.Call) bool { return c.Shutdown != nil }},
	scheduler.Call_ACKNOWLEDGE:            {"acknowledge", func(c *scheduler.Call) bool { return c.Acknowledge != nil }},
	scheduler.Call_RECONCILE:              {"reconcile", func(c *scheduler.Call) bool { return c.Reconcile != nil }},
	scheduler.Call_MESSAGE:                {"message", func(c *scheduler.Call) bool { return c.Message != nil }},
	scheduler.Call_REQUEST:                {"request", func(c *scheduler.Call) bool { return c.Request != nil }},
}

func validateSchedulerCall(c *scheduler.Call, typed bool) *httpError {
	invalid := func(format string, args ...any) *httpError {
		return httpErrorf(http.StatusBadRequest, "Failed to validate scheduler::Call: "+format, args...)
	}
	if c.Type == scheduler.Call_UNKNOWN && !typed {
		return invalid("Expecting 'type' to be present")
	}
	if body, ok := callBodies[c.Type]; ok && !body.present(c) {
		if c.Type != scheduler.Call_SUBSCRIBE && c.FrameworkID == nil {
			return invalid("Expecting 'framework_id' to be present")
		}
		return invalid("Expecting '%s' to be present", body.name)
	}
	if c.Type == scheduler.Call_SUBSCRIBE {
		if c.GetFrameworkID().GetValue() != c.Subscribe.FrameworkInfo.GetID().GetValue() {
			return invalid("'framework_id' differs from 'subscribe.framework_info.id'")
		}
		return nil
	}
	if c.FrameworkID == nil {
		return invalid("Expecting 'framework_id' to be present")
	}
	if c.Type == scheduler.Call_ACKNOWLEDGE && len(c.Acknowledge.UUID) != 16 {
		return invalid("Not a valid UUID")
	}
	return nil
}
