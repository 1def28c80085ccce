package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/google/uuid"
)

// fault is a row of the fault matrix. Every row is run in each of its phases, once with one
// worker and once with two, in a world of its own.
type fault struct {
	name string
	// phases are those of the job, a create or (in destroying) a destroy, in which hit strikes.
	// Without any, what is wrong is so from the beginning.
	phases []contracts.Phase
	// config changes the workers, prepare the world, before the request is made.
	config  func(w *world, cfg *workerConfig)
	prepare func(w *world)
	hit     func(w *world)
	// harms says that hit would harm a cluster that is verified by then.
	harms bool
	// mend mends what hit leaves broken, once the job has ended.
	mend func(w *world)

	needs   func(w *world)          // skips what the Mesos under test cannot do
	outside bool                    // NATS is a process of its own
	local   func(cfg *local.Config) // changes Mesos
	request func(req *contracts.CreateRequest)

	// reason is what the job fails for; none: it is verified, or destroyed. says is in the
	// sentence that tells of the failure.
	reason contracts.Reason
	says   string
	// attempts is how many the job takes; 0: as many as it likes.
	attempts int
}

// every is every phase of a create in which a worker acts.
var every = []contracts.Phase{
	contracts.PhaseAccepted, contracts.PhaseWaitingResources, contracts.PhasePlanned, contracts.PhaseLaunching,
	contracts.PhaseStarting, contracts.PhaseForming, contracts.PhaseVerifying,
}

// TestFaults is the fault matrix: what happens to Mesos, NATS, agents and processes while a
// cluster is being created or destroyed.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range slices.Concat(masterFaults, offerFaults, agentFaults, natsFaults, binaryFaults) {
		for _, phase := range append(f.phases, "")[:max(len(f.phases), 1)] {
			for workers := 1; workers <= 2; workers++ {
				name := fmt.Sprintf("%s/%s/%d", f.name, phase, workers)
				if phase == "" {
					name = fmt.Sprintf("%s/%d", f.name, workers)
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					f.run(t, phase, workers)
				})
			}
		}
	}
}

func (f fault) run(t *testing.T, phase contracts.Phase, workers int) {
	start := newWorld
	if f.outside {
		start = newWorldOutside
	}
	w := start(t, agents(4, 4, 4096), quick, func(c *local.Config) {
		if f.local != nil {
			f.local(c)
		}
	})
	if f.needs != nil {
		f.needs(w)
	}
	if phase == contracts.PhaseWaitingResources {
		w.needsOperator()
	}
	if f.prepare != nil {
		f.prepare(w)
	}
	stop := w.workers(workers, func(cfg *workerConfig) {
		if f.config != nil {
			f.config(w, cfg)
		}
	})
	req := request("faulty", 3, 1)
	if f.request != nil {
		f.request(&req)
	}
	h, late := f.strike(w, req, phase)
	if f.mend != nil {
		f.mend(w)
	}
	for range 2 {
		if !late {
			break
		}
		w.destroy(req.Cluster)
		req.ID = uuid.NewString()
		if h, late = f.strike(w, req, phase); f.mend != nil {
			f.mend(w)
		}
	}
	f.judge(w, h)
	if f.reason != "" { // what the workers were given does not work
		stop()
		w.workers(workers)
	}
	later := request("later", 3, 0)
	w.allWell(w.create(later))
	w.emptied()
}

// strike makes the request and lets the fault hit in its phase; it returns the history of the
// job that was hit. It is late if it may have been the verified cluster that was hit: on a busy machine
// an operator's command takes its time.
func (f fault) strike(w *world, req contracts.CreateRequest, phase contracts.Phase) (_ history, late bool) {
	w.t.Helper()
	job := req.ID
	switch phase {
	case "":
		return w.create(req), false
	case contracts.PhaseDestroying:
		w.verified(w.create(req))
		down := contracts.DestroyRequest{ID: "5b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: req.Cluster}
		job = down.ID
		w.publish(contracts.SubjectDestroy, down)
	case contracts.PhaseWaitingResources: // two hosts are not enough
		w.twoHosts()
		w.publish(contracts.SubjectCreate, req)
		w.at(job, phase)
		f.hit(w)
		w.allHosts()
		return w.await(job), false
	default:
		w.publish(contracts.SubjectCreate, req)
	}
	w.at(job, phase)
	f.hit(w)
	struck := time.Now()
	h := w.await(job)
	return h, f.harms && h.kind(h.end()) == contracts.EventVerified && h.end().Time.Before(struck.Add(time.Second/2))
}

// judge checks that the job ended as it should and that what its end says is true.
func (f fault) judge(w *world, h history) {
	w.t.Helper()
	if f.attempts > 0 && !underChaos() && h.end().Data.Attempt != f.attempts {
		w.t.Errorf("%d attempts instead of %d\n%s", h.end().Data.Attempt, f.attempts, h)
	}
	switch {
	case f.reason != "":
		end := w.failed(h, f.reason)
		if !strings.Contains(end.Data.Message, f.says) && !underChaos() { // which may take the last attempt
			w.t.Errorf("the message does not speak of %q: %s", f.says, end.Data.Message)
		}
		w.settled()
		w.silentSince(h)
		w.nothingLeft(h.end().Data.Cluster)
	case h.kind(h.end()) == contracts.EventDestroyed:
		w.settled()
		w.silentSince(h)
		w.nothingLeft(h.end().Data.Cluster)
	default:
		w.allWell(h)
	}
}

// workers starts n workers: the first in this process, the others as their users start them.
func (w *world) workers(n int, change ...func(*workerConfig)) (stop func()) {
	w.t.Helper()
	begun := w.started.Add(1)
	end := w.worker(append(change, named(fmt.Sprintf("inside-%d", begun)))...)
	var others []*process
	for i := 1; i < n; i++ {
		cfg := w.config()
		for _, f := range change {
			f(&cfg)
		}
		cfg.Name = fmt.Sprintf("outside-%d-%d", begun, i)
		others = append(others, w.processWith(cfg))
	}
	return func() {
		end()
		for _, p := range others {
			p.kill()
		}
	}
}

// quick lets Mesos notice within two seconds what else takes it minutes.
func quick(c *local.Config) {
	c.HeartbeatInterval, c.AgentPingTimeout, c.AgentMaxPings = 500*time.Millisecond, 500*time.Millisecond, 3
}

// twoHosts stops all agents but two, which are too few for most clusters.
func (w *world) twoHosts() {
	w.t.Helper()
	for _, a := range w.operator.Agents()[2:] {
		must(w.t, w.operator.CrashAgent(a.IP))
	}
}

// allHosts starts them again.
func (w *world) allHosts() {
	w.t.Helper()
	for _, a := range w.operator.Agents() {
		if !a.Up {
			must(w.t, w.operator.RestartAgent(w.t.Context(), a.IP))
		}
	}
}

// later does something after a time.
func (w *world) later(d time.Duration, do func() error) {
	w.t.Helper()
	done := make(chan error, 1)
	time.AfterFunc(d, func() { done <- do() })
	must(w.t, <-done)
}

func named(name string) func(*workerConfig) { return func(c *workerConfig) { c.Name = name } }
