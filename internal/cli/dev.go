package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/clustersmith/clustersmith/internal/cli/dev"
	"github.com/clustersmith/clustersmith/worker"
)

// devCmd runs everything in one process.
type devCmd struct {
	NATS           string `name:"nats" default:"127.0.0.1:4222" placeholder:"HOST:PORT" help:"Where NATS listens; port 0 takes a free one."`
	Mesos          string `default:"127.0.0.1:5050" placeholder:"HOST:PORT" help:"Where the Mesos master listens; port 0 takes a free one."`
	Agents         int    `default:"4" placeholder:"N" help:"Number of agents, on 127.0.0.2 and up."`
	AgentResources string `default:"cpus:8;mem:8192;ports:[31000-31999]" placeholder:"RESOURCES" help:"What each agent offers."`
	Workers        int    `default:"1" placeholder:"N" help:"Number of workers; 0 runs the servers only."`
	Chaos          uint64 `default:"0" placeholder:"SEED" help:"Let Mesos delay, batch, reorder and repeat what it says, and lose things now and then; one seed, one behaviour."`
	Data           string `type:"path" placeholder:"DIR" help:"Where data is kept; without it, in a temporary folder that is removed at the end."`
}

func (cmd *devCmd) Run(e *env) error {
	cfg, err := worker.ConfigFromEnv()
	if err != nil {
		return badInput("%w", err)
	}
	log, err := logger(cfg, e.stderr)
	if err != nil {
		return err
	}
	err = dev.Run(e.ctx, dev.Config{
		NATS: cmd.NATS, Mesos: cmd.Mesos, Agents: cmd.Agents, AgentResources: cmd.AgentResources,
		Workers: cmd.Workers, Chaos: cmd.Chaos, Data: cmd.Data, Executor: os.Getenv(worker.EnvPrefix + "EXECUTOR"), Worker: cfg, Log: log,
		Ready: func(at dev.Addresses) error { return e.ready(at) },
		Stopping: func() {
			fmt.Fprintln(e.stderr, "Ending everything that was started. Ctrl-C again ends it at once.")
			e.stop()
		},
	})
	var usage *dev.UsageError
	if errors.As(err, &usage) {
		return badInput("%w", err)
	}
	return err
}

// ready prints the one line that says that everything is up.
func (e *env) ready(at dev.Addresses) error {
	if e.json {
		return e.encodeLine(at)
	}
	_, err := fmt.Fprintf(e.out, "ready: NATS %s, Mesos %s, agents %s, workers %d, data %s\n",
		at.NATS, at.Mesos, strings.Join(at.Agents, " "), at.Workers, at.Data)
	return err
}
