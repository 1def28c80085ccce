package worker

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// watchCancels makes cancellations known to the jobs that run here.
//
// A cancellation is a key beside the job's record. Every worker hears the request on its
// subject too, in a queue group, so that it takes effect at once even while all slots of all
// workers are in use; the message in the queue makes sure that it takes effect at all.
func (w *Worker) watchCancels(ctx context.Context) {
	sub, err := w.nc.QueueSubscribe(contracts.SubjectCancel, ConsumerName, func(m *nats.Msg) {
		req, err := contracts.ParseCancel(m.Data)
		if err != nil {
			return // the message in the queue is answered with a dead letter
		}
		if err := w.store.requestCancel(ctx, req); err != nil {
			w.log.Warn("cancellation not recorded yet; the queue has it too", "job", req.Job, "error", err)
		}
	})
	if err != nil {
		w.log.Warn("cancellations arrive through the queue only", "error", err)
	} else {
		defer sub.Unsubscribe() //nolint:errcheck // the connection closes next
	}
	for n := 0; ctx.Err() == nil; n++ {
		if err := w.followCancels(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("watch of cancellations ended, starting anew", "error", err)
		}
		if sleep(ctx, pause(n, 200*time.Millisecond, 5*time.Second)) != nil {
			return
		}
	}
}

func (w *Worker) followCancels(ctx context.Context) error {
	// Every key is one token of the ID and one of the kind, so this matches cancellations only.
	watch, err := w.store.jobs.Watch(ctx, contracts.JobCancelKey("*"))
	if err != nil {
		return err
	}
	defer watch.Stop() //nolint:errcheck // the watch is over either way
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-watch.Updates():
			if !ok {
				return errors.New("the watch was closed")
			}
			if e == nil || e.Operation() != jetstream.KeyValuePut {
				continue
			}
			w.cancelRun(strings.TrimSuffix(e.Key(), contracts.JobCancelKey("")))
		}
	}
}

// cancelRun ends the work on a job if it runs here.
func (w *Worker) cancelRun(job string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.runs[job]; r != nil && r.kind != contracts.JobDestroy {
		r.cancel(errCancelled)
	}
}

// requestCancel writes the key that asks for a job's cancellation.
func (s *store) requestCancel(ctx context.Context, req contracts.CancelRequest) error {
	value, err := json.Marshal(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	_, err = s.jobs.Put(ctx, contracts.JobCancelKey(req.Job), value)
	return err
}
