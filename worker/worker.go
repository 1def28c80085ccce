package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Causes that end the work on a job before the job has ended.
var (
	errDrain     = errors.New("worker: the worker is shutting down")
	errCancelled = errors.New("worker: the job's cancellation was asked for")
	errDeadline  = errors.New("worker: the job's deadline is over")
	errStalled   = errors.New("worker: the job made no progress")
)

// Worker takes jobs from the queue and runs them. New makes one, Run runs it once.
type Worker struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics

	// Set by Run before the first job, read-only afterwards.
	nc       *nats.Conn
	js       jetstream.JetStream
	store    *store
	mesos    *mesos.Client
	consumer jetstream.Consumer

	mu   sync.Mutex
	runs map[string]*run // the jobs in work here, by ID

	line line
}

// New makes a worker of a configuration, which it completes and checks.
func New(cfg Config, log *slog.Logger) (*Worker, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log = log.With("worker", cfg.Name)
	w := &Worker{cfg: cfg, log: log, runs: map[string]*run{}}
	w.metrics = newMetrics(newQueueMetrics(w.queueState), w.mesosUp())
	return w, nil
}

// Run works until ctx is over; then it takes no more jobs, lets the running ones end within
// the grace period, hands the others back and returns. It returns an error when it could not
// begin: NATS out of reach, streams that cannot be made, an address in use.
func (w *Worker) Run(ctx context.Context) error {
	stop, err := w.open(ctx)
	if err != nil && ctx.Err() != nil {
		return nil // stopped before it had begun
	}
	if err != nil {
		return err
	}
	defer stop()

	work, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	var owned sync.WaitGroup
	watch, endWatch := context.WithCancel(work)
	owned.Go(func() { w.watchCancels(watch) })

	w.log.Info("worker is ready", "concurrency", w.cfg.Concurrency, "nats", w.nc.ConnectedUrlRedacted(), "mesos", w.cfg.Masters)
	var jobs sync.WaitGroup
	w.pull(ctx, work, &jobs)

	w.log.Info("worker drains", "grace", w.cfg.DrainGrace, "jobs", w.running())
	grace := time.AfterFunc(w.cfg.DrainGrace, func() { abort(errDrain) })
	jobs.Wait()
	grace.Stop()
	endWatch()
	owned.Wait()
	w.log.Info("worker has stopped")
	return nil
}

// open connects everything that Run needs; what it returns closes it again.
func (w *Worker) open(ctx context.Context) (stop func(), err error) {
	var closers []func()
	closeAll := func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	if w.mesos, err = MesosClient(w.cfg, w.log, w.metrics.mesosReconnects.Inc); err != nil {
		return nil, err
	}
	closers = append(closers, w.mesos.Close)
	if err = w.checkMesos(ctx); err != nil {
		return nil, err
	}
	if w.nc, err = connect(w.cfg, w.log, w.metrics.natsReconnects.Inc); err != nil {
		return nil, err
	}
	closers = append(closers, w.nc.Close)
	if w.js, err = jetstream.New(w.nc); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if err = w.bind(ctx); err != nil {
		return nil, AtNATS(w.cfg.NATSURL, err)
	}
	if w.cfg.HTTPAddr != "" {
		var closeHTTP func()
		if closeHTTP, err = w.serveHTTP(ctx); err != nil {
			return nil, err
		}
		closers = append(closers, closeHTTP)
	}
	return closeAll, nil
}

// bindTimeout is how long a worker that begins waits for JetStream to be ready.
const bindTimeout = 30 * time.Second

// bind finds, or makes, the streams, the buckets and the consumer. A JetStream that is just
// being restarted is waited for.
func (w *Worker) bind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	for n := 0; ; n++ {
		err := w.bindOnce(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		w.log.Warn("JetStream is not ready, trying again", "error", err)
		if sleep(ctx, pause(n, 200*time.Millisecond, 3*time.Second)) != nil {
			return err
		}
	}
}

func (w *Worker) bindOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*opTimeout)
	defer cancel()
	err := EnsureTopology(ctx, w.js, Topology{Replicas: w.cfg.Replicas, AckWait: w.cfg.AckWait})
	if err != nil {
		return err
	}
	if w.store, err = openStore(ctx, w.nc, w.js, w.log); err != nil {
		return err
	}
	if w.consumer, err = w.js.Consumer(ctx, contracts.StreamJobs, ConsumerName); err != nil {
		return fmt.Errorf("worker: consumer %s: %w", ConsumerName, err)
	}
	return nil
}

// fetchWait is how long one pull waits at the server. A drain waits for the pull in flight
// rather than abandon it: a message sent to an abandoned pull is lost until AckWait is over.
const fetchWait = time.Second

// pull takes jobs until ctx is over: first a free slot, then one message, so that no message
// waits here while another worker is free.
func (w *Worker) pull(ctx, work context.Context, jobs *sync.WaitGroup) {
	slots := make(chan struct{}, w.cfg.Concurrency)
	for n := 0; ; {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		msg, err := w.fetch()
		switch {
		case err != nil:
			<-slots
			if ctx.Err() != nil {
				return
			}
			w.log.Warn("no message fetched", "error", err)
			if sleep(ctx, pause(n, 100*time.Millisecond, 2*time.Second)) != nil {
				return
			}
			n++
			continue
		case msg == nil:
			<-slots
			if ctx.Err() != nil {
				return
			}
		default:
			jobs.Go(func() {
				defer func() { <-slots }()
				w.handle(work, msg)
			})
		}
		n = 0
	}
}

// fetch pulls one message; nil when there was none.
func (w *Worker) fetch() (jetstream.Msg, error) {
	if !w.nc.IsConnected() { // the client would leave a subscription behind for every try
		return nil, nats.ErrDisconnected
	}
	batch, err := w.consumer.Fetch(1, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return nil, err
	}
	msg := <-batch.Messages()
	err = batch.Error()
	if msg != nil || errors.Is(err, nats.ErrTimeout) {
		err = nil
	}
	return msg, err
}

// begin registers a job as running here; false when it is running here already.
func (w *Worker) begin(r *run) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.runs[r.job] != nil {
		return false
	}
	w.runs[r.job] = r
	return true
}

func (w *Worker) end(r *run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.runs[r.job] == r {
		delete(w.runs, r.job)
	}
}

func (w *Worker) running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.runs)
}
