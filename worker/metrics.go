package worker

import (
	"runtime"
	"runtime/debug"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the worker's own numbers, under Prometheus' naming rules. No label holds a job
// or a cluster: their number has no bound. docs/operations.md says what each one means.
type metrics struct {
	registry *prometheus.Registry

	jobs            *prometheus.CounterVec // kind, result, reason
	phases          *prometheus.HistogramVec
	inFlight        prometheus.Gauge
	waiting         *waiting               // why
	attempts        *prometheus.CounterVec // reason
	handBacks       *prometheus.CounterVec // why
	crashes         prometheus.Counter
	redelivered     prometheus.Counter
	dead            *prometheus.CounterVec // kind, reason
	leaseWait       prometheus.Histogram
	leaseHeld       prometheus.Histogram
	leaseLost       prometheus.Counter
	offers          *prometheus.CounterVec // decision, reason
	natsReconnects  prometheus.Counter
	mesosReconnects prometheus.Counter
}

// seconds are the buckets of every histogram: from a lease's milliseconds to a deadline's minutes.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10, 20, 40, 80, 160}

// newMetrics makes them, and registers what else is collected beside them.
func newMetrics(others ...prometheus.Collector) *metrics {
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		jobs:      counters("jobs_total", "Jobs that ended, by kind, result and reason.", "kind", "result", "reason"),
		attempts:  counters("failed_attempts_total", "Attempts that failed and are followed by another one, by reason.", "reason"),
		handBacks: counters("jobs_handed_back_total", "Jobs put back into the queue before their end, by why.", "why"),
		crashes:   counter("owner_crashes_total", "Jobs taken over from a worker that had neither ended nor handed them back."),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clustersmith_phase_duration_seconds", Help: "Time that ended jobs spent in each phase.", Buckets: seconds,
		}, []string{"kind", "phase"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clustersmith_jobs_in_flight", Help: "Jobs that this worker works on.",
		}),
		waiting:     newWaiting(),
		redelivered: counter("redeliveries_total", "Messages that had been delivered before."),
		dead:        counters("dead_letters_total", "Messages put into the dead-letter stream, by kind and reason.", "kind", "reason"),
		leaseWait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "clustersmith_lease_wait_seconds", Help: "Time until the Mesos subscription lease was got.", Buckets: seconds,
		}),
		leaseHeld: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "clustersmith_lease_held_seconds", Help: "Time that the Mesos subscription lease was held.", Buckets: seconds,
		}),
		leaseLost:       counter("lease_losses_total", "Mesos subscription leases that were lost while they were held."),
		offers:          counters("offers_total", "Mesos offers by what was done with them, and why.", "decision", "reason"),
		natsReconnects:  counter("nats_reconnects_total", "Connections to NATS that were made again."),
		mesosReconnects: counter("mesos_reconnects_total", "Mesos subscriptions that were lost and made again."),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "clustersmith_build_info", Help: "Always 1; the labels say what runs.", ConstLabels: buildLabels(),
	})
	build.Set(1)
	m.registry.MustRegister(m.jobs, m.attempts, m.handBacks, m.crashes, m.phases, m.inFlight, m.redelivered, m.dead,
		m.leaseWait, m.leaseHeld, m.leaseLost, m.offers, m.natsReconnects, m.mesosReconnects, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.waiting.gauges()...)
	m.registry.MustRegister(others...)
	m.begin()
	return m
}

// begin makes every series that is known beforehand: increase() and rate() do not see the first
// step of one that begins with it.
func (m *metrics) begin() {
	kinds := []contracts.JobKind{contracts.JobCreate, contracts.JobDestroy, contracts.JobVerify}
	for _, reason := range contracts.Reasons {
		for _, kind := range kinds {
			m.jobs.WithLabelValues(string(kind), string(contracts.PhaseFailed), string(reason))
		}
		m.attempts.WithLabelValues(string(reason))
	}
	for kind, result := range map[contracts.JobKind]contracts.Phase{
		contracts.JobCreate: contracts.PhaseVerified, contracts.JobVerify: contracts.PhaseVerified, contracts.JobDestroy: contracts.PhaseDestroyed,
	} {
		m.jobs.WithLabelValues(string(kind), string(result), "")
	}
	m.jobs.WithLabelValues(string(contracts.JobCreate), string(contracts.PhaseCancelled), "")
	for _, why := range []string{whyDrain, whyWaiting, whyInterrupted, whyCleanup} {
		m.handBacks.WithLabelValues(why)
	}
	for _, kind := range []string{"create", "destroy", "verify", "cancel", "unknown"} {
		m.dead.WithLabelValues(kind, string(contracts.ReasonInvalidRequest))
		m.dead.WithLabelValues(kind, string(contracts.ReasonInternal))
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "clustersmith_" + name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "clustersmith_" + name, Help: help}, labels)
}

// buildLabels is what the binary knows of itself.
func buildLabels() prometheus.Labels {
	l := prometheus.Labels{"version": "unknown", "revision": "unknown", "goversion": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return l
	}
	if info.Main.Version != "" {
		l["version"] = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			l["revision"] = s.Value
		}
	}
	return l
}

// Why a job is put back into the queue before its end.
const (
	whyDrain       = "drain"       // the worker stops
	whyWaiting     = "waiting"     // for resources or for its name
	whyInterrupted = "interrupted" // NATS or Mesos had a bad moment
	whyCleanup     = "cleanup"     // the clean-up did not come to its end
)

// What is done with offers, and why.
const (
	offerAccepted = "accepted" // the plan uses it
	offerDeclined = "declined" // the plan does not
	offerReturned = "returned" // there is no plan; the subscription ends and gives it back
	offerLost     = "lost"     // Mesos took it back
)

// finished counts a job that has ended.
func (m *metrics) finished(r contracts.JobRecord) {
	m.jobs.WithLabelValues(string(r.Kind), string(r.Phase), string(r.Terminal.Data.Reason)).Inc()
	for _, t := range r.Timings {
		m.phases.WithLabelValues(string(r.Kind), string(t.Phase)).Observe(float64(t.MS) / 1000)
	}
}
