package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
)

// Small clusters follow one another, each there before the one that it follows goes: there is
// always room for a small one and never for a large one, were it not for the line, which lets no
// small one follow. So the large one is placed in bounded time.
func TestLargeJobDoesNotStarve(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal()
	// Turns get as long as four times the patience: time for all small ones to be gone.
	w.worker(func(cfg *workerConfig) { cfg.Patience, cfg.Concurrency = 4*time.Second, 12 })
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { stop(); all.Wait() })
	there := make(chan struct{}, 2)
	for _, row := range []string{"one", "two"} {
		all.Go(func() { w.takeTurns(ctx, row, there) })
	}
	for range cap(there) {
		<-there
	}
	h := w.create(sized("large", 3.5, 2*time.Minute))
	w.verified(h)
	t.Logf("the large cluster was verified after %d ms", h.end().Data.ElapsedMS)
	w.verified(w.create(sized("after", 0.3, time.Minute))) // the line is open again
	stop()
	all.Wait()
	w.settled()
}

// sized is a cluster that takes so many cores, its executor's included, on each of three hosts.
func sized(name string, cpus float64, deadline time.Duration) contracts.CreateRequest {
	req := request(name, 3, 0)
	req.Node.CPUs, req.Deadline = cpus-0.1, contracts.Duration(deadline)
	return req
}

// takeTurns creates clusters of one core a host, one after the other, and destroys each when the next
// one is verified or has found no room, until ctx is over. It tells there that the first is verified.
func (w *world) takeTurns(ctx context.Context, row string, there chan<- struct{}) {
	last := ""
	for n := 0; ctx.Err() == nil; n++ {
		req := sized(fmt.Sprintf("small-%s-%d", row, n), 1, 8*time.Second)
		verified := w.outcome(ctx, contracts.SubjectCreate, req.ID, req) == contracts.EventVerified
		if last != "" {
			id := uuid.NewString()
			w.outcome(ctx, contracts.SubjectDestroy, id, contracts.DestroyRequest{ID: id, Cluster: last})
		}
		last = ""
		if verified {
			last = req.Cluster
		}
		if verified && there != nil {
			there <- struct{}{}
			there = nil
		}
	}
}

// outcome publishes a request and waits for the type of its terminal event, until ctx is over.
func (w *world) outcome(ctx context.Context, subject, id string, request any) contracts.EventType {
	body, err := json.Marshal(request)
	if err != nil {
		w.t.Error(err)
		return ""
	}
	sub, err := w.nc.SubscribeSync(contracts.ResultSubject(id))
	if err != nil {
		w.t.Error(err)
		return ""
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is the test's
	if _, err := w.js.Publish(ctx, subject, body); err != nil {
		return ""
	}
	msg, err := sub.NextMsgWithContext(ctx)
	if err != nil {
		return ""
	}
	var ev contracts.Event
	if err := json.Unmarshal(msg.Data, &ev); err != nil {
		w.t.Error(err)
	}
	return history{}.kind(ev)
}
