package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// grammar is the command line. Every command has a Run(*env) error.
type grammar struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"Output for people (text) or for machines (json)."`

	Dev       devCmd       `cmd:"" help:"Run everything in one process: NATS, a local Mesos and workers."`
	Worker    workerCmd    `cmd:"" help:"Run one worker, configured by CLUSTERSMITH_ variables."`
	Create    createCmd    `cmd:"" help:"Ask for a Redis Cluster."`
	Watch     watchCmd     `cmd:"" help:"Follow all jobs, or those of one cluster."`
	Plan      planCmd      `cmd:"" help:"Plan a cluster without creating it."`
	Verify    verifyCmd    `cmd:"" help:"Check every node of a cluster against its plan again."`
	Status    statusCmd    `cmd:"" help:"Show clusters and jobs, or one cluster."`
	Destroy   destroyCmd   `cmd:"" help:"End a cluster."`
	Cancel    cancelCmd    `cmd:"" help:"Stop a create or a verification; a create is cleaned up."`
	Nodesconf nodesconfCmd `cmd:"" help:"Print the nodes.conf of one node of a plan."`
	Dead      deadCmd      `cmd:"" help:"List and replay messages that no worker could work on."`
}

// env is what a command works with.
type env struct {
	ctx    context.Context
	stop   func() // gives the signals back: the next one ends the process at once
	json   bool
	in     io.Reader
	out    io.Writer
	stderr io.Writer
}

// Main runs the command that args ask for and returns the process's exit status.
func Main(args []string, in io.Reader, out, stderr io.Writer) (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return int(run(ctx, stop, args, in, out, stderr))
}

// exited is the panic that ends kong where it wants to end the process (after --help).
type exited int

func run(ctx context.Context, stop func(), args []string, in io.Reader, out, stderr io.Writer) (status Status) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			status = Status(r)
		default:
			panic(r)
		}
	}()
	var g grammar
	parser, err := kong.New(&g, kong.Name("clustersmith"), kong.Writers(out, stderr),
		kong.Description("From a message to a verified Redis Cluster on Mesos.\n\n"+statuses),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(err) // the grammar itself is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return conclude(badInput("%w; see clustersmith --help", err), wantsJSON(args), stderr)
	}
	e := &env{ctx: ctx, stop: stop, json: g.Output == "json", in: in, out: out, stderr: stderr}
	return conclude(parsed.Run(e), e.json, stderr)
}

// wantsJSON says whether arguments that could not be parsed ask for JSON: the error is to be JSON too.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "--":
			return false
		case "-ojson", "-o=json", "--output=json":
			return true
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		}
	}
	return false
}

// encode writes a value as one JSON document.
func (e *env) encode(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// encodeLine writes a value as one line of JSON.
func (e *env) encodeLine(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// isTerminal reports whether bars can be drawn on w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
