package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// fault is a kind of fault. hit does it and mends it, whatever ends ctx meanwhile; false says that
// there was nothing to hit.
type fault struct {
	name          string
	least, length time.Duration // it lasts from least to length
	hit           func(ctx context.Context, w *world, s strike, d time.Duration) (bool, error)
}

// always hits.
func always(do func(ctx context.Context, w *world, s strike, d time.Duration) error) func(context.Context, *world, strike, time.Duration) (bool, error) {
	return func(ctx context.Context, w *world, s strike, d time.Duration) (bool, error) {
		return true, do(ctx, w, s, d)
	}
}

var faults = []fault{
	{"worker killed", 0, 3 * time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		if err := w.crew.kill(s.victim % workers); err != nil {
			return err
		}
		sleep(ctx, d) //nolint:errcheck // mended at once then
		return w.crew.start(s.victim % workers)
	})},
	{"two workers killed", 0, time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		for _, place := range []int{s.victim % workers, (s.victim + 1) % workers} {
			if err := w.crew.kill(place); err != nil {
				return err
			}
		}
		sleep(ctx, d) //nolint:errcheck
		return errors.Join(w.crew.start(s.victim%workers), w.crew.start((s.victim+1)%workers))
	})},
	{"worker frozen past ack wait and lease", ackWait + time.Second, ackWait + 5*time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		if err := w.crew.signal(s.victim%workers, syscall.SIGSTOP); err != nil {
			return err
		}
		sleep(ctx, d) //nolint:errcheck
		return w.crew.signal(s.victim%workers, syscall.SIGCONT)
	})},
	{"worker drained", 0, time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		err := w.crew.drain(s.victim % workers)
		sleep(ctx, d) //nolint:errcheck
		return errors.Join(err, w.crew.kill(s.victim%workers), w.crew.start(s.victim%workers))
	})},
	{"NATS killed", 0, 4 * time.Second, always(func(ctx context.Context, w *world, _ strike, d time.Duration) error {
		w.nats.kill()
		sleep(ctx, d) //nolint:errcheck
		again, err := startNATS(w.dir, w.natsPort.Addr().Port())
		if err == nil {
			w.nats = again
		}
		return err
	})},
	{"NATS connections cut", 0, 0, always(func(_ context.Context, w *world, _ strike, _ time.Duration) error {
		w.between.cut()
		return nil
	})},
	{"NATS out of reach", 2 * time.Second, ackWait + 5*time.Second, always(func(ctx context.Context, w *world, _ strike, d time.Duration) error {
		w.between.hold(true)
		sleep(ctx, d) //nolint:errcheck
		w.between.hold(false)
		return nil
	})},
	{"master restarted", 0, 2 * time.Second, always(func(ctx context.Context, w *world, _ strike, d time.Duration) error {
		w.mesos.StopMaster()
		sleep(ctx, d) //nolint:errcheck
		return w.mesos.StartMaster(context.WithoutCancel(ctx))
	})},
	{"master connections cut", 0, 0, always(func(ctx context.Context, w *world, _ strike, _ time.Duration) error {
		return inMaster(w.mesos.CutStreams(ctx))
	})},
	{"master half-open", time.Second, 5 * time.Second, always(func(ctx context.Context, w *world, _ strike, d time.Duration) error {
		w.mesos.FreezeMaster(true)
		sleep(ctx, d) //nolint:errcheck
		w.mesos.FreezeMaster(false)
		return nil
	})},
	{"heartbeats stopped", 2 * time.Second, 5 * time.Second, always(func(ctx context.Context, w *world, _ strike, d time.Duration) error {
		if err := w.mesos.StopHeartbeats(ctx, true); err != nil {
			return inMaster(err)
		}
		sleep(ctx, d) //nolint:errcheck
		return inMaster(w.mesos.StopHeartbeats(context.WithoutCancel(ctx), false))
	})},
	{"master answers 503", 2 * time.Second, 6 * time.Second, always(func(ctx context.Context, w *world, _ strike, d time.Duration) error {
		w.mesos.Answer(503, "Service Unavailable")
		err := w.mesos.CutStreams(ctx)
		sleep(ctx, d) //nolint:errcheck
		w.mesos.Answer(0, "")
		return inMaster(err)
	})},
	{"offers taken back", 0, time.Second, always(func(ctx context.Context, w *world, _ strike, _ time.Duration) error {
		var errs []error
		for range 20 {
			errs = append(errs, w.mesos.RescindOffers(ctx), sleep(ctx, 50*time.Millisecond))
		}
		return inMaster(errors.Join(errs...))
	})},
	{"offers taken back just before ACCEPT", 0, 0, func(ctx context.Context, w *world, _ strike, _ time.Duration) (bool, error) {
		struck := make(chan struct{}, 1)
		if err := w.mesos.BeforeAccept(ctx, func(local.Accepting) bool {
			select {
			case struck <- struct{}{}:
				return true
			default:
				return false
			}
		}); err != nil {
			return false, inMaster(err)
		}
		limited, cancel := context.WithTimeout(ctx, findTimeout)
		defer cancel()
		var hit bool
		select {
		case <-struck:
			hit = true
		case <-limited.Done():
		}
		return hit, inMaster(w.mesos.BeforeAccept(context.WithoutCancel(ctx), nil))
	}},
	{"agent killed and restarted", 0, 4 * time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		ip := w.mesos.Agents()[s.victim%agents].IP
		if err := w.mesos.CrashAgent(ip); err != nil {
			return err
		}
		sleep(ctx, d) //nolint:errcheck
		return w.mesos.RestartAgent(context.WithoutCancel(ctx), ip)
	})},
	{"agent cut off", time.Second, 5 * time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		ip := w.mesos.Agents()[s.victim%agents].IP
		if err := w.mesos.FreezeAgent(ip, true); err != nil {
			return err
		}
		sleep(ctx, d) //nolint:errcheck
		return w.mesos.FreezeAgent(ip, false)
	})},
	{"host lost", 0, 4 * time.Second, loseHost},
	{"executor killed", 0, 0, killExecutor},
	{"redis-server killed while launching", 0, 0, killServer("launching")},
	{"redis-server killed while forming", 0, 0, killServer("forming", "verifying")},
	{"poison messages", 0, 0, poisonQueue},
	{dying, 0, 0, endBetweenEffects},
	{"worker killed while NATS is out of reach", time.Second, 6 * time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		w.between.hold(true)
		defer w.between.hold(false)
		if err := w.crew.kill(s.victim % workers); err != nil {
			return err
		}
		sleep(ctx, d) //nolint:errcheck
		return w.crew.start(s.victim % workers)
	})},
	{"NATS killed while a worker is frozen", 2 * time.Second, ackWait + 4*time.Second, always(func(ctx context.Context, w *world, s strike, d time.Duration) error {
		if err := w.crew.signal(s.victim%workers, syscall.SIGSTOP); err != nil {
			return err
		}
		sleep(ctx, d/2) //nolint:errcheck
		w.nats.kill()
		again, err := startNATS(w.dir, w.natsPort.Addr().Port())
		if err == nil {
			w.nats = again
		}
		sleep(ctx, d/2) //nolint:errcheck
		return errors.Join(err, w.crew.signal(s.victim%workers, syscall.SIGCONT))
	})},
}

// dying is the name of the fault that needs fail points.
const dying = "worker ended between two effects"

// inMaster passes over the error of a fault that found no master: it has just been restarted.
func inMaster(err error) error {
	if err != nil && strings.Contains(err.Error(), "does not run") {
		return nil
	}
	return err
}

// strikeAll deals faults, one after the other, until stop is closed.
func (w *world) strikeAll(ctx context.Context, stop <-chan struct{}) error {
	draw := newStrikes(w.seed, w.pause)
	for {
		s := draw.next()
		if w.hurry && s.fault%3 != 0 { // a short run takes a part of the deck
			continue
		}
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(s.pause):
		}
		f := faults[s.fault]
		d := f.least + time.Duration(s.length*float64(f.length-f.least))
		w.act("fault:  %s, %v, victim %d", f.name, d.Round(time.Millisecond), s.victim)
		hit, err := f.hit(ctx, w, s, d)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("fault %q: %w", f.name, err)
		}
		w.mu.Lock()
		if hit {
			w.hits[f.name]++
		}
		w.mu.Unlock()
		if !hit {
			w.act("        nothing to hit")
		}
		if err := w.crew.revive(); err != nil { // a worker that could not start without NATS
			return err
		}
	}
}
