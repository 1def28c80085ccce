package worker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/clustersmith/clustersmith/nodesconf"
	"github.com/nats-io/nats.go/jetstream"
)

func newMesosClient(cfg Config, log *slog.Logger, reconnected func()) (*mesos.Client, error) {
	secret, err := cfg.secret()
	if err != nil {
		return nil, err
	}
	tls, err := tlsConfig(cfg.MesosCA)
	if err != nil {
		return nil, err
	}
	return mesos.NewClient(mesos.Config{
		Masters: cfg.Masters, Principal: cfg.Principal, Secret: secret, TLSConfig: tls,
		Codec: mesos.Codec(cfg.MesosCodec), Logger: log, OnReconnect: reconnected,
	})
}

// framework is the job's framework under an ID: one per cluster and attempt.
func (r *run) framework(id string, failover time.Duration, suppressed bool) mesos.Framework {
	return mesos.Framework{
		ID: id, Name: jobs.FrameworkName(r.rec.Cluster), User: r.w.cfg.MesosUser,
		Role: r.d.create.Placement.Role, FailoverTimeout: failover, Suppressed: suppressed, Guard: r.guard,
	}
}

// guard keeps a former owner from taking the framework away from its successor: a SUBSCRIBE,
// also that of a reconnect, goes to whoever comes last.
func (r *run) guard(ctx context.Context) error {
	for n := 0; ; n++ {
		now, err := r.s.job(ctx, r.job)
		switch {
		case err == nil && now.rec.Fence == r.fence:
			return nil
		case err == nil, errors.Is(err, jetstream.ErrKeyNotFound):
			return errFenced
		}
		// Without NATS nobody knows whose the framework is; its failover timeout runs on.
		r.log.Warn("owner of the job not known, asking again", "error", err)
		if sleep(ctx, pause(n, 100*time.Millisecond, 2*time.Second)) != nil {
			return err
		}
	}
}

// subscribeFor subscribes the attempt's framework with a failover timeout.
func (r *run) subscribeFor(ctx context.Context, failover time.Duration, suppressed bool) (*mesos.Session, error) {
	return r.w.mesos.Subscribe(ctx, r.framework(r.rec.Framework, failover, suppressed))
}

// subscribe subscribes the attempt's framework while the cluster is being created: if every
// worker dies, Mesos cleans up by itself soon.
func (r *run) subscribe(ctx context.Context, suppressed bool) (*mesos.Session, error) {
	return r.subscribeFor(ctx, r.w.cfg.CreateFailover, suppressed)
}

// fencedByMesos says that another worker has subscribed with the framework ID.
func fencedByMesos(err error) bool { return errors.Is(err, mesos.ErrFailedOver) }

// checkServer refuses a server that no nodes.conf can be rendered for.
func checkServer(o contracts.RedisOptions) error {
	if _, err := nodesconf.LookupDialect(o.Flavor, o.Version); err != nil {
		return &contracts.FieldError{Field: "redis.version", Message: err.Error()}
	}
	return nil
}
