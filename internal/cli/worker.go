package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/clustersmith/clustersmith/worker"
)

// workerCmd runs one worker.
type workerCmd struct{}

// Help is shown by --help below the command.
func (workerCmd) Help() string {
	return "The README lists the CLUSTERSMITH_ variables. SIGTERM drains: no more jobs are taken, running ones end or are handed over."
}

func (workerCmd) Run(e *env) error {
	cfg, err := worker.ConfigFromEnv()
	if err != nil {
		return badInput("%w", err)
	}
	log, err := logger(cfg, e.stderr)
	if err != nil {
		return err
	}
	w, err := worker.New(cfg, log)
	if err != nil {
		return badInput("%w", err)
	}
	return w.Run(e.ctx)
}

// logger is the log of a worker, as its configuration wants it.
func logger(cfg worker.Config, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, badInput("CLUSTERSMITH_LOG_LEVEL must be debug, info, warn or error, not %q", cfg.LogLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch cfg.LogFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	return nil, badInput("CLUSTERSMITH_LOG_FORMAT must be text or json, not %q", fmt.Sprint(cfg.LogFormat))
}
