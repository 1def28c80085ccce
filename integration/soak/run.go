package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
)

const (
	sampleEvery = 500 * time.Millisecond
	// settlePatience is how long the queue may take to become empty once nothing is asked for and
	// nothing is broken any more, and processes and frameworks to go away.
	settlePatience = 4 * time.Minute
)

// run lets requests and faults meet for a while, lets everything come to rest, and judges.
func (w *world) run(ctx context.Context) error {
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop) })
	defer halt()
	quiet := make(chan struct{}) // closed when the faults are over
	background, end := context.WithCancel(ctx)
	var work, watchers sync.WaitGroup
	defer func() { halt(); end(); work.Wait(); watchers.Wait() }()
	watchers.Go(func() { w.sample(background) })
	watchers.Go(func() { w.progress(background) })

	var errs []error
	var mu sync.Mutex
	note := func(err error) {
		if err != nil {
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
			halt()
		}
	}
	work.Go(func() { defer close(quiet); note(w.strikeAll(ctx, stop)) })
	for n := range w.lanes {
		work.Go(func() {
			kept, err := w.lane(ctx, n+1, stop)
			note(err)
			<-quiet
			if err == nil {
				note(w.last(ctx, n+1, kept))
			}
		})
	}
	select {
	case <-time.After(w.length):
	case <-stop:
	case <-ctx.Done():
	}
	halt()
	work.Wait()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	fmt.Fprintln(w.out, "soak: the faults are over; what is left is judged")
	living, err := w.rest(ctx)
	if err != nil {
		return err
	}
	breaches := history.Judge(living)
	if err := w.destroyAll(ctx, living); err != nil {
		return err
	}
	empty, err := w.rest(ctx)
	if err != nil {
		return err
	}
	for _, b := range history.Judge(empty) {
		b.Law += " (after all was destroyed)"
		breaches = append(breaches, b)
	}
	for name := range empty.Clusters {
		breaches = append(breaches, history.Breach{Law: "gone", Of: name, Text: "its record is there after all was destroyed"})
	}
	return w.report(living, empty, breaches)
}

// last makes one more cluster in each lane when nothing is broken any more, and leaves it living.
func (w *world) last(ctx context.Context, lane int, kept string) error {
	draw := generator(w.seed, 3000+lane)
	s := script{kind: "keep", name: fmt.Sprintf("soak-%d-last", lane), size: sizes[lane%len(sizes)]}
	for i := range s.ids {
		s.ids[i] = newID(draw)
	}
	w.act("lane %d: %s; %q lives", lane, s, kept)
	if err := w.play(ctx, s); err != nil {
		return err
	}
	end, err := w.tail.ended(ctx, s.ids[0])
	if err == nil && end.Data.Phase != "verified" {
		w.trouble("after all faults, cluster %s (job %s): %s: %s", s.name, s.ids[0], end.Data.Phase, end.Data.Message)
	}
	return err
}

// rest waits until nothing moves any more, or patience is over, and collects what is left. It is
// the judge who says what should not be there.
func (w *world) rest(ctx context.Context) (s history.Snapshot, err error) {
	until := time.Now().Add(settlePatience)
	for {
		s, err = history.Collect(ctx, history.Source{JetStream: w.js, Mesos: w.mesos.URL(), Sandboxes: filepath.Join(w.dir, "mesos")})
		if err == nil {
			w.mu.Lock()
			s.Requests, s.Samples, s.Harmed = w.requests, w.samples, w.harmed
			w.mu.Unlock()
			if s.Queued == 0 && len(history.Judge(s)) == 0 {
				return s, nil
			}
		}
		if time.Now().After(until) || ctx.Err() != nil {
			return s, err
		}
		if s.Queued == 0 && err == nil && time.Until(until) > settleExtra {
			until = time.Now().Add(settleExtra) // processes end, frameworks go; not for long
		}
		sleep(ctx, time.Second) //nolint:errcheck // the loop looks
	}
}

// settleExtra is how long what is in no queue may take to go away.
const settleExtra = 40 * time.Second

func (w *world) destroyAll(ctx context.Context, s history.Snapshot) error {
	draw := generator(w.seed, 4000)
	for name := range s.Clusters {
		if err := w.destroy(ctx, newID(draw), name); err != nil {
			return err
		}
	}
	return nil
}

// sample notes again and again what Mesos shows.
func (w *world) sample(ctx context.Context) {
	for sleep(ctx, sampleEvery) == nil {
		list, err := history.Frameworks(ctx, w.mesos.URL())
		if err != nil {
			continue // one of the faults
		}
		w.mu.Lock()
		w.samples = append(w.samples, history.Sample{At: time.Now(), Frameworks: list})
		w.mu.Unlock()
	}
}

// progress prints a line per minute.
func (w *world) progress(ctx context.Context) {
	for sleep(ctx, time.Minute) == nil {
		w.mu.Lock()
		hits := 0
		for _, n := range w.hits {
			hits += n
		}
		requests := len(w.requests)
		w.mu.Unlock()
		count := map[string]int{}
		for _, ev := range w.tail.all() {
			if p := ev.Data.Phase; strings.Contains("verified failed cancelled destroyed", p) {
				count[p]++
			}
		}
		fmt.Fprintf(w.out, "soak: %4.0f s: %d requests, %d faults, ended: %d verified, %d failed, %d cancelled, %d destroyed\n",
			time.Since(w.begun).Seconds(), requests, hits, count["verified"], count["failed"], count["cancelled"], count["destroyed"])
	}
}
