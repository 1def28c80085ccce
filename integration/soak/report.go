package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
)

// wholeDeck is a length in which every kind of fault is certain to be met.
const wholeDeck = 10 * time.Minute

// report prints what was done and what came of it, and returns what is wrong.
func (w *world) report(living, empty history.Snapshot, breaches []history.Breach) error {
	p := func(format string, args ...any) { fmt.Fprintf(w.out, format+"\n", args...) }
	p("\nfaults")
	var missed []string
	for _, f := range faults {
		p("  %4d  %s", w.hits[f.name], f.name)
		if w.hits[f.name] == 0 {
			missed = append(missed, f.name)
		}
	}
	p("jobs, by how they ended")
	outcomes, n := map[string]int{}, 0
	var took []time.Duration
	for _, ev := range empty.Results {
		job := empty.Jobs[ev.Data.Job]
		key := fmt.Sprintf("%-8s %s", job.Kind, ev.Data.Phase)
		if ev.Data.Reason != "" {
			key += ", " + ev.Data.Reason
		}
		if job.Kind == "create" && ev.Data.Phase == "verified" {
			took = append(took, time.Duration(ev.Data.ElapsedMS)*time.Millisecond)
		}
		outcomes[key]++
		n++
	}
	for _, key := range slices.Sorted(maps.Keys(outcomes)) {
		p("  %4d  %s", outcomes[key], key)
	}
	p("  %4d  jobs, %d events, %d dead letters", n, len(empty.Events), len(empty.Dead))
	if len(took) > 0 {
		slices.Sort(took)
		p("creates that were verified: %d; from request to verified p50 %.1f s, p95 %.1f s, longest %.1f s",
			len(took), took[len(took)/2].Seconds(), took[len(took)*95/100].Seconds(), took[len(took)-1].Seconds())
	}
	harmed := 0
	for _, c := range living.Clusters {
		if living.Harmed[c.Framework] {
			harmed++
		}
	}
	p("clusters living at the end: %d, asked node by node: %d; moments at which Mesos was looked at: %d", len(living.Clusters), len(living.Clusters)-harmed, len(empty.Samples))
	p("breaches: %d", len(breaches)+len(w.troubles))
	for _, b := range breaches {
		p("  %s", b)
	}
	for _, t := range w.troubles {
		p("  %s", t)
	}
	var errs []error
	if len(breaches)+len(w.troubles) > 0 {
		errs = append(errs, errBreach)
	}
	if len(missed) > 0 && w.length >= wholeDeck {
		errs = append(errs, fmt.Errorf("never hit: %v", missed))
	}
	return errors.Join(errs...)
}
