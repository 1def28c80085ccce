package verifier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// Options tune a Verifier. The zero value is good.
type Options struct {
	// Parallel is how many nodes are asked at once. Default 64.
	Parallel int
	// Timeout is the longest time for one exchange with one node, connecting included. Default 5s.
	Timeout time.Duration
	// Repair lets Verify send CLUSTER FAILOVER to a planned master that is a healthy replica of
	// one of its own replicas, if nothing else is wrong in the whole cluster.
	Repair bool
	// AgedEpochs accepts config epochs above the planned ones, as long as all nodes agree on
	// them and no two masters share one: what a cluster has that once failed over and back.
	// Verify turns it on by itself after a repair.
	AgedEpochs bool
	// Dial opens connections. Default: a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Verifier verifies one cluster. Its methods may be called from several goroutines; they take
// turns. Connections are kept between calls; Close closes them.
type Verifier struct {
	plan    chunkdist.Plan
	dialect nodesconf.Dialect
	layout  *nodesconf.Layout
	// replicas are the indexes of each master's planned replicas.
	replicas [][]int
	opts     Options

	mu      sync.Mutex // held during an exported call
	conns   []*conn    // by node; nil where there is none
	results []result   // by node, what it said last in this call
	writes  []result   // by node, the last write check of this call
	epochs  *epochTable
	aged    bool // config epochs above the planned ones are accepted
	passes  int
}

// New prepares the verification of a plan whose servers are of a dialect. The plan must not
// change afterwards.
func New(plan chunkdist.Plan, dialect nodesconf.Dialect, o Options) (*Verifier, error) {
	if len(plan.Nodes) == 0 || dialect == (nodesconf.Dialect{}) {
		return nil, errors.New("verifier: a plan with nodes and a dialect are needed")
	}
	layout, err := nodesconf.NewLayout(plan)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w", err)
	}
	if o.Parallel <= 0 {
		o.Parallel = 64
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	v := &Verifier{
		plan: plan, dialect: dialect, layout: layout, opts: o, aged: o.AgedEpochs,
		replicas: make([][]int, len(plan.Nodes)), conns: make([]*conn, len(plan.Nodes)),
	}
	for i, n := range plan.Nodes {
		if n.Role == chunkdist.Replica {
			v.replicas[*n.Master] = append(v.replicas[*n.Master], i)
		}
	}
	return v, nil
}

// Close closes the connections.
func (v *Verifier) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.conns {
		v.drop(i)
	}
}

// Quick asks every node once, cheaply, and returns how many say that the cluster is ok and
// count as planned. The error is ctx's.
func (v *Verifier) Quick(ctx context.Context) (ready int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begin()
	v.ask(ctx, v.results, v.all(), v.askQuick)
	return v.good(), calledOff(ctx)
}

// Pass asks every node once and compares all that it says with the plan, without writing. The
// error is ctx's, where it was cancelled; a deadline that passes is a report.
func (v *Verifier) Pass(ctx context.Context) (contracts.Report, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begin()
	report, _ := v.pass(ctx)
	return report, calledOff(ctx)
}

// pass is a full pass and its report, which is good only if the pass was whole.
func (v *Verifier) pass(ctx context.Context) (report contracts.Report, whole bool) {
	whole = v.fullPass(ctx)
	report = v.report(passChecks)
	report.OK = report.OK && whole
	return report, whole
}

// Confirm only reads, as Pass does, and gives differences time to go away: passes are made until one
// finds none, for settle at most. progress is told as Verify tells it; the error is ctx's, where it
// was cancelled.
func (v *Verifier) Confirm(ctx context.Context, settle time.Duration, progress func(done, total int)) (contracts.Report, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begin()
	tell := meter(progress)
	limited, stop := context.WithTimeout(ctx, settle)
	defer stop()
	wait := v.newWait()
	var last contracts.Report // of a whole pass, if there was one
	for first := true; ; first = false {
		report, whole := v.pass(ctx) // not limited by settle
		tell(v.good(), len(v.plan.Nodes))
		if whole || first {
			last = report
		}
		if !whole || v.bad() == nil || limited.Err() != nil {
			return last, calledOff(ctx)
		}
		v.comeRight(limited, wait, v.askFull, tell)
	}
}

// Form waits until every node says that the cluster is ok and counts as planned, or ctx ends.
// That is necessary for a verified cluster and proves little: a node says so 2 s after its start
// even if it is alone. progress, if not nil, is told how many of the nodes are that far, never
// fewer than before. The report has the quick checks only.
func (v *Verifier) Form(ctx context.Context, progress func(done, total int)) (contracts.Report, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begin()
	v.form(ctx, meter(progress))
	return v.report(quickChecks), calledOff(ctx)
}

// Verify waits as Form does and then until one pass over all nodes finds nothing that differs
// from the plan and every master has passed the write check, or until ctx ends. progress, if not nil,
// is told how many of the nodes are found as planned, never fewer than before. At a deadline the
// report says what differed last; the error is ctx's, where it was cancelled.
func (v *Verifier) Verify(ctx context.Context, progress func(done, total int)) (contracts.Report, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.begin()
	tell := meter(progress)
	if !v.form(ctx, func(int, int) {}) {
		return v.report(allChecks), calledOff(ctx)
	}
	v.results = make([]result, len(v.plan.Nodes)) // the cheap answers prove nothing of what follows
	repairs := newRepairs(v)
	wait := v.newWait()
	for ctx.Err() == nil {
		v.fullPass(ctx)
		tell(v.good(), len(v.plan.Nodes))
		if v.bad() != nil {
			repairs.try(ctx)
			v.comeRight(ctx, wait, v.askFull, tell)
		} else if v.write(ctx) || !wait.pause(ctx) {
			break
		}
	}
	r := v.report(allChecks)
	r.Repaired = repairs.done(r.OK)
	return r, calledOff(ctx)
}

// calledOff is the cause of a ctx that was cancelled; nil where it lives or its deadline passed.
func calledOff(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("verifier: %w", context.Cause(ctx))
	}
	return nil
}

// meter passes on progress that does not go back.
func meter(progress func(done, total int)) func(done, total int) {
	most := -1
	return func(done, total int) {
		if progress != nil && done > most {
			most = done
			progress(done, total)
		}
	}
}
