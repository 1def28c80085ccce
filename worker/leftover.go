package worker

import (
	"context"
	"errors"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// dropLease gives back the lease that a former owner of this job died with, so that nobody has to
// wait for its TTL. It is called once Mesos has ended the former owner's subscription: no offer
// can reach it any more.
func (r *run) dropLease(ctx context.Context) {
	if r.fence == 1 || r.kind != contracts.JobCreate {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	key := contracts.LeaseKey(r.d.create.Placement.Role)
	var l contracts.LeaseRecord
	e, err := r.s.read(ctx, r.s.leases, key, &l)
	if err == nil && l.Job == r.job {
		err = r.s.leases.Delete(ctx, key, jetstream.LastRevision(e.rev))
	}
	if err != nil && !conflict(err) && !errors.Is(err, jetstream.ErrKeyNotFound) {
		r.log.Warn("lease of the job's former owner not given back; it expires by itself", "lease", key, "error", err)
	}
}
