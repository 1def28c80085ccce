package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startWorkers makes streams and buckets, starts the workers and returns when all of them take jobs.
func startWorkers(ctx context.Context, cfg Config, at Addresses, up *stack, failed chan error) error {
	executor, err := findExecutor(cfg)
	if err != nil {
		return err
	}
	nc, err := nats.Connect(at.NATS)
	if err != nil {
		return fmt.Errorf("dev: NATS: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("dev: NATS: %w", err)
	}
	// Not abandoned in the middle: a server that is stopped while it makes a stream leaks goroutines.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	if err := worker.EnsureTopology(whole, js, worker.Topology{Replicas: 1, AckWait: cfg.Worker.AckWait}); err != nil {
		return err
	}
	if err := forgetGone(ctx, cfg, js); err != nil {
		return err
	}
	for i := range cfg.Workers {
		one := cfg.Worker
		one.NATSURL, one.Masters, one.Executor = at.NATS, []string{at.Mesos}, executor
		one.NATSCreds, one.NATSCA, one.Replicas = "", "", 1
		one.DrainGrace = drainGrace
		if i > 0 {
			one.HTTPAddr = "" // the first one has the address
		}
		if cfg.Workers > 1 {
			one.Name = fmt.Sprintf("%s-%d", cfg.Worker.Name, i+1)
		}
		if err := startWorker(cfg, one, up, failed); err != nil {
			return err
		}
	}
	return awaitWorkers(ctx, js, cfg.Workers, failed)
}

func startWorker(cfg Config, one worker.Config, up *stack, failed chan<- error) error {
	w, err := worker.New(one, cfg.Log)
	if err != nil {
		return usage("%w", err)
	}
	run, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(run); err != nil {
			failed <- err
		}
	}()
	up.push("worker "+one.Name, func(ctx context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	return nil
}

// awaitWorkers returns when n workers wait for jobs or work on some.
func awaitWorkers(ctx context.Context, js jetstream.JetStream, n int, failed <-chan error) error {
	for n > 0 {
		consumer, err := js.Consumer(ctx, contracts.StreamJobs, worker.ConsumerName)
		if err != nil {
			return fmt.Errorf("dev: workers: %w", err)
		}
		if info := consumer.CachedInfo(); info.NumWaiting+info.NumAckPending >= n {
			break
		}
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("dev: workers do not take jobs: %w", context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// findExecutor is the executor's path: the one that was named, or the one beside this program.
func findExecutor(cfg Config) (string, error) {
	if cfg.Executor != "" || cfg.Workers == 0 {
		return cfg.Executor, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", usage("%w; name the executor with CLUSTERSMITH_EXECUTOR", err)
	}
	path, err := exec.LookPath(filepath.Join(filepath.Dir(self), "clustersmith-executor"))
	if err != nil {
		return "", usage("%w; build it with make build, or name it with CLUSTERSMITH_EXECUTOR", err)
	}
	return path, nil
}

// forgetGone removes the records of verified clusters: they ended with the Mesos that they ran on, and
// would block their names. Jobs that were under way go on by themselves.
func forgetGone(ctx context.Context, cfg Config, js jetstream.JetStream) error {
	clusters, err := js.KeyValue(ctx, contracts.BucketClusters)
	if err != nil {
		return fmt.Errorf("dev: bucket %s: %w", contracts.BucketClusters, err)
	}
	names, err := clusters.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("dev: bucket %s: %w", contracts.BucketClusters, err)
	}
	for _, name := range names {
		entry, err := clusters.Get(ctx, name)
		if err != nil {
			return fmt.Errorf("dev: cluster %s: %w", name, err)
		}
		var rec contracts.ClusterRecord
		if err := json.Unmarshal(entry.Value(), &rec); err != nil || rec.State != contracts.ClusterVerified {
			continue
		}
		if err := clusters.Delete(ctx, name, jetstream.LastRevision(entry.Revision())); err != nil {
			return fmt.Errorf("dev: cluster %s: %w", name, err)
		}
		cfg.Log.Warn("cluster of an earlier run is forgotten: it ended with its Mesos", "cluster", name)
	}
	return nil
}
