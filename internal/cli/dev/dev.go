// Package dev runs a whole Clustersmith in one process, for development and demonstrations: NATS with
// JetStream on a file store, a small local Mesos whose agents start real processes, and workers.
//
// Laws:
//   - Run returns when everything that it started has ended, whatever ended it: workers first, then
//     Mesos with every executor and redis-server, then NATS, then a temporary folder.
//   - It listens on the addresses that it was given and nowhere else.
//   - What a kept data folder says of clusters that ended with their Mesos is removed at the start.
package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// Config says what to run. All fields are required, except Chaos, Data, Executor and Stopping.
type Config struct {
	NATS, Mesos    string // host:port to listen on; port 0 takes a free one
	Agents         int
	AgentResources string
	Workers        int
	Chaos          uint64 // seed of the local Mesos' chaos; 0: none
	Data           string // empty: a temporary folder
	// Executor is the executor's path; empty: the one beside this program.
	Executor string
	// Worker is what the workers are configured with, except for addresses and the executor.
	Worker worker.Config
	Log    *slog.Logger
	// Ready is called once, when everything is up.
	Ready func(Addresses) error
	// Stopping is called when the end begins.
	Stopping func()
}

// Addresses is where everything is.
type Addresses struct {
	Ready   bool     `json:"ready"`
	NATS    string   `json:"nats"`
	Mesos   string   `json:"mesos"`
	Agents  []string `json:"agents"`
	Workers int      `json:"workers"`
	Data    string   `json:"data"`
	PID     int      `json:"pid"`
}

// UsageError is an error that another flag or variable mends.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

func usage(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 30 * time.Second
	// drainGrace is short: whoever stops this stops it for good, and jobs have nowhere to go on.
	drainGrace = time.Second
)

// Run starts everything, calls cfg.Ready, and ends it all when ctx is over. The error is nil after an
// end that was asked for.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.validate(); err != nil {
		return err
	}
	var up stack
	defer func() {
		if cfg.Stopping != nil && ctx.Err() != nil {
			cfg.Stopping()
		}
		err = errors.Join(err, up.down())
	}()
	dir, err := dataDir(&up, cfg.Data)
	if err != nil {
		return err
	}
	starting, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("it took longer than "+startTimeout.String()))
	defer cancel()
	failed := make(chan error, cfg.Workers)
	at, err := start(starting, cfg, dir, &up, failed)
	if ctx.Err() != nil {
		return nil // stopped before it was up
	}
	if err != nil {
		return err
	}
	if err := cfg.Ready(at); err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

func start(ctx context.Context, cfg Config, dir string, up *stack, failed chan error) (Addresses, error) {
	at := Addresses{Ready: true, Workers: cfg.Workers, Data: dir, PID: os.Getpid()}
	server, err := startNATS(ctx, up, cfg.NATS, filepath.Join(dir, "nats"))
	if err != nil {
		return at, err
	}
	at.NATS = server.ClientURL()

	agents, err := cfg.agents()
	if err != nil {
		return at, err
	}
	mesosConfig := local.Config{Listen: cfg.Mesos, Agents: agents, Dir: filepath.Join(dir, "mesos"), Logger: cfg.Log.With("part", "mesos")}
	if cfg.Chaos != 0 {
		mesosConfig.Chaos = local.NewChaos(cfg.Chaos)
	}
	mesos, err := local.Start(ctx, mesosConfig)
	if err != nil {
		return at, fmt.Errorf("dev: Mesos: %w; is another one running? --mesos HOST:0 takes a free port", err)
	}
	up.push("Mesos", mesos.Close)
	at.Mesos = mesos.URL()
	for _, a := range agents {
		at.Agents = append(at.Agents, a.IP)
	}
	return at, startWorkers(ctx, cfg, at, up, failed)
}

func (c Config) validate() error {
	switch {
	case c.Agents < 0 || c.Agents > 250:
		return usage("--agents must be 0 to 250, not %d: they are on 127.0.0.2 to 127.0.0.251", c.Agents)
	case c.Workers < 0 || c.Workers > 100:
		return usage("--workers must be 0 to 100, not %d", c.Workers)
	}
	for flag, address := range map[string]string{"--nats": c.NATS, "--mesos": c.Mesos} {
		host, port, err := net.SplitHostPort(address)
		if err != nil || net.ParseIP(host) == nil || port == "" {
			return usage("%s must be an IP address and a port, such as 127.0.0.1:0, not %q", flag, address)
		}
	}
	_, err := c.agents()
	return err
}

// agents are all alike, each on an address of its own.
func (c Config) agents() ([]local.AgentConfig, error) {
	r, err := local.ParseResources(c.AgentResources)
	if err != nil {
		return nil, usage("--agent-resources: %w; such as cpus:8;mem:8192;ports:[31000-31999]", err)
	}
	list := make([]local.AgentConfig, c.Agents)
	for i := range list {
		list[i] = local.AgentConfig{IP: fmt.Sprintf("127.0.0.%d", i+2), CPUs: r.CPUs, MemMB: r.MemMB, DiskMB: r.DiskMB, Ports: r.Ports}
	}
	return list, nil
}
