package cli

import (
	"encoding/json"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// nodesconfCmd prints one rendered file, for people who debug.
type nodesconfCmd struct {
	File    string `short:"f" required:"" type:"path" placeholder:"FILE" help:"The plan, as clustersmith plan -o json prints it (- is the standard input)."`
	Node    int    `required:"" placeholder:"N" help:"The node's index."`
	Flavor  string `default:"redis" help:"redis or valkey."`
	Version string `default:"7.0" help:"The server's version, major.minor."`
}

// nodesconfDoc is what nodesconf prints with -o json.
type nodesconfDoc struct {
	Node      int    `json:"node"`
	Server    string `json:"server"`
	NodesConf string `json:"nodes_conf"`
}

func (cmd *nodesconfCmd) Run(e *env) error {
	body, err := e.readFile(cmd.File)
	if err != nil {
		return err
	}
	var plan contracts.Plan
	if err := json.Unmarshal(body, &plan); err != nil {
		return badInput("%s holds no plan: %w; clustersmith plan -o json prints one", cmd.File, err)
	}
	if len(plan.Nodes) == 0 {
		return badInput("%s holds a plan without nodes; clustersmith plan -o json prints one", cmd.File)
	}
	dialect, err := nodesconf.LookupDialect(cmd.Flavor, cmd.Version)
	if err != nil {
		return badInput("%w", err)
	}
	text, err := dialect.NodesConf(jobs.PlanOf(plan), cmd.Node)
	if err != nil {
		return badInput("%s: %w", cmd.File, err)
	}
	if e.json {
		return e.encode(nodesconfDoc{cmd.Node, dialect.String(), string(text)})
	}
	_, err = e.out.Write(text)
	return err
}
