package integration

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/nats-io/nats.go/jetstream"
)

// useRemote makes the Mesos that is there the world's: as many of its agents as the test wants, whose
// addresses list then has.
func (w *world) useRemote(list []local.AgentConfig) {
	w.t.Helper()
	r, err := theRemote()
	must(w.t, err)
	r.use.RLock()
	w.remote, w.operator, w.masters, w.release = r, r, r.url, r.use.RUnlock
	w.t.Cleanup(func() {
		if w.broken {
			if err := r.mend(); err != nil {
				w.t.Errorf("the Mesos under test is not whole again: %v", err)
			}
		}
		w.tearDown()
		w.release()
	})
	there := r.Agents()
	if len(there) < len(list) {
		w.t.Skipf("needs %d agents; the Mesos under test has %d", len(list), len(there))
	}
	for i := range list {
		list[i].IP = there[i].IP
	}
	for _, a := range there[len(list):] {
		w.spare = append(w.spare, a.IP)
	}
}

// alone keeps other tests from a Mesos that they share: for tests that break it, or look at all of it.
func (w *world) alone() {
	w.t.Helper()
	if w.remote == nil {
		return
	}
	w.release()
	w.remote.use.Lock()
	w.release, w.broken = w.remote.use.Unlock, true
}

// needsLocal skips what no operator's command can do to Mesos.
func (w *world) needsLocal() {
	w.t.Helper()
	if w.mesos == nil {
		w.t.Skip("needs what only mesos/local can do: misbehave on purpose, or have agents of a size")
	}
}

// needsOperator skips what breaks the master or an agent where nobody says how.
func (w *world) needsOperator() {
	w.t.Helper()
	if w.remote != nil && (w.remote.stop == "" || w.remote.start == "") {
		w.t.Skip("breaks the master or an agent of the Mesos under test: " + remoteStop + " and " + remoteStart + " have to say how")
	}
	w.alone()
}

// tearDown removes the frameworks of this world's jobs and clusters from a Mesos that goes on.
func (w *world) tearDown() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, bucket := range []string{contracts.BucketJobs, contracts.BucketClusters} {
		kv, err := w.js.KeyValue(ctx, bucket)
		if err != nil {
			w.t.Logf("what is left in Mesos is not known: %v", err)
			return
		}
		keys, err := kv.Keys(ctx)
		if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
			w.t.Logf("what is left in Mesos is not known: %v", err)
		}
		for _, key := range keys {
			var record struct {
				Framework string `json:"framework"`
			}
			e, err := kv.Get(ctx, key)
			if err != nil || json.Unmarshal(e.Value(), &record) != nil || record.Framework == "" {
				continue // gone meanwhile, or no record of a framework
			}
			form := url.Values{"frameworkId": {record.Framework}}.Encode()
			if _, err := w.remote.do(ctx, http.MethodPost, "/teardown", "application/x-www-form-urlencoded", form); err != nil {
				w.t.Logf("teardown of %s, which may be gone already: %v", record.Framework, err)
			}
		}
	}
}

// nodes lists the processes of the world's executors and servers.
func (w *world) nodes() (found []running) {
	w.t.Helper()
	dirs := []string{filepath.Join(w.dir, "mesos")}
	if w.remote != nil {
		dirs = nil
		for _, a := range w.remote.Agents() {
			for _, e := range a.Executors {
				dirs = append(dirs, filepath.Dir(e.Sandbox))
			}
		}
	}
	for _, dir := range dirs {
		processes, err := processesIn(dir)
		must(w.t, err)
		found = append(found, processes...)
	}
	return found
}
