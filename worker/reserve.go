package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/nats-io/nats.go/jetstream"
)

// cluster reads a cluster's record; a name that is free is jetstream.ErrKeyNotFound.
func (s *store) cluster(ctx context.Context, name string) (contracts.ClusterRecord, uint64, error) {
	var c contracts.ClusterRecord
	e, err := s.read(ctx, s.clusters, name, &c)
	return c, e.rev, err
}

// putCluster replaces revision rev of a cluster's record.
func (s *store) putCluster(ctx context.Context, c contracts.ClusterRecord, rev uint64) error {
	value, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("worker: encode the record of cluster %s: %w", c.Cluster, err)
	}
	if _, err := update(ctx, s.clusters, c.Cluster, value, rev); err != nil {
		return fmt.Errorf("worker: write the record of cluster %s: %w", c.Cluster, err)
	}
	return nil
}

// reserve makes the cluster's name the job's own. done says that the job is over with it: a
// cluster of the same specification is there, and the record has its verified event.
func (r *run) reserve(ctx context.Context) (done bool, err error) {
	c := contracts.ClusterRecord{Cluster: r.rec.Cluster, State: contracts.ClusterCreating, Job: r.job, Request: r.d.create}
	value, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("worker: encode the record of cluster %s: %w", c.Cluster, err)
	}
	opCtx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	_, err = r.s.clusters.Create(opCtx, c.Cluster, value)
	if err == nil {
		failpoint.Hit(failpoint.Reserved)
		return false, nil
	}
	if !conflict(err) {
		return false, fmt.Errorf("worker: reserve the name %s: %w", c.Cluster, err)
	}
	there, rev, err := r.s.cluster(ctx, c.Cluster)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound): // freed this instant
		return false, &notNow{delay: pause(0, 200*time.Millisecond, time.Second), failure: r.nameBusy("being removed")}
	case err != nil:
		return false, err
	case r.owns(there):
		return false, nil
	}
	maker := made
	if there.Job != r.job {
		if maker, _, err = r.w.maker(ctx, there); err != nil {
			return false, err
		}
	}
	switch {
	case maker == gone:
		r.log.Warn("the name was reserved by a job that is no more; this one takes it", "former", there.Job)
		return false, r.s.putCluster(ctx, c, rev)
	case there.State == contracts.ClusterDestroying:
		return false, r.waitForName(ctx, "being destroyed")
	case !contracts.SameSpec(there.Request, r.d.create):
		return false, &jobs.Failure{
			Reason: contracts.ReasonNameConflict, Final: true,
			Message: fmt.Sprintf("The cluster %q exists with another specification (job %s). Choose another name, or destroy it first.", c.Cluster, there.Job),
		}
	case maker == making:
		return false, r.waitForName(ctx, "being created by job "+there.Job)
	}
	return true, r.finish(ctx, contracts.EventVerified, contracts.EventData{
		Plan: there.Plan, Report: there.Report,
		Message: fmt.Sprintf("The cluster was there already, with the same specification (job %s).", there.Job),
	})
}

// owns says that a cluster is this job's to make. One that the job made before its record expired, or was
// lost, is not: the job begins anew then, has had no framework yet, and finds the cluster there.
func (r *run) owns(c contracts.ClusterRecord) bool {
	return c.Job == r.job && (c.State == contracts.ClusterCreating || r.rec.Frameworks > 0)
}

// waitForName hands the job back while another one has the name.
func (r *run) waitForName(ctx context.Context, how string) error {
	return &notNow{delay: pause(r.rec.Waits, 500*time.Millisecond, 5*time.Second) + r.w.spread(ctx), failure: r.nameBusy(how)}
}

func (r *run) nameBusy(how string) *jobs.Failure {
	return &jobs.Failure{
		Reason: contracts.ReasonDeadlineExceeded, Final: true,
		Message: fmt.Sprintf("A cluster named %q was still %s when the deadline of %v was over.", r.rec.Cluster, how, r.d.deadline),
	}
}

// freeName gives the cluster's name back, if it is this job's.
func (r *run) freeName(ctx context.Context) error {
	c, rev, err := r.s.cluster(ctx, r.rec.Cluster)
	if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && !r.owns(c) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.s.removeCluster(ctx, c.Cluster, rev)
}

// removeCluster deletes revision rev of a cluster's record.
func (s *store) removeCluster(ctx context.Context, name string, rev uint64) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if err := s.clusters.Delete(ctx, name, jetstream.LastRevision(rev)); err != nil {
		return fmt.Errorf("worker: remove the record of cluster %s: %w", name, err)
	}
	return nil
}

// keepCluster records that the cluster is there and verified. From now on it outlives the job.
func (r *run) keepCluster(ctx context.Context, plan contracts.Plan, report contracts.Report) error {
	c, rev, err := r.s.cluster(ctx, r.rec.Cluster)
	if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && !r.owns(c) {
		return &jobs.Failure{Reason: contracts.ReasonInternal, Final: true,
			Message: fmt.Sprintf("The name %s is no longer this job's: its record was removed.", r.rec.Cluster)}
	}
	if err != nil {
		return err
	}
	// Once more after the read: a former owner that wakes up here must not put its own attempt in the place of
	// its successor's.
	if err := r.guard(ctx); err != nil {
		return err
	}
	now := r.now()
	c.State, c.Framework, c.Attempt = contracts.ClusterVerified, r.rec.Framework, r.rec.Attempt
	c.Plan, c.Report, c.Verified = &plan, &report, &now
	return r.s.putCluster(ctx, c, rev)
}
