package integration

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// inFlight are the phases in which tasks run and the worker follows them.
var inFlight = []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseStarting, contracts.PhaseForming}

// masterFaults are about the worker's connection to Mesos.
var masterFaults = []fault{
	{
		name: "the master is restarted", phases: append([]contracts.Phase{contracts.PhaseAccepted, contracts.PhaseDestroying}, inFlight...),
		needs: (*world).needsOperator,
		hit: func(w *world) {
			must(w.t, w.operator.StopMaster())
			must(w.t, w.operator.StartMaster(w.t.Context()))
		},
	},
	{
		name: "connections to the master are cut", phases: append([]contracts.Phase{contracts.PhaseAccepted}, inFlight...),
		prepare: (*world).throughRelay,
		hit:     func(w *world) { w.between.cut() },
	},
	{
		name: "the master is half-open for 3 s", phases: []contracts.Phase{contracts.PhaseLaunching, contracts.PhaseForming, contracts.PhaseDestroying},
		needs: (*world).needsLocal,
		hit: func(w *world) {
			w.mesos.FreezeMaster(true)
			w.later(3*time.Second, func() error { w.mesos.FreezeMaster(false); return nil })
		},
	},
	{
		name: "the connections to the master are lost without a word", phases: append([]contracts.Phase{contracts.PhaseDestroying}, inFlight...),
		needs:   (*world).needsLocal, // whose heartbeats are fast
		prepare: (*world).throughRelay,
		hit:     func(w *world) { w.between.lose() },
	},
	{
		name: "heartbeats stop", phases: []contracts.Phase{contracts.PhaseLaunching},
		needs: (*world).needsLocal,
		hit: func(w *world) {
			must(w.t, w.mesos.StopHeartbeats(w.t.Context(), true))
			w.later(2*time.Second, func() error { return w.mesos.StopHeartbeats(w.t.Context(), false) })
		},
	},
	{
		name: "another master leads, named by a URL", phases: []contracts.Phase{contracts.PhaseAccepted, contracts.PhaseLaunching, contracts.PhaseForming},
		needs: (*world).needsLocal,
		hit:   func(w *world) { w.newLeader("http://") },
	},
	{
		name: "another master leads, named without a scheme", phases: []contracts.Phase{contracts.PhaseLaunching},
		needs: (*world).needsLocal,
		hit:   func(w *world) { w.newLeader("//") },
	},
	{
		name: "the master answers 503 for 10 s", phases: []contracts.Phase{contracts.PhaseAccepted, contracts.PhaseForming},
		needs: (*world).needsLocal,
		hit: func(w *world) {
			w.mesos.Answer(503, "Service Unavailable")
			must(w.t, w.mesos.CutStreams(w.t.Context()))
			w.later(10*time.Second, func() error { w.mesos.Answer(0, ""); return nil })
		},
	},
}

// throughRelay makes everybody reach the master through a relay.
func (w *world) throughRelay() {
	w.between = newRelay(w.t, hostOf(w.masters))
	w.masters = schemeOf(w.masters) + w.between.address()
}

// newLeader makes the master's address that of one that no longer leads: its streams end, and
// what is asked there is redirected to a relay, behind which the leader is found.
func (w *world) newLeader(prefix string) {
	w.t.Helper()
	r := newRelay(w.t, hostOf(w.masters))
	must(w.t, w.mesos.Redirect(prefix+r.address()))
	must(w.t, w.mesos.CutStreams(w.t.Context()))
}

// offerFaults are about what is offered and what is not there any more when it is accepted.
var offerFaults = []fault{
	{
		name: "offers are taken back again and again", phases: []contracts.Phase{contracts.PhaseAccepted},
		needs: (*world).needsLocal,
		hit: func(w *world) {
			for range 20 {
				must(w.t, w.mesos.RescindOffers(w.t.Context()))
			}
		},
	},
	{
		name: "an offer is rescinded just before its ACCEPT", attempts: 2,
		needs:   (*world).needsLocal,
		prepare: func(w *world) { w.beforeAccept(func(n int, _ local.Accepting) bool { return n == 1 }) },
	},
	{
		name: "all offers are rescinded just before their ACCEPT", attempts: 2,
		needs:   (*world).needsLocal,
		prepare: func(w *world) { w.beforeAccept(func(n int, _ local.Accepting) bool { return n <= 3 }) },
	},
	{
		name: "a stranger takes a port after planning", attempts: 2,
		needs:   (*world).needsLocal,
		prepare: func(w *world) { w.strangerOnPort(0) },
	},
	{
		name: "a stranger takes a bus port after planning", attempts: 2,
		needs:   (*world).needsLocal,
		prepare: func(w *world) { w.strangerOnPort(1) },
	},
}

// beforeAccept calls do with the number of each ACCEPT, from 1, before the master looks at it.
func (w *world) beforeAccept(do func(n int, a local.Accepting) (rescind bool)) {
	w.t.Helper()
	n := 0
	must(w.t, w.mesos.BeforeAccept(w.t.Context(), func(a local.Accepting) bool {
		n++
		return do(n, a)
	}))
}

// strangerOnPort lets something that Mesos knows nothing of listen on a port of the first node
// that is launched: its data port is the first, its bus port the second.
func (w *world) strangerOnPort(which int) {
	w.t.Helper()
	taken := false
	w.beforeAccept(func(_ int, a local.Accepting) bool {
		if !taken && a.IP != "" { // else its offers are gone already
			taken = true
			w.listen(a.IP, a.Ports[0][which])
		}
		return false
	})
}

// listen listens on an address until the test ends, and says nothing to anybody.
func (w *world) listen(ip string, port int) {
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", ip, port))
	if err != nil {
		w.t.Error(err)
		return
	}
	w.t.Cleanup(func() { l.Close() }) //nolint:errcheck // nothing was written
}

// agentFaults are about hosts and what runs there.
var agentFaults = []fault{
	{ // its executor may not have registered yet, and is then ended with it
		name: "an agent is restarted before all nodes are up", phases: []contracts.Phase{contracts.PhaseLaunching},
		needs: (*world).needsOperator,
		hit:   func(w *world) { w.restartAgent() },
	},
	{
		name: "an agent is restarted", phases: []contracts.Phase{contracts.PhaseStarting, contracts.PhaseForming}, attempts: 1,
		needs: (*world).needsOperator,
		local: func(cfg *local.Config) { cfg.AgentPingTimeout, cfg.AgentMaxPings = 5*time.Second, 5 }, // it is back before it is missed
		hit:   func(w *world) { w.restartAgent() },
	},
	{
		name: "a host is lost", phases: inFlight, harms: true,
		needs: (*world).needsOperator,
		hit:   func(w *world) { must(w.t, w.operator.LoseHost(w.busy().IP)) },
		mend:  (*world).allHosts,
	},
	{
		name: "an agent is cut off", phases: []contracts.Phase{contracts.PhaseLaunching},
		needs: (*world).needsLocal,
		hit:   func(w *world) { must(w.t, w.mesos.FreezeAgent(w.busy().IP, true)) },
		mend: func(w *world) {
			for _, a := range w.mesos.Agents() {
				must(w.t, w.mesos.FreezeAgent(a.IP, false))
			}
		},
	},
	{
		name: "an executor is killed", phases: inFlight, harms: true,
		needs: (*world).needsOperator,
		hit:   func(w *world) { w.killOneExecutor() },
	},
	{
		name: "a redis-server is killed", phases: []contracts.Phase{contracts.PhaseStarting, contracts.PhaseForming}, harms: true,
		needs: (*world).needsOperator,
		hit:   func(w *world) { w.killOneServer() },
	},
}

// killOneExecutor kills an executor as soon as there is one: chaos may just have taken an attempt.
func (w *world) killOneExecutor() {
	w.t.Helper()
	w.once("there is no executor", func() error {
		e := w.busy().Executors[0]
		return w.operator.KillExecutor(e.Framework, e.Executor, syscall.SIGKILL)
	}, local.ErrNoSuchExecutor, syscall.ESRCH)
}

// killOneServer kills one of the world's redis-servers as soon as there is one.
func (w *world) killOneServer() {
	w.t.Helper()
	w.once("there is no redis-server", func() error {
		for _, p := range w.nodes() {
			if strings.Contains(p.command, "redis-server") {
				return syscall.Kill(p.pid, syscall.SIGKILL)
			}
		}
		return syscall.ESRCH
	}, syscall.ESRCH)
}

// once does something until it succeeds; absent are the errors of what is not there yet, or not any more.
func (w *world) once(otherwise string, do func() error, absent ...error) {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(time.Millisecond) { // nobody tells
		err := do()
		if err == nil {
			return
		}
		if !slices.ContainsFunc(absent, func(a error) bool { return errors.Is(err, a) }) {
			w.t.Fatal(err)
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s within %v: %v", otherwise, awaitLimit, err)
		}
	}
}

func (w *world) restartAgent() {
	w.t.Helper()
	ip := w.busy().IP
	must(w.t, w.operator.CrashAgent(ip))
	must(w.t, w.operator.RestartAgent(w.t.Context(), ip))
}

// busy waits for an agent on which an executor runs.
func (w *world) busy() local.AgentStatus {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) { // nobody tells
		for _, a := range w.operator.Agents() {
			if a.Up && len(a.Executors) > 0 && a.Executors[0].PID > 0 {
				return a
			}
		}
	}
	w.t.Fatalf("no executor was started within %v", awaitLimit)
	return local.AgentStatus{}
}
