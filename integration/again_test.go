package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/google/uuid"
)

// forget removes a job's record, as its age does after a month.
func (w *world) forget(job string) {
	w.t.Helper()
	kv, err := w.js.KeyValue(w.t.Context(), contracts.BucketJobs)
	must(w.t, err)
	must(w.t, kv.Purge(w.t.Context(), job))
}

// Records of jobs expire, clusters stay. A request whose ID comes again then is a new one, whatever it asks
// for: it never touches the framework of the cluster that the ID once made.
func TestJobIDThatComesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(3, 4, 4096))
	w.needsLocal() // what is removed by hand here tells another Mesos what to tear down
	w.worker()
	req := request("lasting", 3, 0)
	plan := w.verified(w.create(req))
	w.settled()
	before := w.clusterRecord("lasting")
	again := func(req contracts.CreateRequest) contracts.Event {
		t.Helper()
		w.forget(req.ID)
		w.publish(contracts.SubjectCreate, req)
		w.settled()
		rec := w.record(req.ID)
		if rec.Terminal == nil {
			t.Fatalf("the job has not ended: %+v", rec)
		}
		checkedByRedis(t, plan)
		w.kept("lasting")
		if now := w.clusterRecord("lasting"); now.Framework != before.Framework || now.State != contracts.ClusterVerified {
			t.Fatalf("the cluster's record was %+v and is %+v", before, now)
		}
		return *rec.Terminal
	}
	if end := again(req); end.Data.Phase != contracts.PhaseVerified || !strings.Contains(end.Data.Message, "was there already") {
		t.Errorf("the same request: %s: %s", end.Data.Phase, end.Data.Message)
	}
	other := req
	other.Replicas = 1
	if end := again(other); end.Data.Reason != contracts.ReasonNameConflict {
		t.Errorf("another specification: %s (%s): %s", end.Data.Phase, end.Data.Reason, end.Data.Message)
	}
	other = req
	other.Cluster = "other"
	if end := again(other); end.Data.Phase != contracts.PhaseVerified {
		t.Errorf("another name: %s (%s): %s", end.Data.Phase, end.Data.Reason, end.Data.Message)
	}
	w.kept("other")
	if now := w.clusterRecord("other"); now.Plan.UID == plan.UID || now.Plan.Nodes[0].ID == plan.Nodes[0].ID {
		t.Errorf("two clusters with one UID, %s, and the same node IDs", plan.UID)
	}
	other.Cluster, other.Node.MemoryMB, other.Deadline = "too-large", 65536, contracts.Duration(4e9)
	if end := again(other); end.Data.Reason != contracts.ReasonInsufficientResources {
		t.Errorf("no room: %s (%s): %s", end.Data.Phase, end.Data.Reason, end.Data.Message)
	}
	w.destroy("lasting")
	w.destroy("other")
	w.settled()
	w.nothingLeft("lasting")
}

// A destroy that is worked on once more, when its cluster has gone and the next one has the name,
// leaves that one alone.
func TestDestroyThatComesLate(t *testing.T) {
	t.Parallel()
	mortalProgram(t)
	w := newWorld(t, agents(3, 4, 4096))
	stop := w.worker()
	w.verified(w.create(request("heir", 3, 0)))
	w.settled()
	stop()
	destroy := contracts.DestroyRequest{ID: uuid.NewString(), Cluster: "heir"}
	w.publish(contracts.SubjectDestroy, destroy)
	w.killed(func(*workerConfig) {}, failpoint.Removed)
	heir := request("heir", 3, 0)
	w.publish(contracts.SubjectCreate, heir)
	w.worker(named("next"))
	plan := w.verified(w.await(heir.ID))
	if end := w.await(destroy.ID).end(); end.Data.Phase != contracts.PhaseDestroyed {
		t.Errorf("the destroy ends %s: %s", end.Data.Phase, end.Data.Message)
	}
	w.settled()
	checkedByRedis(t, plan)
	w.kept("heir")
	w.destroy("heir")
	w.emptied()
}

// Where the records are restored and the queue is not, a name may be reserved by a job that nobody
// knows, or that nobody would ever work on again. Neither locks the name.
func TestNameOfALostJob(t *testing.T) {
	t.Parallel()
	for _, then := range []string{"create", "destroy"} {
		t.Run("forgotten, "+then, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(3, 4, 4096))
			kv, err := w.js.KeyValue(t.Context(), contracts.BucketClusters)
			must(t, err)
			old := request("orphan", 3, 0)
			value, err := json.Marshal(contracts.ClusterRecord{Cluster: "orphan", State: contracts.ClusterCreating, Job: old.ID, Request: old})
			must(t, err)
			_, err = kv.Create(t.Context(), "orphan", value)
			must(t, err)
			w.worker()
			if then == "create" {
				w.verified(w.create(request("orphan", 3, 1)))
			}
			w.destroy("orphan")
			w.emptied()
		})
		t.Run("lost, "+then, func(t *testing.T) {
			t.Parallel()
			mortalProgram(t)
			w := newWorld(t, agents(3, 4, 4096))
			lost := request("orphan", 3, 0)
			w.publish(contracts.SubjectCreate, lost)
			w.killed(func(*workerConfig) {}, failpoint.Launched)
			queue, err := w.js.Stream(t.Context(), contracts.StreamJobs)
			must(t, err)
			must(t, queue.Purge(t.Context()))
			w.worker(named("next"))
			if then == "create" {
				same := w.verified(w.create(request("orphan", 3, 0)))
				if plan := w.verified(w.await(lost.ID)); plan.UID != same.UID {
					t.Errorf("two clusters: %s and %s", plan.UID, same.UID)
				}
			}
			w.destroy("orphan")
			if end := w.await(lost.ID).end(); then == "destroy" && end.Data.Phase != contracts.PhaseCancelled {
				t.Errorf("the lost job ends %s: %s", end.Data.Phase, end.Data.Message)
			}
			w.emptied()
		})
	}
}
