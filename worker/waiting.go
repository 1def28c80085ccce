package worker

import (
	"slices"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/prometheus/client_golang/prometheus"
)

// What a job that was handed back for a pause waits for.
const (
	forResources = "resources" // there is no plan on what Mesos offers
	forName      = "name"      // another job has the cluster's name
)

// waiting counts the jobs that this worker handed back for a pause, until their pauses are over:
// each is then delivered to some worker, so that the sum over all workers is how many wait.
type waiting struct {
	mu    sync.Mutex
	until map[string][]time.Time // by what they wait for; pauses that are over may still be there
}

func newWaiting() *waiting { return &waiting{until: map[string][]time.Time{}} }

// add counts a job in a phase that waits for a time from now on.
func (w *waiting) add(phase contracts.Phase, pause time.Duration) {
	why := forName
	if phase == contracts.PhaseWaitingResources {
		why = forResources
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.until[why] = append(w.forget(why, now), now.Add(pause))
}

// count is how many wait now.
func (w *waiting) count(why string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until[why] = w.forget(why, time.Now())
	return len(w.until[why])
}

// forget is those whose pauses are not over. The caller holds mu.
func (w *waiting) forget(why string, now time.Time) []time.Time {
	return slices.DeleteFunc(w.until[why], func(t time.Time) bool { return !t.After(now) })
}

func (w *waiting) gauges() (all []prometheus.Collector) {
	for _, why := range []string{forResources, forName} {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "clustersmith_jobs_waiting", ConstLabels: prometheus.Labels{"why": why},
			Help: "Jobs that this worker handed back to be tried again after a pause, by what they wait for; the sum over all workers is how many wait.",
		}, func() float64 { return float64(w.count(why)) }))
	}
	return all
}
