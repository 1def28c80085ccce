package mesos

import (
	"testing"
	"testing/synctest"
	"time"
)

// A wait that a master asks for is the same for all who ask; they do not come back all at once.
func TestWaitThatIsAskedForHasJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const asked = time.Minute
		waits := map[time.Duration]bool{}
		for range 10 {
			b, begin := backoff{base: time.Second, limit: time.Second}, time.Now()
			if err := b.wait(t.Context(), asked); err != nil {
				t.Fatal(err)
			}
			waited := time.Since(begin)
			if waited < asked || waited > asked+time.Second {
				t.Errorf("waited for %v", waited)
			}
			waits[waited] = true
		}
		if len(waits) == 1 {
			t.Error("all waits are the same")
		}
	})
}
