package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
)

// maxPlan bounds a stored plan after decompression: 8,192 masters with 4 replicas are 10 MB.
const maxPlan = 64 << 20

// putPlan stores the plan of an attempt under key, compressed: a plan of thousands of nodes
// must fit into one NATS message.
func (s *store) putPlan(ctx context.Context, key string, plan chunkdist.Plan) error {
	value, err := json.Marshal(jobs.WirePlan(plan))
	if err != nil {
		return fmt.Errorf("worker: encode plan: %w", err)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(value); err != nil {
		return fmt.Errorf("worker: compress plan: %w", err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("worker: compress plan: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if _, err := s.jobs.Put(ctx, key, packed.Bytes()); err != nil {
		return fmt.Errorf("worker: store plan %s: %w", key, err)
	}
	return nil
}

// plan reads a stored plan back.
func (s *store) plan(ctx context.Context, key string) (chunkdist.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	e, err := s.jobs.Get(ctx, key) // written once, so that a stale replica can only not have it yet
	if err != nil {
		return chunkdist.Plan{}, fmt.Errorf("worker: read plan %s: %w", key, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(e.Value()))
	if err != nil {
		return chunkdist.Plan{}, fmt.Errorf("worker: plan %s: %w", key, err)
	}
	value, err := io.ReadAll(io.LimitReader(zip, maxPlan))
	if err != nil {
		return chunkdist.Plan{}, fmt.Errorf("worker: plan %s: %w", key, err)
	}
	var w contracts.Plan
	if err := json.Unmarshal(value, &w); err != nil {
		return chunkdist.Plan{}, fmt.Errorf("worker: plan %s: %w", key, err)
	}
	return jobs.PlanOf(w), nil
}
