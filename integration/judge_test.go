package integration

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// at waits until a job has come to a phase and returns the worker that told of it.
func (w *world) at(job string, phase contracts.Phase) (owner string) {
	w.t.Helper()
	seen := w.follow(job, func(ev contracts.Event) bool { return ev.Data.Phase == phase || ev.Data.Phase.Terminal() })
	if got := seen.end().Data.Phase; got != phase {
		w.t.Fatalf("the job was %s before the test could act in %s\n%s", got, phase, seen)
	}
	return seen.end().Source[strings.LastIndex(seen.end().Source, "/")+1:]
}

// allWell checks that the cluster is there, as planned and there to stay, destroys it, and checks that
// nothing of it is left.
func (w *world) allWell(h history) {
	w.t.Helper()
	plan := w.verified(h)
	checkedByRedis(w.t, plan)
	w.settled()
	w.silentSince(h)
	w.kept(plan.Cluster)
	gone := w.destroy(plan.Cluster)
	if kind := gone.kind(gone.end()); kind != contracts.EventDestroyed {
		w.t.Errorf("%s instead of destroyed: %s", kind, gone.end().Data.Message)
	}
	allClosed(w.t, plan)
	w.nothingLeft(plan.Cluster)
}

// silentSince checks that nothing was said of a job after its history.
func (w *world) silentSince(h history) {
	w.t.Helper()
	if got := w.events(h.end().Data.Job); len(got) != len(h) {
		w.t.Errorf("events after the terminal one:\n%s", got)
	}
}

// nothingLeft checks that neither the records, nor Mesos, nor the process table know of a cluster.
func (w *world) nothingLeft(cluster string) {
	w.t.Helper()
	w.noRecord(cluster)
	w.nothingRuns()
}

// nothingRuns checks that Mesos and the process table know of no cluster.
func (w *world) nothingRuns() {
	w.t.Helper()
	switch {
	case w.remote != nil && w.broken: // its agents may have missed the end of a framework
		return
	case w.remote != nil:
		w.framed()
		return
	}
	if names := w.frameworks(); len(names) != 0 {
		w.t.Errorf("frameworks left in Mesos: %v", names)
	}
	w.noProcessLeft()
}

// emptied checks that the whole world is as it was before its first job: no message in the
// queue, no name taken, no lease held, no turn that others wait for, no framework, no process.
func (w *world) emptied() {
	w.t.Helper()
	w.settled()
	for _, bucket := range []string{contracts.BucketClusters, contracts.BucketLeases} {
		kv, err := w.js.KeyValue(w.t.Context(), bucket)
		must(w.t, err)
		keys, err := kv.Keys(w.t.Context())
		keys = slices.DeleteFunc(keys, func(key string) bool { return w.turnIsOver(kv, key) })
		if len(keys) > 0 || err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
			w.t.Errorf("the bucket %s still has %v (%v)", bucket, keys, err)
		}
	}
	w.nothingRuns()
	w.judged()
}

// turnIsOver says that a key is the turn of a job that has given it away.
func (w *world) turnIsOver(kv jetstream.KeyValue, key string) bool {
	w.t.Helper()
	if !strings.HasPrefix(key, contracts.TurnKey("")) {
		return false
	}
	e, err := kv.Get(w.t.Context(), key)
	must(w.t, err)
	var turn contracts.TurnRecord
	must(w.t, json.Unmarshal(e.Value(), &turn))
	return turn.For == 0
}
