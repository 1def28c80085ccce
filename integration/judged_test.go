package integration

import (
	"path/filepath"

	whole "github.com/clustersmith/clustersmith/internal/history"
)

// judged lets a judge that shares no code with what is tested look at everything that is left of
// this world: every job's whole history, and what lives.
func (w *world) judged() {
	w.t.Helper()
	source := whole.Source{JetStream: w.js, Sandboxes: filepath.Join(w.dir, "mesos")}
	if w.mesos != nil { // others may use a Mesos that is not ours
		source.Mesos = w.masters
	}
	s, err := whole.Collect(w.t.Context(), source)
	must(w.t, err)
	for _, b := range whole.Judge(s) {
		w.t.Errorf("breach: %s", b)
	}
}
