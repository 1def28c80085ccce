package verifier

import (
	"context"
	"math/rand/v2"
	"time"
)

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
