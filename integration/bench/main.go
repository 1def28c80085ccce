package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/internal/redistest"
)

// options are the command line.
type options struct {
	sizes   []size
	columns []string
	rounds  int
	hosts   int
	factor  float64
	longest time.Duration
	traffic bool
	keep    bool
	out     string
	bins    string
	env     string
}

const defaultSizes = "6,30,60,120,300,60m,150m"

func main() {
	ctx, stop := interrupted()
	defer stop()
	if err := mainIn(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func mainIn(ctx context.Context, args []string) error {
	o, render, share, err := parse(args)
	if err != nil {
		return err
	}
	if render != "" {
		r, err := readResults(filepath.Join(render, "benchmarks.json"))
		if err != nil {
			return err
		}
		return writeDocs(render, r)
	}
	if os.Getenv(insideEnv) != "" {
		if err := raiseLoopback(); err != nil {
			return err
		}
	} else if !share {
		err := inNamespace(ctx)
		if !errors.Is(err, errNoNamespace) {
			return err
		}
		fmt.Fprintf(os.Stderr, "%v: refused connections are not counted\n", err)
	}
	return bench(ctx, o)
}

func parse(args []string) (o options, render string, share bool, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := f.String("sizes", defaultSizes, "numbers of nodes, half of them replicas; 60m is 60 masters without replicas")
	columns := f.String("columns", strings.Join(allColumns, ","), "columns; the floor is always measured")
	f.IntVar(&o.rounds, "rounds", 3, "turns of every cell")
	f.IntVar(&o.hosts, "hosts", 6, "hosts, each a loopback address")
	f.Float64Var(&o.factor, "give-up", 25, "a cell is given up after so many times the floor of its round")
	f.DurationVar(&o.longest, "give-up-after", 4*time.Minute, "and after this time in any case")
	f.BoolVar(&o.traffic, "traffic", true, "count bytes, in one more create of each size")
	f.BoolVar(&o.keep, "keep", false, "keep every cell's files below the output directory")
	f.StringVar(&o.out, "out", "work/bench", "directory for benchmarks.json, .svg and .md")
	f.StringVar(&o.bins, "bin", "bin", "directory of clustersmith and clustersmith-executor")
	f.StringVar(&o.env, "env", "", "environment of the worker, comma-separated NAME=VALUE")
	f.StringVar(&render, "render", "", "only write table and plot again from benchmarks.json in this directory")
	f.BoolVar(&share, "share-network", false, "no network namespace of its own")
	if err = f.Parse(args); err != nil {
		return o, render, share, err
	}
	for _, text := range strings.Split(*sizes, ",") {
		n, masters := strings.CutSuffix(text, "m")
		nodes, err := strconv.Atoi(n)
		s := size{Masters: nodes}
		if !masters {
			s = size{Masters: nodes / 2, Replicas: 1}
		}
		if err != nil || s.Masters < 3 || s.nodes() != nodes {
			return o, render, share, fmt.Errorf("bench: size %q is neither an even number from 6 on nor a number from 3 on with an m", text)
		}
		o.sizes = append(o.sizes, s)
	}
	o.columns = []string{colFloor}
	for _, c := range strings.Split(*columns, ",") {
		if !slices.Contains(allColumns, c) {
			return o, render, share, fmt.Errorf("bench: column %q is none of %v", c, allColumns)
		}
		if c != colFloor {
			o.columns = append(o.columns, c)
		}
	}
	return o, render, share, nil
}

// bench measures all and writes the results, after every round what there is.
func bench(ctx context.Context, o options) error {
	r, l, err := prepare(o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(l.dir) // files of a cell that failed; what keep keeps is elsewhere
	begun := time.Now()
	for round := 1; round <= o.rounds; round++ {
		for _, s := range o.sizes {
			if err := turn(ctx, l, r, o, s, round); err != nil {
				return err
			}
			r.Minutes = time.Since(begun).Minutes()
			if err := writeDocs(o.out, r); err != nil {
				return err
			}
		}
	}
	return r.writeTable(os.Stdout)
}

// turn measures one size once in every column.
func turn(ctx context.Context, l *lab, r *results, o options, s size, round int) error {
	var floor run
	for _, column := range o.columns {
		bound := o.longest
		if column != colFloor {
			if c := r.cell(s, column); len(c) > 0 && c[len(c)-1].GaveUp && column != colOurs {
				continue // told already, and it would take as long again
			}
			bound = min(bound, o.bound(column, floor))
		}
		one, err := l.measure(ctx, s, column, bound)
		if err != nil {
			return fmt.Errorf("%v %s: %w", s, column, err)
		}
		one.Round = round
		if column == colFloor {
			floor = one
		}
		r.Runs = append(r.Runs, one)
		l.log("round %d  %-6v %-12s %s", round, s, column, describe(one, floor))
	}
	if round > 1 || !o.traffic || !slices.Contains(o.columns, colOurs) {
		return nil
	}
	t, err := l.count(ctx, s, o.bound(colOurs, floor))
	if err != nil {
		return fmt.Errorf("%v traffic: %w", s, err)
	}
	r.Traffic = append(r.Traffic, t)
	return nil
}

// bound is when a cell is given up. Clustersmith has twelve floors at least: what a run is for is
// not to be cut short.
func (o options) bound(column string, floor run) time.Duration {
	factor := o.factor
	if column == colOurs {
		factor = max(factor, 12)
	}
	return time.Duration(factor * floor.Seconds * float64(time.Second))
}

// count is a create that is not timed, in which bytes are counted.
func (l *lab) count(ctx context.Context, s size, bound time.Duration) (t traffic, err error) {
	t.size = s
	dir, err := os.MkdirTemp(l.dir, "traffic-")
	if err != nil {
		return t, err
	}
	one := run{size: s}
	err = l.ours(ctx, &one, dir, l.agents(s.nodes()), bound, &t)
	if err == nil && one.GaveUp {
		err = errors.New(one.Why)
	}
	return t, errors.Join(err, awaitNone(ctx, dir), os.RemoveAll(dir))
}

func describe(one, floor run) string {
	text := fmt.Sprintf("%7.2f s", one.Seconds)
	if one.GaveUp {
		text = fmt.Sprintf("> %5.1f s (%s)", one.Seconds, one.Why)
	}
	if floor.Seconds > 0 && one.Column != colFloor {
		text += fmt.Sprintf("  %6.3f × floor", one.Seconds/floor.Seconds)
	}
	if one.Claim > 0 {
		text += fmt.Sprintf("  (it said OK at %.1f s)", one.Claim)
	}
	return text + fmt.Sprintf("  CPU %.1f s, %s refused", one.cpu(), counted64(one.Refused))
}

func prepare(o options) (*results, *lab, error) {
	redis, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, fmt.Errorf("bench: %w", err)
	}
	server, err := redistest.Identify(redis)
	if err != nil {
		return nil, nil, err
	}
	tool, err := exec.LookPath("redis-cli")
	if err != nil {
		return nil, nil, fmt.Errorf("bench: %w", err)
	}
	bins, err := filepath.Abs(o.bins)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, nil, err
	}
	l := &lab{server: server, tool: tool, bins: bins, hosts: o.hosts, keep: o.keep,
		log: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }}
	if l.dir, err = os.MkdirTemp("", "clustersmith-bench-"); err != nil {
		return nil, nil, err
	}
	if o.env != "" {
		l.env = strings.Split(o.env, ",")
	}
	r := &results{
		Command: "bench " + strings.Join(os.Args[1:], " "),
		Begun:   time.Now().UTC().Format(time.RFC3339), Rounds: o.rounds, Factor: o.factor, Longest: o.longest.Seconds(),
		Machine: machine(), Versions: versions(redis),
	}
	return r, l, nil
}
