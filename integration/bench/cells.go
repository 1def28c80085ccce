package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// lab is where cells are measured.
type lab struct {
	server redistest.Server
	tool   string // redis-cli
	bins   string // of clustersmith and its executor
	dir    string
	hosts  int
	env    []string // further environment of the worker
	keep   bool     // the files of each cell
	cells  int      // so far
	log    func(format string, args ...any)
}

// agents are the hosts of the next cell, on addresses that no other cell uses: what the kernel
// still remembers of a former cell's connections is no matter.
func (l *lab) agents(nodes int) []local.AgentConfig {
	l.cells++
	list := make([]local.AgentConfig, l.hosts)
	for i := range list {
		list[i] = local.AgentConfig{
			IP:   fmt.Sprintf("127.%d.%d.%d", 40+l.cells/200, l.cells%200, i+2),
			CPUs: float64(nodes + 1), MemMB: float64((nodes + 1) * memoryMB), DiskMB: 102400,
			Ports: []chunkdist.PortRange{{Begin: 20000, End: 20000 + 2*nodes}},
		}
	}
	return list
}

// plan is the plan that a worker makes on these agents.
func (l *lab) plan(s size, agents []local.AgentConfig) (chunkdist.Plan, error) {
	hosts := make([]chunkdist.Host, len(agents))
	for i, a := range agents {
		hosts[i] = chunkdist.Host{Name: a.IP, Agents: []chunkdist.Agent{{ID: a.IP, CPUs: a.CPUs, MemoryMB: a.MemMB, Ports: a.Ports}}}
	}
	return chunkdist.Place(chunkdist.Spec{
		Cluster: "bench", UID: uuid.NewString(), Masters: s.Masters, Replicas: s.Replicas,
		Node:     chunkdist.Resources{CPUs: 0.1, MemoryMB: memoryMB},
		Overhead: chunkdist.Resources{CPUs: 0.1, MemoryMB: 64},
	}, hosts)
}

// measure makes one cell. The error is the bench's own; what a column could not do is in the run.
func (l *lab) measure(ctx context.Context, s size, column string, bound time.Duration) (one run, err error) {
	one = run{size: s, Column: column, Refused: notCounted}
	agents := l.agents(s.nodes())
	dir, err := os.MkdirTemp(l.dir, column+"-")
	if err != nil {
		return one, err
	}
	defer func() {
		err = errors.Join(err, awaitNone(ctx, dir))
		if !l.keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if column == colOurs {
		return one, l.ours(ctx, &one, dir, agents, bound, nil)
	}
	plan, err := l.plan(s, agents)
	if err != nil {
		return one, err
	}
	edit := func(text []byte) []byte { return text }
	switch column {
	case colCLI:
		edit = nil
	case colNaive:
		edit = withoutEpochs
	}
	f, err := stage(l.server.Path, l.server.Dialect, plan, dir, edit)
	if err != nil {
		return one, err
	}
	defer f.stop()
	limited, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	clock := l.start(dir)
	var report contracts.Report
	switch column {
	case colFloor:
		if err = f.startHeld(limited); err == nil {
			report, err = l.verify(limited, plan, false)
		}
	case colNaive:
		for i := range plan.Nodes {
			plan.Nodes[i].Epoch = 0
		}
		if err = f.start(); err == nil {
			report, err = l.verify(limited, plan, true)
		}
	case colCLI:
		if err = f.start(); err == nil {
			err = f.awaitBound(limited)
		}
		if err == nil {
			var cpu float64
			plan, cpu, err = f.createByCLI(limited, l.tool)
			clock.tool = cpu
		}
		if err == nil {
			one.Claim = clock.elapsed()
			report, err = l.verify(limited, plan, true)
		}
	}
	clock.stop(&one)
	return one, l.judge(ctx, limited, &one, bound, report, err)
}

// verify is the verification of every column.
func (l *lab) verify(ctx context.Context, plan chunkdist.Plan, aged bool) (contracts.Report, error) {
	v, err := verifier.New(plan, l.server.Dialect, verifier.Options{AgedEpochs: aged})
	if err != nil {
		return contracts.Report{}, err
	}
	defer v.Close()
	return v.Verify(ctx, nil)
}

// judge writes down what a cell came to.
func (l *lab) judge(ctx, limited context.Context, one *run, bound time.Duration, report contracts.Report, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err == nil && report.OK {
		return nil
	}
	one.GaveUp = true
	if limited.Err() != nil {
		one.Seconds = bound.Seconds()
	}
	switch {
	case len(report.Differences) > 0:
		d := report.Differences[0]
		one.Why = fmt.Sprintf("%d differences, the first: %s, %s: expected %s, got %s",
			len(report.Differences)+report.Omitted, d.Address, d.Check, d.Expected, d.Got)
	case err != nil:
		one.Why = err.Error()
	}
	if one.Column == colFloor {
		return fmt.Errorf("bench: the floor of %v is not verified within %v: %s", one.size, bound, one.Why)
	}
	return nil
}

var epochField = regexp.MustCompile(`(?m)( 0 0) \d+ (connected)|(vars currentEpoch) \d+ `)

// withoutEpochs sets all epochs of a nodes.conf to 0.
func withoutEpochs(text []byte) []byte {
	return epochField.ReplaceAllFunc(text, func(m []byte) []byte {
		if bytes.HasPrefix(m, []byte("vars")) {
			return []byte("vars currentEpoch 0 ")
		}
		return []byte(" 0 0 0 connected")
	})
}

// ours makes a cell with Clustersmith. count, where not nil, gets the bytes.
func (l *lab) ours(ctx context.Context, one *run, dir string, agents []local.AgentConfig, bound time.Duration, count *traffic) (err error) {
	w, err := startWorld(ctx, l.bins, dir, agents, count != nil, l.env)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return err
	}
	req := contracts.CreateRequest{
		ID: uuid.NewString(), Cluster: "bench", Masters: one.Masters, Replicas: one.Replicas,
		Node:     contracts.NodeResources{CPUs: 0.1, MemoryMB: memoryMB},
		Redis:    contracts.RedisOptions{Flavor: l.server.Dialect.Flavor(), Version: l.server.Dialect.Version()},
		Deadline: contracts.Duration(bound.Round(time.Millisecond)),
	}
	before, err := w.nats.Varz(nil)
	if err != nil {
		return fmt.Errorf("bench: NATS: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, bound+5*time.Second) // the deadline is told of, too
	defer cancel()
	clock := l.start(dir)
	end, phases, err := w.create(limited, req)
	clock.stop(one)
	one.Phases = phases
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if count != nil {
		after, err := w.nats.Varz(nil)
		if err != nil {
			return fmt.Errorf("bench: NATS: %w", err)
		}
		count.NATSMessages = after.InMsgs + after.OutMsgs - before.InMsgs - before.OutMsgs
		count.NATSBytes = after.InBytes + after.OutBytes - before.InBytes - before.OutBytes
		count.MesosBytes = w.meter.bytes.Load()
	}
	switch {
	case err != nil:
		one.GaveUp, one.Seconds, one.Why = true, bound.Seconds(), err.Error()
	case end.Data.Phase != contracts.PhaseVerified:
		one.GaveUp, one.Why = true, fmt.Sprintf("%s: %s", end.Data.Reason, end.Data.Message)
	default:
		return l.sameConfig(dir, one.size, agents)
	}
	return nil
}

// sameConfig compares the redis.conf of an executor with that of the other columns.
func (l *lab) sameConfig(dir string, s size, agents []local.AgentConfig) error {
	plan, err := l.plan(s, agents)
	if err != nil {
		return err
	}
	ref := filepath.Join(dir, "reference")
	if _, err := stage(l.server.Path, l.server.Dialect, plan, ref, nil); err != nil {
		return err
	}
	found := map[string]string{}
	err = filepath.WalkDir(filepath.Join(dir, "mesos"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "redis.conf" {
			found[filepath.Base(filepath.Dir(path))] = path
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("bench: sandboxes: %w", err)
	}
	for i := range plan.Nodes {
		node := fmt.Sprintf("node-%d", i)
		theirs, err := os.ReadFile(found[node])
		if err != nil {
			return fmt.Errorf("bench: redis.conf of %s: %w", node, err)
		}
		want, err := os.ReadFile(filepath.Join(ref, node, "redis.conf"))
		if err != nil {
			return err
		}
		if !bytes.Equal(withoutDir(theirs), withoutDir(want)) {
			return fmt.Errorf("bench: %s has another redis.conf than the other columns':\n%s\ninstead of\n%s", node, theirs, want)
		}
	}
	return nil
}

var dirLine = regexp.MustCompile(`(?m)^dir .*\n`)

func withoutDir(conf []byte) []byte { return dirLine.ReplaceAll(conf, nil) }

// stopwatch measures a cell.
type stopwatch struct {
	dir     string
	begin   time.Time
	own     float64
	idle    usage // what was there before
	refused int64
	tool    float64
}

func (l *lab) start(dir string) *stopwatch {
	w := &stopwatch{dir: dir, idle: usageIn(dir), refused: refusedSoFar(), own: ownCPU()}
	w.begin = time.Now()
	return w
}

func (w *stopwatch) elapsed() float64 { return time.Since(w.begin).Seconds() }

func (w *stopwatch) stop(one *run) {
	one.Seconds = w.elapsed()
	own := ownCPU() - w.own
	if w.refused >= 0 {
		one.Refused = refusedSoFar() - w.refused
	}
	one.usage = usageIn(w.dir)
	for group, cpu := range w.idle.CPU {
		one.CPU[group] -= cpu
	}
	one.CPU["bench"] = own
	if w.tool > 0 {
		one.CPU["tool"] = w.tool
	}
}
