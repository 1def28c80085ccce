package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
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
		again, err := w.nats.restart(w.dir)
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
}

// inMaster passes over the error of a fault that found no master: it has just been restarted.
func inMaster(err error) error {
	if err != nil && strings.Contains(err.Error(), "does not run") {
		return nil
	}
	return err
}

// findTimeout is how long a fault looks for what it is to hit.
const findTimeout = 30 * time.Second

// victim waits until a job comes to a phase and something that do can hit is found.
func (w *world) victim(ctx context.Context, do func(frameworkPrefix string) (bool, error), phases ...string) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	for {
		job, err := w.tail.next(limited, phases...)
		if err != nil {
			return false, nil //nolint:nilerr // none came
		}
		for range 40 {
			if hit, err := do("clustersmith-" + job + "-"); hit || err != nil {
				return hit, err
			}
			if sleep(limited, 10*time.Millisecond) != nil {
				return false, nil
			}
		}
	}
}

func killServer(phases ...string) func(context.Context, *world, strike, time.Duration) (bool, error) {
	return func(ctx context.Context, w *world, s strike, _ time.Duration) (bool, error) {
		return w.victim(ctx, func(prefix string) (bool, error) {
			all, err := history.Processes(filepath.Join(w.dir, "mesos"))
			if err != nil {
				return false, err
			}
			var servers []history.Process
			for _, p := range all {
				if p.Server && strings.HasPrefix(p.Framework, prefix) {
					servers = append(servers, p)
				}
			}
			if len(servers) == 0 {
				return false, nil
			}
			p := servers[s.victim%len(servers)]
			w.harm(p.Framework)
			err = syscall.Kill(p.PID, syscall.SIGKILL)
			if errors.Is(err, syscall.ESRCH) {
				return false, nil
			}
			return err == nil, err
		}, phases...)
	}
}

func killExecutor(ctx context.Context, w *world, s strike, _ time.Duration) (bool, error) {
	return w.victim(ctx, func(prefix string) (bool, error) {
		var running []local.ExecutorStatus
		for _, a := range w.mesos.Agents() {
			for _, e := range a.Executors {
				if e.PID > 0 && strings.HasPrefix(e.Framework, prefix) {
					running = append(running, e)
				}
			}
		}
		if len(running) == 0 {
			return false, nil
		}
		e := running[s.victim%len(running)]
		w.harm(e.Framework)
		return w.mesos.KillExecutor(e.Framework, e.Executor, syscall.SIGKILL) == nil, nil // it may have ended
	}, "launching", "starting", "forming")
}

// loseHost ends an agent of a job under way with everything on it, that of other clusters too.
func loseHost(ctx context.Context, w *world, s strike, d time.Duration) (bool, error) {
	return w.victim(ctx, func(prefix string) (bool, error) {
		for i := range agents {
			a := w.mesos.Agents()[(s.victim+i)%agents]
			ours := false
			for _, e := range a.Executors {
				ours = ours || strings.HasPrefix(e.Framework, prefix)
			}
			if !ours {
				continue
			}
			for _, e := range a.Executors {
				w.harm(e.Framework)
			}
			if err := w.mesos.LoseHost(a.IP); err != nil {
				return false, err
			}
			sleep(ctx, d) //nolint:errcheck // mended at once then
			return true, w.mesos.RestartAgent(context.WithoutCancel(ctx), a.IP)
		}
		return false, nil
	}, "launching", "starting", "forming")
}

func poisonQueue(ctx context.Context, w *world, s strike, _ time.Duration) (bool, error) {
	r := generator(w.seed, s.victim)
	for range 5 {
		body := poison(r)
		kind := []string{"create", "destroy", "verify", "cancel", "nonsense"}[r.IntN(5)]
		if err := w.publish(ctx, newID(r), history.Request{Kind: kind, Body: body, Poison: true}); err != nil {
			return false, err
		}
	}
	return true, nil
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
