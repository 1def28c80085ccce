package integration

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/nats-io/nats.go/jetstream"
)

// What happens to a worker is in its metrics: a lease that is lost, a job that waits, connections
// that break, a message that cannot be read, and how the jobs end.
func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(4, 4, 4096), quick)
	w.needsLocal()
	w.twoHosts()
	cfg := w.config()
	cfg.Name, cfg.HTTPAddr, cfg.OfferWait = "measured", w.ownAddress()+":9464", 3*time.Second
	w.processWith(cfg)
	reaches := func(name string, least float64) {
		t.Helper()
		for deadline := time.Now().Add(awaitLimit); ; time.Sleep(50 * time.Millisecond) { // a scrape is a question
			text := w.metric(cfg.Name, cfg.HTTPAddr, name)
			if value, err := strconv.ParseFloat(text, 64); err == nil && value >= least {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is %q and not at least %v", name, text, least)
			}
		}
	}
	req := request("measured", 3, 1)
	w.publish(contracts.SubjectCreate, req)

	w.stealLease()
	reaches("clustersmith_lease_losses_total", 1)
	reaches(`clustersmith_jobs_handed_back_total{why="interrupted"}`, 1)
	reaches(`clustersmith_jobs_waiting{why="resources"}`, 1)
	reaches(`clustersmith_jobs_handed_back_total{why="waiting"}`, 1)
	reaches(`clustersmith_offers_total{decision="returned",reason="insufficient_resources"}`, 1)
	reaches("clustersmith_queue_unacknowledged_messages", 1)
	reaches("clustersmith_queue_oldest_message_age_seconds", 1)
	w.allHosts()
	w.at(req.ID, contracts.PhaseLaunching)
	must(t, w.mesos.CutStreams(t.Context()))
	w.disconnectWorkers()
	reaches("clustersmith_mesos_reconnects_total", 1)
	reaches("clustersmith_nats_reconnects_total", 1)
	w.allWell(w.await(req.ID))

	bad := request("bad", 3, 0)
	bad.Masters = -1
	w.publish(contracts.SubjectCreate, bad)
	w.failed(w.await(bad.ID), contracts.ReasonInvalidRequest)
	w.settled()
	for name, want := range map[string]string{
		`clustersmith_dead_letters_total{kind="create",reason="invalid_request"}`:            "1",
		`clustersmith_jobs_total{kind="create",reason="",result="verified"}`:                 "1",
		`clustersmith_jobs_total{kind="create",reason="invalid_request",result="failed"}`:    "1",
		`clustersmith_jobs_total{kind="destroy",reason="",result="destroyed"}`:               "1",
		`clustersmith_jobs_waiting{why="resources"}`:                                         "0",
		`clustersmith_jobs_waiting{why="name"}`:                                              "0",
		`clustersmith_lease_losses_total`:                                                    "1",
		`clustersmith_owner_crashes_total`:                                                   "0",
		`clustersmith_phase_duration_seconds_count{kind="create",phase="waiting_resources"}`: "1",
		`clustersmith_phase_duration_seconds_count{kind="create",phase="forming"}`:           "1",
		`clustersmith_queue_dead_letters`:                                                    "1",
		`clustersmith_queue_oldest_message_age_seconds`:                                      "0",
	} {
		often := strings.HasPrefix(name, "clustersmith_phase_duration") || name == "clustersmith_lease_losses_total"
		if underChaos() && often { // it may have taken an attempt, or a lease's time
			reaches(name, 1)
			continue
		}
		if got := w.metric(cfg.Name, cfg.HTTPAddr, name); got != want {
			t.Errorf("%s is %s instead of %s", name, got, want)
		}
	}
	reaches("clustersmith_redeliveries_total", 2)
	reaches("clustersmith_lease_wait_seconds_count", 3)
	reaches("clustersmith_lease_held_seconds_count", 3)
	reaches(`clustersmith_offers_total{decision="accepted",reason="planned"}`, 3)
	w.emptied()
}

// A job whose end another worker has counted, and died of, is not counted again.
func TestEndIsCountedOnce(t *testing.T) {
	t.Parallel()
	mortalProgram(t)
	w := newWorld(t, agents(4, 4, 4096), quick)
	req := request("counted", 3, 0)
	w.publish(contracts.SubjectCreate, req)
	w.killed(func(*workerConfig) {}, failpoint.EventStored)
	cfg := w.config()
	cfg.Name, cfg.HTTPAddr = "second", w.ownAddress()+":9464"
	w.processWith(cfg)
	h := w.await(req.ID)
	w.settled()
	for name, want := range map[string]string{
		`clustersmith_jobs_total{kind="create",reason="",result="verified"}`: "0",
		`clustersmith_redeliveries_total`:                                    "1",
		`clustersmith_owner_crashes_total`:                                   "0", // the job had ended
	} {
		if got := w.metric(cfg.Name, cfg.HTTPAddr, name); got != want {
			t.Errorf("%s is %s instead of %s", name, got, want)
		}
	}
	w.allWell(h)
}

// stealLease waits until the lease of the default role is held, and takes it without a word, as
// nobody may; the thief is silent from then on.
func (w *world) stealLease() {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.t.Context(), contracts.BucketLeases)
	must(w.t, err)
	watch, err := kv.Watch(w.t.Context(), contracts.LeaseKey(contracts.DefaultRole))
	must(w.t, err)
	defer watch.Stop() //nolint:errcheck // the watcher ends with the test anyway
	late := time.After(awaitLimit)
	for {
		select {
		case e := <-watch.Updates():
			if e == nil || e.Operation() != jetstream.KeyValuePut {
				continue
			}
			value, err := json.Marshal(contracts.LeaseRecord{Worker: "thief", TTL: contracts.Duration(time.Second)})
			must(w.t, err)
			_, err = kv.Put(w.t.Context(), e.Key(), value)
			must(w.t, err)
			return
		case <-late:
			w.t.Fatal("nobody takes the lease")
		}
	}
}

// disconnectWorkers closes every connection to NATS but the test's own.
func (w *world) disconnectWorkers() {
	w.t.Helper()
	own, err := w.nc.GetClientID()
	must(w.t, err)
	all, err := w.nats.Connz(nil)
	must(w.t, err)
	for _, c := range all.Conns {
		if c.Cid != own {
			must(w.t, w.nats.DisconnectClientByID(c.Cid))
		}
	}
}
