package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/follow"
	"github.com/clustersmith/clustersmith/internal/cli/show"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/nats-io/nats.go/jetstream"
)

// reporter shows events while a command waits.
type reporter interface {
	Event(contracts.Event)
	Note(text string)
	Close()
}

// silent is the reporter of -o json: the document at the end says it all.
type silent struct{}

func (silent) Event(contracts.Event) {}
func (silent) Note(string)           {}
func (silent) Close()                {}

// progress is the reporter of one job: bars on a terminal, lines elsewhere.
func (e *env) progress() reporter {
	switch {
	case e.json:
		return silent{}
	case isTerminal(e.stderr):
		return show.NewBars(e.stderr)
	}
	return show.NewLines(e.stderr, false)
}

const (
	hintAfter = 3 * time.Second
	hintEvery = 30 * time.Second
	// waitGrace is how long after its deadline a job may take to clean up and say so.
	waitGrace = time.Minute
)

var errNoEnd = errors.New("no terminal event")

// wait follows a job to its terminal event. Subject filters the job's events; limit bounds the
// wait.
func (e *env) wait(c *client, job, subject string, limit time.Duration) (contracts.Event, error) {
	ctx, cancel := context.WithTimeoutCause(e.ctx, limit, errNoEnd)
	defer cancel()
	w := &waiter{c: c, shown: e.progress(), began: make(chan struct{})}
	var hints sync.WaitGroup
	hints.Go(func() { w.hint(ctx) })

	var end contracts.Event
	err := follow.Follower{JS: c.js, Subject: subject, Trouble: w.trouble}.Run(ctx, func(ev contracts.Event) bool {
		if ev.Data.Job != job {
			return false
		}
		w.event(ev)
		end = ev
		return ev.EventType().Terminal()
	})
	hint := w.lastHint()
	cancel()
	hints.Wait()
	w.shown.Close()
	switch {
	case errors.Is(err, errNoEnd):
		return end, unreachable("job %s has not ended within %v. %s It may still end; follow it with: clustersmith watch", job, limit, hint)
	case errors.Is(err, context.Canceled):
		return end, &exitError{Interrupted, fmt.Errorf("interrupted; the job goes on. Follow it with: clustersmith watch. Stop it with: clustersmith cancel %s", job)}
	case errors.Is(err, follow.ErrNoStream):
		return end, c.explain(jetstream.ErrStreamNotFound)
	}
	return end, c.explain(err)
}

// waiter shares a reporter between the events and the hints.
type waiter struct {
	c     *client
	began chan struct{} // closed by the first event
	once  sync.Once

	mu    sync.Mutex
	shown reporter
	said  string
}

func (w *waiter) event(ev contracts.Event) {
	w.once.Do(func() { close(w.began) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown.Event(ev)
}

func (w *waiter) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text != "" && text != w.said {
		w.shown.Note(text)
	}
	w.said = text
}

func (w *waiter) lastHint() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said
}

func (w *waiter) trouble(err error) {
	w.note(fmt.Sprintf("No events reach us (%v); trying again until they do.", w.c.cause(err)))
}

// hint says why nothing happens, until something does.
func (w *waiter) hint(ctx context.Context) {
	for after := hintAfter; ; after = hintEvery {
		select {
		case <-ctx.Done():
			return
		case <-w.began:
			return
		case <-time.After(after):
		}
		w.note(w.c.whyQueued(ctx))
	}
}

// whyQueued says why no worker has taken a request; empty when one seems to have.
func (c *client) whyQueued(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	const start = "Start one with: clustersmith worker"
	info, err := c.workers(ctx)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		return "No worker has ever run on this server, so none has taken the job. " + start
	case err != nil:
		return fmt.Sprintf("No worker has taken the job yet, and the server does not say why: %v", c.cause(err))
	case info.NumWaiting == 0 && info.NumAckPending == 0:
		return "No worker is running, so none has taken the job; it waits in the queue. " + start
	case info.NumPending > 0:
		return fmt.Sprintf("All workers are busy with %d jobs, so none has taken the job yet; %d requests wait in the queue. More workers do more at a time: clustersmith worker", info.NumAckPending, info.NumPending)
	}
	return ""
}

// workers is the state of the workers' consumer. A worker that waits for jobs is between two
// pulls for an instant each second, so a count of none is taken again.
func (c *client) workers(ctx context.Context) (info *jetstream.ConsumerInfo, err error) {
	for range 3 {
		consumer, err := c.js.Consumer(ctx, contracts.StreamJobs, worker.ConsumerName)
		if err != nil {
			return nil, err
		}
		info = consumer.CachedInfo()
		if info.NumWaiting > 0 || info.NumAckPending > 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(150 * time.Millisecond):
		}
	}
	return info, nil
}

// finish shows a terminal event; the status is 0 only for the type that was wanted.
func (e *env) finish(ev contracts.Event, want contracts.EventType) error {
	if e.json {
		if err := e.encode(ev); err != nil {
			return err
		}
	} else {
		show.Outcome(e.out, ev)
	}
	if ev.EventType() != want {
		return jobFailed()
	}
	return nil
}
