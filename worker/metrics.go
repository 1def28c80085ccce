package worker

import (
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the worker's own numbers, under Prometheus' naming rules. No label holds a job
// or a cluster: their number has no bound.
type metrics struct {
	registry *prometheus.Registry

	jobs        *prometheus.CounterVec // kind, result, reason
	phases      *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	redelivered prometheus.Counter
	dead        *prometheus.CounterVec
	leaseWait   prometheus.Histogram
	leaseHeld   prometheus.Histogram
	offers      *prometheus.CounterVec
}

func newMetrics() *metrics {
	seconds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10, 20, 40, 80, 160}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clustersmith_jobs_total", Help: "Jobs that ended, by kind, result and reason.",
		}, []string{"kind", "result", "reason"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "clustersmith_phase_duration_seconds", Help: "Time that ended jobs spent in each phase.", Buckets: seconds,
		}, []string{"kind", "phase"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "clustersmith_jobs_in_flight", Help: "Jobs that this worker works on.",
		}),
		redelivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "clustersmith_redeliveries_total", Help: "Messages that had been delivered before.",
		}),
		dead: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clustersmith_dead_letters_total", Help: "Messages put into the dead-letter stream, by reason.",
		}, []string{"reason"}),
		leaseWait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "clustersmith_lease_wait_seconds", Help: "Time until the Mesos subscription lease was got.", Buckets: seconds,
		}),
		leaseHeld: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "clustersmith_lease_held_seconds", Help: "Time that the Mesos subscription lease was held.", Buckets: seconds,
		}),
		offers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "clustersmith_offers_total", Help: "Mesos offers by what was done with them.",
		}, []string{"decision"}),
	}
	m.registry.MustRegister(m.jobs, m.phases, m.inFlight, m.redelivered, m.dead, m.leaseWait, m.leaseHeld, m.offers)
	return m
}

// finished counts a job that has ended.
func (m *metrics) finished(r contracts.JobRecord) {
	m.jobs.WithLabelValues(string(r.Kind), string(r.Phase), string(r.Terminal.Data.Reason)).Inc()
	for _, t := range r.Timings {
		m.phases.WithLabelValues(string(r.Kind), string(t.Phase)).Observe(float64(t.MS) / 1000)
	}
}
