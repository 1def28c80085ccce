package dev_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/cli/dev"
	"github.com/clustersmith/clustersmith/worker"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(change func(*dev.Config)) dev.Config {
	cfg := dev.Config{
		NATS: "127.0.0.1:0", Mesos: "127.0.0.1:0", Agents: 2, AgentResources: "cpus:1;mem:512;ports:[26300-26309]",
		Workers: 2, Executor: "/bin/true", Worker: worker.Config{}.WithDefaults(), Log: slog.New(slog.DiscardHandler),
		Ready: func(dev.Addresses) error { return nil },
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func TestEverythingComesUpAndEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var at dev.Addresses
	stopping := false
	err := dev.Run(ctx, config(func(c *dev.Config) {
		c.Ready = func(a dev.Addresses) error {
			at = a
			for _, address := range []string{strings.TrimPrefix(a.NATS, "nats://"), strings.TrimPrefix(a.Mesos, "http://")} {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					continue
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
			cancel()
			return nil
		}
		c.Stopping = func() { stopping = true }
	}))
	if err != nil || !stopping {
		t.Errorf("ended with %v, stopping %v", err, stopping)
	}
	if !at.Ready || at.Workers != 2 || strings.Join(at.Agents, " ") != "127.0.0.2 127.0.0.3" || at.PID != os.Getpid() {
		t.Errorf("addresses %+v", at)
	}
	if _, err := os.Stat(at.Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	for _, address := range []string{strings.TrimPrefix(at.NATS, "nats://"), strings.TrimPrefix(at.Mesos, "http://")} {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close() //nolint:errcheck // the failure is told below
			t.Errorf("%s still listens", address)
		}
	}
}

func TestServersAloneNeedNoExecutor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	err := dev.Run(ctx, config(func(c *dev.Config) {
		c.Workers, c.Executor = 0, ""
		c.Ready = func(dev.Addresses) error { cancel(); return nil }
	}))
	if err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*dev.Config)
		usage  bool
		says   string
	}{
		"NATS' port is taken":  {func(c *dev.Config) { c.NATS = taken.Addr().String() }, false, "--nats HOST:0"},
		"Mesos' port is taken": {func(c *dev.Config) { c.Mesos = taken.Addr().String() }, false, "--mesos HOST:0"},
		"no executor":          {func(c *dev.Config) { c.Executor = "" }, true, "make build"},
		"a file as folder":     {func(c *dev.Config) { c.Data = file }, true, "--data"},
		"bad resources":        {func(c *dev.Config) { c.AgentResources = "cpus" }, true, "--agent-resources"},
		"too many agents":      {func(c *dev.Config) { c.Agents = 251 }, true, "--agents"},
		"too many workers":     {func(c *dev.Config) { c.Workers = 101 }, true, "--workers"},
		"a name to listen on":  {func(c *dev.Config) { c.NATS = "localhost:4222" }, true, "--nats"},
		"a bad worker":         {func(c *dev.Config) { c.Worker.Concurrency = -1 }, true, "CONCURRENCY"},
	} {
		err := dev.Run(t.Context(), config(c.change))
		var usage *dev.UsageError
		if err == nil || errors.As(err, &usage) != c.usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADataFolderIsKeptAndLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	err := dev.Run(ctx, config(func(c *dev.Config) {
		c.Data, c.Workers = dir, 0
		c.Ready = func(dev.Addresses) error {
			second := dev.Run(t.Context(), config(func(c *dev.Config) { c.Data = dir }))
			if second == nil || !strings.Contains(second.Error(), "in use") {
				t.Errorf("a second one in the same folder: %v", second)
			}
			cancel()
			return nil
		}
	}))
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nats")); err != nil {
		t.Errorf("the data is gone: %v", err)
	}
}

func TestAStopWhileStartingIsNoError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := dev.Run(ctx, config(func(c *dev.Config) {
		c.Ready = func(dev.Addresses) error { <-ctx.Done(); return nil }
	})); err != nil {
		t.Error(err)
	}
}
