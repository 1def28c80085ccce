package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// pause is a jittered pause that grows with n (0, 1, 2 …): base doubling up to limit, each
// between half and all of it.
func pause(n int, base, limit time.Duration) time.Duration {
	d := limit
	if n < 20 {
		d = min(base<<n, limit)
	}
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d or until ctx is over; then it returns the context's cause.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
