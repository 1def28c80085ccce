package worker

import (
	"context"
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
)

// putPlan stores the plan of an attempt under key, compressed: a plan of thousands of nodes
// must fit into one NATS message.
func (s *store) putPlan(ctx context.Context, key string, plan chunkdist.Plan) error {
	packed, err := contracts.PackPlan(jobs.WirePlan(plan))
	if err != nil {
		return fmt.Errorf("worker: encode plan %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if _, err := s.jobs.Put(ctx, key, packed); err != nil {
		return fmt.Errorf("worker: store plan %s: %w", key, err)
	}
	return nil
}

// plan reads a stored plan back.
func (s *store) plan(ctx context.Context, key string) (chunkdist.Plan, error) {
	packed, _, err := s.newest(ctx, s.jobs, key)
	if err != nil {
		return chunkdist.Plan{}, fmt.Errorf("worker: read plan %s: %w", key, err)
	}
	w, err := contracts.UnpackPlan(packed)
	if err != nil {
		return chunkdist.Plan{}, fmt.Errorf("worker: plan %s: %w", key, err)
	}
	return jobs.PlanOf(w), nil
}
