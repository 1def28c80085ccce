package verifier

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// form is Form's loop; it reports whether the cluster has formed.
func (v *Verifier) form(ctx context.Context, tell func(done, total int)) bool {
	v.ask(ctx, v.results, v.all(), v.askQuick)
	tell(v.good(), len(v.plan.Nodes))
	for wait := v.newWait(); v.bad() != nil && ctx.Err() == nil; {
		v.comeRight(ctx, wait, v.askQuick, tell)
	}
	return v.bad() == nil
}

// comeRight asks the nodes that are not as planned until they are, or for a while. Most of the
// time it asks only the first of them, which is cheap for the cluster and for us.
func (v *Verifier) comeRight(ctx context.Context, wait *wait, ask asker, tell func(done, total int)) {
	const turns = 20
	for bad := v.bad(); bad != nil && wait.pause(ctx); bad = v.bad() {
		for range turns {
			v.ask(ctx, v.results, bad[:1], ask)
			if v.results[bad[0]].good() || !wait.pause(ctx) {
				break
			}
		}
		v.ask(ctx, v.results, bad, ask)
		tell(v.good(), len(v.plan.Nodes))
		if v.opts.Repair && v.drifted() {
			return
		}
	}
}

// fullPass asks all nodes everything, and says whether it came to its end: a part of it decides nothing.
func (v *Verifier) fullPass(ctx context.Context) (whole bool) {
	v.epochs = newEpochTable(len(v.plan.Nodes))
	v.ask(ctx, v.results, v.all(), v.askFull)
	whole = ctx.Err() == nil
	if whole {
		v.agreeOnEpochs()
	}
	v.passes++
	return whole
}

// write makes the write check on all masters and reports whether all have passed.
func (v *Verifier) write(ctx context.Context) bool {
	masters := v.masters()
	v.ask(ctx, v.writes, masters, v.askWrite)
	return !slices.ContainsFunc(masters, func(i int) bool { return !v.writes[i].good() })
}

// asker asks node i and returns what it found. The Comparer is the calling goroutine's.
type asker func(ctx context.Context, i int, c *nodesconf.Comparer) result

// ask asks nodes, several at once, and keeps their results. When ctx ends, nodes that have
// not answered keep the result that they had.
func (v *Verifier) ask(ctx context.Context, results []result, nodes []int, ask asker) {
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	for range min(v.opts.Parallel, len(nodes)) {
		wg.Go(func() {
			c := v.layout.Comparer()
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(nodes) {
					return
				}
				i := nodes[n]
				if r := ask(ctx, i, c); r.answered || ctx.Err() == nil { // else it is the caller's time that is over
					results[i] = r
				}
			}
		})
	}
	wg.Wait()
}

// wait paces polling: by a few milliseconds at first, later by a two-hundredth of the time
// that was waited, so that what is found is never late by more than that, and a cluster that
// stays bad is not asked without end. Large clusters, whose nodes are busy, are asked less often.
type wait struct {
	start time.Time
	least time.Duration
}

func (v *Verifier) newWait() *wait {
	least := 4*time.Millisecond + time.Duration(len(v.plan.Nodes))*20*time.Microsecond
	return &wait{start: time.Now(), least: least}
}

// pause sleeps for one interval. It returns false when ctx ends.
func (w *wait) pause(ctx context.Context) bool {
	d := min(max(w.least, time.Since(w.start)/200), 500*time.Millisecond)
	d += time.Duration(rand.Int64N(int64(d)/5 + 1))
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
