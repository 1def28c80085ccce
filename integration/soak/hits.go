package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
	"github.com/clustersmith/clustersmith/mesos/local"
)

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

// endBetweenEffects kills all workers and puts others into their places, each of which ends itself
// as soon as a job brings it to a fail point of its own.
func endBetweenEffects(ctx context.Context, w *world, s strike, _ time.Duration) (hit bool, err error) {
	for place, point := range s.points {
		if err := w.crew.kill(place); err != nil {
			return false, err
		}
		if err := w.crew.startAs(place, w.mortal, "CLUSTERSMITH_FAILPOINT="+string(point)); err != nil {
			return false, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, pointTimeout) // not every job comes to every point
	defer cancel()
	for place, point := range s.points {
		p := w.crew.places[place]
		select {
		case <-p.done:
			if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
				hit = true
				w.act("        ended at %s", point)
			}
		case <-limited.Done():
		}
		if err := errors.Join(w.crew.kill(place), w.crew.start(place)); err != nil {
			return hit, err
		}
	}
	return hit, nil
}

// pointTimeout is how long workers may take to come to their fail points.
const pointTimeout = 15 * time.Second
