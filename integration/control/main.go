// Command control measures the control plane without Redis: NATS, workers, planner, the Mesos
// calls and status updates, with stub nodes in place of redis-servers and of the executor (see
// control/stub). NATS and a local Mesos run in this process, each worker is a process of its own,
// and each host of a cluster has one stub executor process; all share this machine's cores.
//
//	go run ./integration/control -json docs/benchmarks-control.json -markdown docs/benchmarks-control.md
//
// Measured are large clusters (publish → all tasks running, memory, message sizes) and many small
// ones (creates and events per second with 1, 2 and 4 workers, time that the lease is held).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	jsonPath := flag.String("json", "", "write the results as JSON to this file")
	markdown := flag.String("markdown", "", "put the tables into this Markdown file, between its marks")
	large := flag.String("large", "600:40,1200:60,2000:100", "large clusters, nodes:agents")
	workers := flag.String("workers", "1,2,4", "numbers of workers for the small clusters")
	turns := flag.Int("turns", 3, "how often each large cluster is made; the median counts")
	small := flag.Int("small", 60, "how many small clusters each number of workers makes for each worker")
	verbose := flag.Bool("v", false, "logs of workers and Mesos on stderr")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, plan{*large, *workers, *turns, *small, *verbose}, *jsonPath, *markdown); err != nil {
		fmt.Fprintln(os.Stderr, "control:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what to measure.
type plan struct {
	large, workers string
	turns, small   int
	verbose        bool
}

func run(ctx context.Context, p plan, jsonPath, markdown string) error {
	r, err := measure(ctx, p)
	if err != nil {
		return err
	}
	return r.write(os.Stdout, jsonPath, markdown)
}

func comma(c rune) bool { return c == ',' }

// measure makes all measurements, one after the other.
func measure(ctx context.Context, p plan) (*results, error) {
	bin, err := build(ctx)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(bin)
	r := newResults()
	for one := range strings.FieldsFuncSeq(p.large, comma) {
		nodes, agents, ok := strings.Cut(one, ":")
		n, errN := strconv.Atoi(nodes)
		a, errA := strconv.Atoi(agents)
		if !ok || errN != nil || errA != nil {
			return nil, fmt.Errorf("-large: %q is not nodes:agents", one)
		}
		fmt.Fprintf(os.Stderr, "%d nodes on %d agents\n", n, a)
		l, err := measureLarge(ctx, options{bin: bin, agents: a, verbose: p.verbose}, n, p.turns)
		if err != nil {
			return nil, fmt.Errorf("%d nodes on %d agents: %w", n, a, err)
		}
		r.Large = append(r.Large, l)
	}
	for one := range strings.FieldsFuncSeq(p.workers, comma) {
		n, err := strconv.Atoi(one)
		if err != nil {
			return nil, fmt.Errorf("-workers: %w", err)
		}
		fmt.Fprintf(os.Stderr, "%d workers\n", n)
		for _, nodes := range []string{"stub", "stub-2s"} {
			s, err := measureSmall(ctx, options{bin: bin, agents: smallAgents, nodes: nodes, workers: n, verbose: p.verbose}, p.small*n)
			if err != nil {
				return nil, fmt.Errorf("%d workers, %s: %w", n, nodes, err)
			}
			r.Small = append(r.Small, s)
		}
	}
	return r, nil
}
