package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
)

// progressEvery bounds how often a phase reports: a phase's first and last counts are always told.
const progressEvery = 500 * time.Millisecond

// bar reports how far one phase is, as progress events. While a bar is in use, nothing else
// writes the job's record.
type bar struct {
	r     *run
	ctx   context.Context
	phase contracts.Phase
	what  string

	mu          sync.Mutex // reports may come from several goroutines
	done, total int
	told        time.Time
	silent      bool  // a former owner has told of this phase
	err         error // the first event that could not be written; the job is lost then
}

func (r *run) bar(ctx context.Context, phase contracts.Phase, what string) *bar {
	return &bar{r: r, ctx: ctx, phase: phase, what: what}
}

// enter begins the phase.
func (b *bar) enter(total int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.told = total, time.Now()
	if b.silent = jobs.Past(b.r.rec, b.phase); b.silent {
		return nil
	}
	return b.r.emitIn(b.ctx, b.phase, contracts.EventProgress, b.data())
}

// report tells the counts, unless it has just told others; only more counts as progress.
func (b *bar) report(done, total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil || done == b.done && total == b.total {
		return
	}
	if done > b.done {
		b.r.touch()
	}
	b.done, b.total = done, total
	if b.silent || time.Since(b.told) < progressEvery {
		return
	}
	b.told = time.Now()
	b.err = b.r.emit(b.ctx, contracts.EventProgress, b.data())
}

// failed is the error of the first event that could not be written.
func (b *bar) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *bar) data() contracts.EventData {
	return contracts.EventData{Done: b.done, Total: b.total, Message: fmt.Sprintf("%d of %d nodes are %s.", b.done, b.total, b.what)}
}
