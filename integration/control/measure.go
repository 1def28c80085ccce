package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// follow subscribes to all events. What the client cannot take is an error of the connection.
func (w *world) follow() (<-chan arrival, error) {
	events := make(chan arrival, 1<<16)
	_, err := w.nc.Subscribe(contracts.SubjectsEvents, func(m *nats.Msg) {
		events <- arrival{time.Now(), m.Data}
	})
	return events, err
}

// arrival is an event and when it came here.
type arrival struct {
	at   time.Time
	body []byte
}

// publish asks for a cluster.
func (w *world) publish(ctx context.Context, cluster string, masters, replicas int) error {
	memory := max(contracts.MinMemoryMB, nodesconf.LeastMB(masters*(1+replicas), replicas > 0))
	body, err := json.Marshal(contracts.CreateRequest{
		ID: uuid.NewString(), Cluster: cluster, Masters: masters, Replicas: replicas,
		Node: contracts.NodeResources{CPUs: 0.1, MemoryMB: memory}, Deadline: contracts.Duration(5 * time.Minute),
	})
	if err != nil {
		return err
	}
	_, err = w.js.Publish(ctx, contracts.SubjectCreate, body)
	return err
}

// limit bounds the wait for one measurement.
const limit = 4 * time.Minute

// await reads events until stop says so.
func await(ctx context.Context, events <-chan arrival, stop func(at time.Time, ev contracts.Event) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		select {
		case a := <-events:
			ev, err := contracts.ParseEvent(a.body)
			if err != nil {
				return err
			}
			if t := ev.EventType(); t.Terminal() && t != contracts.EventVerified && t != contracts.EventDestroyed {
				return fmt.Errorf("%s: %s: %s", t, ev.Data.Reason, ev.Data.Message)
			}
			if stop(a.at, ev) {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// large is what was measured of one large cluster.
type large struct {
	Nodes  int `json:"nodes"`
	Agents int `json:"agents"`
	// RunningS is the time from publish until the worker says that every task runs, turn by
	// turn; VerifiedS until the verified event (whose nodes are stubs).
	RunningS  []float64 `json:"running_s"`
	VerifiedS []float64 `json:"verified_s"`
	// PeakMemory is the worker process's, the most over all turns, in bytes.
	PeakMemory int64 `json:"worker_peak_bytes"`
	// The largest messages, from a turn of its own.
	NATS   *largest                `json:"nats"`
	Calls  *largest                `json:"mesos_calls"`
	Events *largest                `json:"mesos_events"`
	Phases []contracts.PhaseTiming `json:"phases_of_the_last_turn"`
}

// measureLarge makes one cluster of n nodes, half of them replicas, several times, each time in
// a world of its own; then once more with every message watched.
func measureLarge(ctx context.Context, o options, n, turns int) (*large, error) {
	l := &large{Nodes: n, Agents: o.agents}
	for turn := range turns + 1 {
		o.tap = turn == turns
		if err := l.turn(ctx, o); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *large) turn(ctx context.Context, o options) (err error) {
	w, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if o.tap {
		if l.NATS, err = w.tapNATS(); err != nil {
			return err
		}
		l.Calls, l.Events = &w.proxy.calls, &w.proxy.events
	}
	events, err := w.follow()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := w.publish(ctx, "large", l.Nodes/2, 1); err != nil {
		return err
	}
	var running, verified time.Duration
	err = await(ctx, events, func(at time.Time, ev contracts.Event) bool {
		if ev.Data.Phase == contracts.PhaseForming && running == 0 {
			running = at.Sub(begin) // the phase before, starting, ends when all tasks run
		}
		verified = at.Sub(begin)
		l.Phases = ev.Data.Timings
		return ev.EventType() == contracts.EventVerified
	})
	if err != nil || o.tap {
		return err
	}
	l.RunningS = append(l.RunningS, running.Seconds())
	l.VerifiedS = append(l.VerifiedS, verified.Seconds())
	peak, err := w.workers[0].peakMemory()
	l.PeakMemory = max(l.PeakMemory, peak)
	return err
}

// smallAgents is how many agents the small clusters share.
const smallAgents = 6

// small is what was measured of many clusters of 3 masters.
type small struct {
	Workers int    `json:"workers"`
	Slots   int    `json:"jobs_per_worker"`
	Nodes   string `json:"nodes"` // the stub's name
	Creates int    `json:"creates"`
	// PerSecond is creates from the first publish to the last verified event; EventsPerSecond
	// is events in that time.
	PerSecond       float64 `json:"creates_per_s"`
	EventsPerSecond float64 `json:"events_per_s"`
	// LeaseHeldMS is the mean time that the lease was held for one create, LeaseWaitMS the
	// mean time that it was waited for. 1 / held is the limit of creates per second and role.
	LeaseHeldMS float64 `json:"lease_held_ms"`
	LeaseWaitMS float64 `json:"lease_wait_ms"`
	MedianMS    float64 `json:"median_create_ms"`
}

func measureSmall(ctx context.Context, o options, creates int) (_ *small, err error) {
	w, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	events, err := w.follow()
	if err != nil {
		return nil, err
	}
	s := &small{Workers: len(w.workers), Slots: max(o.slots, 4), Nodes: o.nodes, Creates: creates}
	begin := time.Now()
	for i := range creates {
		if err := w.publish(ctx, fmt.Sprintf("small-%d", i), 3, 0); err != nil {
			return nil, err
		}
	}
	count, done := 0, 0
	var took []float64
	var end time.Time
	err = await(ctx, events, func(at time.Time, ev contracts.Event) bool {
		count++
		if ev.EventType() == contracts.EventVerified {
			done++
			own := 0.0
			for _, t := range ev.Data.Timings {
				if t.Phase != contracts.PhaseAccepted { // where it waits in the queue
					own += float64(t.MS)
				}
			}
			took = append(took, own)
			end = at
		}
		return done == creates
	})
	if err != nil {
		return nil, fmt.Errorf("%d of %d are made: %w", done, creates, err)
	}
	s.PerSecond = float64(creates) / end.Sub(begin).Seconds()
	s.EventsPerSecond = float64(count) / end.Sub(begin).Seconds()
	s.MedianMS = median(took)
	s.LeaseHeldMS, err = w.mean("clustersmith_lease_held_seconds")
	if err == nil {
		s.LeaseWaitMS, err = w.mean("clustersmith_lease_wait_seconds")
	}
	return s, err
}

// mean is the mean of a histogram over all workers, in milliseconds.
func (w *world) mean(histogram string) (float64, error) {
	sum, count := 0.0, 0.0
	for _, p := range w.workers {
		s, err := p.metric(histogram + "_sum")
		if err != nil {
			return 0, err
		}
		n, err := p.metric(histogram + "_count")
		if err != nil {
			return 0, err
		}
		sum, count = sum+s, count+n
	}
	return 1000 * sum / math.Max(count, 1), nil
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
