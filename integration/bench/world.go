package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// world is a NATS server, a Mesos and a worker process, for one create.
type world struct {
	nats   *server.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	mesos  *local.Mesos
	meter  *meter // nil unless bytes are counted
	worker *exec.Cmd
	ended  chan struct{}
	dir    string
}

// startWorld starts all in dir; bins holds the binaries. The caller closes it, also on an error.
func startWorld(ctx context.Context, bins, dir string, agents []local.AgentConfig, count bool, env []string) (*world, error) {
	w := &world{dir: dir}
	s, err := server.NewServer(&server.Options{
		ServerName: "bench", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true,
		StoreDir: filepath.Join(dir, "nats"), NoLog: true, NoSigs: true,
	})
	if err != nil {
		return w, fmt.Errorf("bench: NATS: %w", err)
	}
	w.nats = s
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return w, fmt.Errorf("bench: the NATS server does not come up")
	}
	if w.nc, err = nats.Connect(s.ClientURL()); err != nil {
		return w, fmt.Errorf("bench: NATS: %w", err)
	}
	if w.js, err = jetstream.New(w.nc); err != nil {
		return w, fmt.Errorf("bench: NATS: %w", err)
	}
	if w.mesos, err = local.Start(ctx, local.Config{Agents: agents, Dir: filepath.Join(dir, "mesos")}); err != nil {
		return w, err
	}
	url := w.mesos.URL()
	if count {
		if w.meter, err = newMeter(url); err != nil {
			return w, err
		}
		url = w.meter.url()
	}
	return w, w.startWorker(ctx, bins, url, env)
}

// startWorker starts `clustersmith worker` with its defaults and waits until it takes jobs.
func (w *world) startWorker(ctx context.Context, bins, mesos string, env []string) error {
	home := filepath.Join(w.dir, "worker")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(home, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(bins, "clustersmith"), "worker")
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, log, log
	cmd.Env = append(os.Environ(), "CLUSTERSMITH_NATS_URL="+w.nats.ClientURL(), "CLUSTERSMITH_MESOS_MASTERS="+mesos,
		"CLUSTERSMITH_EXECUTOR="+filepath.Join(bins, "clustersmith-executor"))
	cmd.Env = append(cmd.Env, env...)
	if err := proc.Start(cmd); err != nil {
		return fmt.Errorf("bench: worker: %w", err)
	}
	w.worker, w.ended = cmd, make(chan struct{})
	go func() { defer close(w.ended); cmd.Wait() }() //nolint:errcheck // it is killed
	return w.awaitWorker(ctx)
}

// awaitWorker waits until the worker asks for jobs.
func (w *world) awaitWorker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		consumer, err := w.js.Consumer(ctx, contracts.StreamJobs, worker.ConsumerName)
		if err == nil && consumer.CachedInfo().NumWaiting > 0 {
			return nil
		}
		select {
		case <-w.ended:
			return fmt.Errorf("bench: the worker ended; see %s/worker/log", w.dir)
		case <-ctx.Done():
			return fmt.Errorf("bench: the worker does not ask for jobs: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// create publishes a request and follows its events to the end. phases is when each phase was
// told of, in seconds from the publishing.
func (w *world) create(ctx context.Context, req contracts.CreateRequest) (end contracts.Event, phases map[string]float64, err error) {
	events := make(chan *nats.Msg, 4096)
	sub, err := w.nc.ChanSubscribe(contracts.JobEvents(req.ID), events)
	if err != nil {
		return end, nil, fmt.Errorf("bench: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends next
	if err := w.nc.FlushWithContext(ctx); err != nil {
		return end, nil, fmt.Errorf("bench: %w", err)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return end, nil, err
	}
	begin, phases := time.Now(), map[string]float64{}
	if _, err := w.js.Publish(ctx, contracts.SubjectCreate, body); err != nil {
		return end, nil, fmt.Errorf("bench: publish: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return end, phases, context.Cause(ctx)
		case msg := <-events:
			end = contracts.Event{}
			if err := json.Unmarshal(msg.Data, &end); err != nil {
				return end, phases, fmt.Errorf("bench: event: %w", err)
			}
			if _, told := phases[string(end.Data.Phase)]; !told {
				phases[string(end.Data.Phase)] = time.Since(begin).Seconds()
			}
			if end.Data.Phase.Terminal() {
				return end, phases, nil
			}
		}
	}
}

// close ends all that was started.
func (w *world) close() error {
	if w.worker != nil {
		w.worker.Process.Kill() //nolint:errcheck // it may have ended
		<-w.ended
	}
	var err error
	if w.mesos != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err = w.mesos.Close(ctx)
		cancel()
	}
	if w.meter != nil {
		w.meter.close()
	}
	if w.nc != nil {
		w.nc.Close()
	}
	if w.nats != nil {
		w.nats.Shutdown()
		w.nats.WaitForShutdown()
	}
	return err
}
