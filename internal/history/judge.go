package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// judge collects breaches.
type judge struct {
	s        Snapshot
	breaches []Breach

	jobs map[string][]Event // by job, in the order of the stream
}

// Judge says which laws a run broke; none is a clean run. The order of its answer is that of the
// laws, then of what broke them.
func Judge(s Snapshot) []Breach {
	j := &judge{s: s, jobs: map[string][]Event{}}
	for _, ev := range s.Events {
		j.jobs[ev.Data.Job] = append(j.jobs[ev.Data.Job], ev)
	}
	if s.Queued > 0 {
		j.note("queue", "the queue", "%d messages are left", s.Queued)
	}
	j.requests()
	j.ids()
	for _, job := range sorted(j.jobs) {
		j.numbers(job, j.jobs[job])
		j.order(job, j.jobs[job])
	}
	j.results()
	j.records()
	j.dead()
	j.lives()
	j.samples()
	j.verifications()
	j.living()
	j.gone()
	return j.breaches
}

func (j *judge) note(law, of, format string, args ...any) {
	j.breaches = append(j.breaches, Breach{Law: law, Of: of, Text: fmt.Sprintf(format, args...)})
}

const typePrefix = "io.clustersmith.v1."

// kind is an event's type without its prefix.
func (e Event) kind() string { return strings.TrimPrefix(e.Type, typePrefix) }

func (e Event) terminal() bool {
	switch e.kind() {
	case "verified", "failed", "cancelled", "destroyed":
		return true
	}
	return false
}

// end is a job's first terminal event.
func (j *judge) end(job string) (Event, bool) {
	i := slices.IndexFunc(j.jobs[job], Event.terminal)
	if i < 0 {
		return Event{}, false
	}
	return j.jobs[job][i], true
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
