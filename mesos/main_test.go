package mesos_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/clustersmith/clustersmith/mesos/executor"
)

// asExecutor makes this test binary be the executor: the agents start it in its place.
const asExecutor = "CLUSTERSMITH_TEST_AS_EXECUTOR"

func TestMain(m *testing.M) {
	if os.Getenv(asExecutor) != "" {
		cfg, err := executor.FromEnv(os.Getenv)
		if err == nil {
			err = executor.Run(context.Background(), cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The thread that forks children lives as long as the process, by design.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/clustersmith/clustersmith/internal/proc.fork"))
}
