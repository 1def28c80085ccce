package mesos

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces attempts: each wait is drawn from the upper half of a span that doubles from
// base to limit, so that many clients do not come back at once.
type backoff struct {
	base, limit time.Duration
	span        time.Duration
}

// wait sleeps for the next span, after atLeast, which is the same for all clients; it returns
// early, with the cause, when ctx ends.
func (b *backoff) wait(ctx context.Context, atLeast time.Duration) error {
	t := time.NewTimer(atLeast + b.next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *backoff) next() time.Duration {
	b.span = min(max(2*b.span, b.base), b.limit)
	return b.span/2 + rand.N(b.span/2+1)
}

func (b *backoff) reset() { b.span = 0 }
