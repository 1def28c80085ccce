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

// More small clusters than there is room for come and go, so that there is never room for a
// large one, were it not for the line: with it, the large one is placed in bounded time.
func TestLargeJobDoesNotStarve(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal()
	// Others hold back for up to four times the patience: on a busy machine, too, all small ones are gone by then.
	w.worker(func(cfg *workerConfig) { cfg.Patience, cfg.Concurrency = 4*time.Second, 12 })
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { stop(); all.Wait() })
	there := make(chan struct{}, 8)
	for i := range 8 {
		all.Go(func() { w.comeAndGo(ctx, fmt.Sprintf("small-%d", i), there) })
	}
	for range 4 { // full
		<-there
	}
	h := w.create(sized("large", 3.5, time.Minute))
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

// comeAndGo creates a cluster of one core a host, lets it be for a second, destroys it, and so
// on until ctx is over. It tells there when the first one is verified.
func (w *world) comeAndGo(ctx context.Context, name string, there chan<- struct{}) {
	for n := 0; ctx.Err() == nil; n++ {
		req := sized(name, 1, 8*time.Second)
		if w.outcome(ctx, contracts.SubjectCreate, req.ID, req) != contracts.EventVerified {
			continue // no room in time
		}
		if there != nil {
			there <- struct{}{}
			there = nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		id := uuid.NewString()
		w.outcome(ctx, contracts.SubjectDestroy, id, contracts.DestroyRequest{ID: id, Cluster: name})
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
