package worker

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/mesos"
	"github.com/nats-io/nats.go/jetstream"
)

// MesosClient is a client with the masters, credentials and certificates of a configuration. It
// does not connect. log and reconnected may be nil. Errors name the variable that is the matter.
func MesosClient(cfg Config, log *slog.Logger, reconnected func()) (*mesos.Client, error) {
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

// executor is how agents start the executor. It speaks to its agent as the worker does to the
// master: in one encoding.
func (c Config) executor(image string) mesos.Executor {
	env := map[string]string{"CLUSTERSMITH_EXECUTOR_ENCODING": c.MesosCodec}
	if c.RedisServer != "" {
		env["CLUSTERSMITH_REDIS_SERVER"] = c.RedisServer
	}
	return mesos.Executor{Command: c.Executor, Image: image, Env: env, ShutdownGrace: executorGrace}
}

// ExplainMesos adds to an error of Mesos which variables mend it.
func ExplainMesos(cfg Config, err error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, mesos.ErrUnauthorized) && cfg.Principal == "":
		return fmt.Errorf("%w (the master wants credentials: set %[2]sMESOS_PRINCIPAL, and %[2]sMESOS_SECRET or %[2]sMESOS_SECRET_FILE)", err, EnvPrefix)
	case errors.Is(err, mesos.ErrUnauthorized):
		return fmt.Errorf("%w (the master does not take the principal %[2]q with this secret: see %[3]sMESOS_PRINCIPAL, %[3]sMESOS_SECRET, %[3]sMESOS_SECRET_FILE)", err, cfg.Principal, EnvPrefix)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w (the master's certificate is of no CA that is trusted: see %sMESOS_CA)", err, EnvPrefix)
	}
	return err
}

// checkTimeout bounds the question to the masters with which a worker begins.
const checkTimeout = 2 * time.Second

// checkMesos refuses to begin with credentials or a CA that no job could use. A Mesos that is
// away for the moment is waited for by the jobs.
func (w *Worker) checkMesos(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := w.mesos.Ping(ctx)
	if explained := ExplainMesos(w.cfg, err); explained != err {
		return fmt.Errorf("worker: %w", explained)
	}
	if err != nil {
		w.log.Warn("no Mesos master leads yet", "error", err)
	}
	return nil
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

// subscribeTimeout bounds the wait for a master that leads; the job is then handed back and tried
// again, so that a Mesos that is away holds no slot and no lease.
const subscribeTimeout = 30 * time.Second

// subscribeFor subscribes the attempt's framework with a failover timeout.
func (r *run) subscribeFor(ctx context.Context, failover time.Duration, suppressed bool) (*mesos.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
	defer cancel()
	session, err := r.w.mesos.Subscribe(ctx, r.framework(r.rec.Framework, failover, suppressed))
	return session, ExplainMesos(r.w.cfg, err)
}

// subscribe subscribes the attempt's framework while the cluster is being created: if every
// worker dies, Mesos cleans up by itself soon.
func (r *run) subscribe(ctx context.Context, suppressed bool) (*mesos.Session, error) {
	return r.subscribeFor(ctx, r.w.cfg.CreateFailover, suppressed)
}

// fencedByMesos says that another worker has subscribed with the framework ID.
func fencedByMesos(err error) bool { return errors.Is(err, mesos.ErrFailedOver) }
