package worker

import (
	"context"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/prometheus/client_golang/prometheus"
)

// queueTimeout bounds the questions to NATS of one scrape, and those to Mesos.
const queueTimeout = 2 * time.Second

// queueMetrics asks NATS for the queue's state at each scrape. Every worker tells the same,
// so dashboards take the maximum. Without an answer all but up are absent: an old number
// would pass for a new one.
type queueMetrics struct {
	look func(context.Context) (queueState, error)

	up, waiting, unacked, age, dead *prometheus.Desc
}

// queueState is how the queue stands.
type queueState struct {
	waiting uint64        // messages that no worker has
	unacked int           // messages that a worker has, or that wait to be delivered again
	oldest  time.Duration // age of the oldest message
	dead    uint64        // letters in the dead-letter stream
}

func newQueueMetrics(look func(context.Context) (queueState, error)) *queueMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("clustersmith_"+name, help, nil, nil)
	}
	return &queueMetrics{
		look:    look,
		up:      desc("queue_up", "1 if NATS told the queue's state for this scrape."),
		waiting: desc("queue_waiting_messages", "Messages in the queue that were never delivered."),
		unacked: desc("queue_unacknowledged_messages", "Messages that workers have, or that wait to be delivered again."),
		age:     desc("queue_oldest_message_age_seconds", "Age of the oldest message in the queue; 0 if it is empty."),
		dead:    desc("queue_dead_letters", "Messages in the dead-letter stream."),
	}
}

// Describe implements prometheus.Collector.
func (q *queueMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{q.up, q.waiting, q.unacked, q.age, q.dead} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (q *queueMetrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	s, err := q.look(ctx)
	if err != nil {
		gauge(q.up, 0)
		return
	}
	gauge(q.up, 1)
	gauge(q.waiting, float64(s.waiting))
	gauge(q.unacked, float64(s.unacked))
	gauge(q.age, s.oldest.Seconds())
	gauge(q.dead, float64(s.dead))
}

// queueState asks NATS how the queue stands. Ages are differences of the server's own clock.
func (w *Worker) queueState(ctx context.Context) (queueState, error) {
	var s queueState
	consumer, err := w.js.Consumer(ctx, contracts.StreamJobs, ConsumerName)
	if err != nil {
		return s, err
	}
	info := consumer.CachedInfo()
	s.waiting, s.unacked = info.NumPending, info.NumAckPending
	stream, err := w.js.Stream(ctx, contracts.StreamJobs)
	if err != nil {
		return s, err
	}
	if st := stream.CachedInfo(); st.State.Msgs > 0 {
		s.oldest = max(st.TimeStamp.Sub(st.State.FirstTime), 0)
	}
	dead, err := w.js.Stream(ctx, contracts.StreamDead)
	if err != nil {
		return s, err
	}
	s.dead = dead.CachedInfo().State.Msgs
	return s, nil
}

// mesosUp asks at each scrape whether a master leads.
func (w *Worker) mesosUp() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "clustersmith_mesos_up", Help: "1 if a Mesos master that leads answered for this scrape.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
		defer cancel()
		if w.mesos == nil || w.mesos.Ping(ctx) != nil { // nil: Run has not begun
			return 0
		}
		return 1
	})
}
