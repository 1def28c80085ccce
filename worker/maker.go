package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// maker is how it stands with the job that a cluster's record names.
type maker int

const (
	made   maker = iota // it has ended, and the cluster is there
	making              // it has not ended: the cluster may be verified already, and the job may still be cancelled, or fail
	gone                // it has ended, or is forgotten, and made no cluster: nothing is behind the record
)

// maker also gives the job's record; a zero one is of a job that is forgotten.
func (w *Worker) maker(ctx context.Context, c contracts.ClusterRecord) (maker, contracts.JobRecord, error) {
	ended := made
	if c.State == contracts.ClusterCreating {
		ended = gone // a job frees the name before it ends
	}
	h, err := w.store.job(ctx, c.Job)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return ended, contracts.JobRecord{}, nil
	case err != nil:
		return 0, contracts.JobRecord{}, err
	case h.rec.Terminal != nil:
		return ended, h.rec, nil
	}
	return making, h.rec, w.revive(ctx, h.rec)
}

// revive publishes a job's request again if the queue has lost it, as it has where only the records were
// restored: otherwise nobody would ever bring the job to its end. It tells the workers what the record
// knows, so that a job that has ended this instant just has one more message to be acknowledged.
func (w *Worker) revive(ctx context.Context, rec contracts.JobRecord) error {
	queued, err := w.queued(ctx, rec.MsgSeq)
	if queued || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	id := fmt.Sprintf("revived-%s-%d", rec.Job, rec.MsgSeq)
	answer, err := w.js.Publish(ctx, contracts.JobSubject(rec.Kind), rec.Request,
		jetstream.WithMsgID(id), jetstream.WithExpectStream(contracts.StreamJobs), jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("worker: publish the lost request of job %s again: %w", rec.Job, err)
	}
	if !answer.Duplicate {
		w.log.Warn("the queue had lost the request of a job that has not ended; published again", "job", rec.Job, "cluster", rec.Cluster)
	}
	return nil
}
