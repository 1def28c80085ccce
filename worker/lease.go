package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// errLeaseLost ends the work of a holder whose lease another may have by now.
var errLeaseLost = errors.New("worker: the Mesos subscription lease was lost")

// lease is the exclusive right to receive offers in a role.
//
// It is a key whose value the holder rewrites every third of its TTL. Whoever waits for it
// watches the key: it is free when it is deleted, or when its revision has not changed for the
// holder's TTL by the observer's own monotonic clock. No two clocks are ever compared. The
// holder trusts its lease for the TTL from the start of its last write that succeeded, less a margin.
type lease struct {
	s     *store
	kv    jetstream.KeyValue
	key   string
	body  contracts.LeaseRecord
	value []byte // body as JSON
	log   *slog.Logger

	cancel context.CancelCauseFunc
	done   chan struct{} // closed when renew has ended
	rev    uint64        // owned by renew until done, then by release
}

// acquireLease waits for the lease of a role, until ctx is over. The returned context ends
// with errLeaseLost when the lease is lost; release gives it back.
func acquireLease(ctx context.Context, s *store, role, worker, job string, ttl time.Duration, log *slog.Logger) (context.Context, *lease, error) {
	l := &lease{
		s: s, kv: s.leases, key: contracts.LeaseKey(role), log: log, done: make(chan struct{}),
		body: contracts.LeaseRecord{Worker: worker, Job: job, TTL: contracts.Duration(ttl)},
	}
	start, err := l.take(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("worker: lease %s: %w", l.key, err)
	}
	held, cancel := context.WithCancelCause(ctx)
	l.cancel = cancel
	go l.renew(held, start)
	return held, l, nil
}

// take tries until it has the key; it returns when its winning write began, at the earliest.
func (l *lease) take(ctx context.Context) (time.Time, error) {
	began, err := l.begin()
	for n := 0; err == nil; n++ {
		var rev uint64
		if rev, err = l.create(ctx); conflict(err) {
			rev, err = l.reread(ctx) // ours, if an earlier try had arrived and only its answer was lost
		}
		if errors.Is(err, errLeaseLost) {
			if began, err = l.begin(); err != nil { // a try that arrives only now is nobody's
				break
			}
			waits := time.Now()
			var silent uint64
			switch silent, err = l.wait(ctx); {
			case err == nil && silent > 0:
				began = time.Now()
				if rev, err = update(ctx, l.kv, l.key, l.value, silent); err == nil {
					l.log.Info("took over a silent worker's Mesos subscription lease", "lease", l.key)
				}
			case err == nil:
				began = time.Now() // nothing has been written under this nonce
				if time.Since(waits) > crowded {
					n = 0
				}
				if n < 3 { // a replica that lags says so again and again
					continue
				}
				err = errFree
			}
		}
		if err == nil {
			l.rev = rev
			return began, nil
		}
		if ctx.Err() != nil {
			break
		}
		if !conflict(err) && !errors.Is(err, errFree) {
			l.log.Warn("lease not acquired, trying again", "lease", l.key, "error", err)
		}
		err = sleep(ctx, pause(n, 5*time.Millisecond, time.Second))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return time.Time{}, err
}

// errFree says that the key is free, which a write has just denied.
var errFree = errors.New("worker: the lease seems to be free")

// crowded is how long a lease that is in use is waited for at least: less says that it was not.
const crowded = 50 * time.Millisecond

// begin gives the tries from now on a nonce of their own.
func (l *lease) begin() (_ time.Time, err error) {
	l.body.Nonce = uuid.NewString()
	l.value, err = json.Marshal(l.body)
	return time.Now(), err
}

func (l *lease) create(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return l.kv.Create(ctx, l.key, l.value)
}

// wait returns 0 when the key is free, or the revision whose holder has been silent for its TTL.
func (l *lease) wait(ctx context.Context) (silent uint64, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w, err := l.kv.Watch(ctx, l.key)
	if err != nil {
		return 0, err
	}
	defer w.Stop() //nolint:errcheck // the watcher's context ends with this function anyway
	var rev uint64
	over := time.NewTimer(opTimeout)
	defer over.Stop()
	for {
		select {
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return 0, errors.New("the watch of the key ended")
			case e == nil: // the initial values are over
				if rev == 0 {
					return 0, nil
				}
			case e.Operation() != jetstream.KeyValuePut:
				return 0, nil
			default:
				rev = e.Revision()
				over.Reset(holderTTL(e))
			}
		case <-over.C:
			return rev, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// maxLeaseTTL bounds the TTL that a holder may have: what says more was written by nobody who
// renews it.
const maxLeaseTTL = time.Hour

// holderTTL is how long the holder of a lease may be silent, by its own word.
func holderTTL(e jetstream.KeyValueEntry) time.Duration {
	var r contracts.LeaseRecord
	if err := json.Unmarshal(e.Value(), &r); err != nil || r.TTL <= 0 || time.Duration(r.TTL) > maxLeaseTTL {
		return 10 * time.Second // a value that nobody can renew
	}
	return time.Duration(r.TTL)
}

// renew rewrites the key until ctx is over or the lease can no longer be trusted.
func (l *lease) renew(ctx context.Context, start time.Time) {
	defer close(l.done)
	ttl := time.Duration(l.body.TTL)
	margin := ttl / 5
	trusted := start.Add(ttl - margin)
	tick := time.NewTicker(ttl / 3)
	defer tick.Stop()
	expired := time.NewTimer(time.Until(trusted))
	defer expired.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-expired.C:
			l.lost(errors.New("no renewal succeeded in time"))
			return
		case <-tick.C:
		}
		begin := time.Now()
		opCtx, cancel := context.WithDeadline(ctx, trusted)
		rev, err := l.kv.Update(opCtx, l.key, l.value, l.rev)
		if conflict(err) {
			// Perhaps an earlier renewal whose answer was lost. It is from before begin, so it
			// lets the next one succeed and lengthens nothing itself.
			if rev, err = l.reread(opCtx); err == nil {
				l.rev = rev
			}
		} else if err == nil {
			l.rev, trusted = rev, begin.Add(ttl-margin)
			expired.Reset(time.Until(trusted))
		}
		cancel()
		if errors.Is(err, errLeaseLost) {
			l.lost(err)
			return
		}
	}
}

// lost ends the holder's work.
func (l *lease) lost(why error) {
	l.log.Warn("Mesos subscription lease lost", "lease", l.key, "error", why)
	l.cancel(errLeaseLost)
}

// reread tells a renewal of ours, whose answer was lost, from another holder's write.
func (l *lease) reread(ctx context.Context) (uint64, error) {
	var r contracts.LeaseRecord
	e, err := l.s.read(ctx, l.kv, l.key, &r)
	if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && r != l.body {
		return 0, errLeaseLost
	}
	return e.rev, err
}

// release gives the lease back at once. A lease that is lost already is left alone.
func (l *lease) release() {
	l.cancel(context.Canceled)
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	defer cancel()
	for n := 0; ; n++ {
		err := l.kv.Delete(ctx, l.key, jetstream.LastRevision(l.rev))
		if conflict(err) { // perhaps a renewal of ours that release cut short, which may arrive as late as now
			var rev uint64
			if rev, err = l.reread(ctx); err == nil {
				l.rev, err = rev, errCutShort
			}
		}
		if err == nil || errors.Is(err, errLeaseLost) {
			return
		}
		if sleep(ctx, pause(n, 5*time.Millisecond, time.Second)) != nil {
			l.log.Warn("lease not released; it expires by itself", "lease", l.key, "error", err)
			return
		}
	}
}

// errCutShort says that a renewal of ours arrived after all.
var errCutShort = errors.New("worker: the lease was renewed while it was being released")
