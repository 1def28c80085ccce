// Command clustersmith-executor runs the nodes of one cluster on one host. Mesos agents start
// it; package executor says what it does.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/clustersmith/clustersmith/mesos/executor"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	cfg, err := executor.FromEnv(os.Getenv)
	if err == nil {
		err = executor.Run(ctx, cfg, log)
	}
	if err != nil {
		log.Error("ended", "err", err)
		os.Exit(1)
	}
}
