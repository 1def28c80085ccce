package worker

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
)

const otherJob = "0b1a5c3e-52c7-4d7e-9a41-9d6f2a7c8e12"

// workedOn is a job that worker a has claimed.
func workedOn(t *testing.T, s *store, rec contracts.JobRecord) *run {
	t.Helper()
	h, _, err := s.create(t.Context(), rec, "a")
	must(t, err)
	return &run{
		held: h, s: s, w: &Worker{store: s, metrics: newMetrics(), cfg: Config{StallTimeout: time.Minute}}, d: &delivery{deadline: time.Minute},
		job: rec.Job, kind: rec.Kind, fence: h.rec.Fence, log: quiet(), begun: time.Now(),
	}
}

// replaced lets worker b take a job over.
func replaced(t *testing.T, r *run) {
	t.Helper()
	h, err := r.s.job(t.Context(), r.job)
	must(t, err)
	must(t, r.s.save(t.Context(), h, func(rec *contracts.JobRecord) error { jobs.Claim(rec, "b"); return nil }))
}

// The record of a cluster has no fence of its own: who writes it after its job was taken over must find
// that out, whatever it has read.
func TestFormerOwnerDoesNotKeepTheCluster(t *testing.T) {
	t.Parallel()
	r := workedOn(t, newStore(t), newJob())
	done, err := r.reserve(t.Context())
	if must(t, err); done {
		t.Fatal("the name was there already")
	}
	r.rec.Framework, r.rec.Attempt = "the-first", 1
	replaced(t, r)
	if err := r.keepCluster(t.Context(), contracts.Plan{}, contracts.Report{}); !errors.Is(err, errFenced) {
		t.Errorf("the former owner kept the cluster: %v", err)
	}
	if c, _, err := r.s.cluster(t.Context(), "orders"); err != nil || c.State != contracts.ClusterCreating || c.Framework != "" {
		t.Errorf("the record is %+v (%v)", c, err)
	}
}

func TestFormerOwnerDoesNotDestroyTheCluster(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	there := contracts.ClusterRecord{Cluster: "orders", State: contracts.ClusterVerified, Job: otherJob, Framework: "the-first"}
	value, err := json.Marshal(there)
	must(t, err)
	_, err = s.clusters.Create(t.Context(), there.Cluster, value)
	must(t, err)
	r := workedOn(t, s, jobs.New(contracts.JobDestroy, testJob, "orders", json.RawMessage(`{"id":"x"}`), 1, time.Now()))
	replaced(t, r)
	if err := r.destroyCluster(t.Context()); !errors.Is(err, errFenced) {
		t.Errorf("the former owner went on: %v", err)
	}
	if c, _, err := s.cluster(t.Context(), "orders"); err != nil || c.State != contracts.ClusterVerified {
		t.Errorf("the record is %+v (%v)", c, err)
	}
}
