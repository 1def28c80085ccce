package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"github.com/nats-io/nats.go/jetstream"
)

const testJob = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"

func newJob() contracts.JobRecord {
	return jobs.New(contracts.JobCreate, testJob, "orders", json.RawMessage(`{"id":"x"}`), 1, time.Now())
}

func TestEnsureTopologyIsIdempotentAndChangesNothing(t *testing.T) {
	t.Parallel()
	_, _, js := newNATS(t)
	must(t, EnsureTopology(t.Context(), js, Topology{Replicas: 1, AckWait: time.Hour}))
	c, err := js.Consumer(t.Context(), contracts.StreamJobs, ConsumerName)
	must(t, err)
	if got := c.CachedInfo().Config.AckWait; got != time.Second {
		t.Errorf("an existing consumer was reconfigured: AckWait %v", got)
	}
}

func TestOnlyTheOwnerWrites(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	first, created, err := s.create(t.Context(), newJob(), "a")
	must(t, err)
	if !created {
		t.Fatal("the first create found a record")
	}
	second, created, err := s.create(t.Context(), newJob(), "b")
	must(t, err)
	if created || second.rec.Owner != "a" {
		t.Fatalf("the second create: created %v, owner %s", created, second.rec.Owner)
	}
	must(t, s.save(t.Context(), second, func(r *contracts.JobRecord) error { jobs.Claim(r, "b"); return nil }))
	err = s.save(t.Context(), first, func(r *contracts.JobRecord) error { r.Attempt = 9; return nil })
	if !errors.Is(err, errFenced) {
		t.Fatalf("the former owner's write: %v", err)
	}
	now, err := s.job(t.Context(), testJob)
	must(t, err)
	if now.rec.Owner != "b" || now.rec.Attempt == 9 {
		t.Errorf("the record is %+v", now.rec)
	}
}

// A record that the server has lost ends the work on its job: nothing of the job can be known any more.
func TestARecordThatIsGone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	h, _, err := s.create(t.Context(), newJob(), "a")
	must(t, err)
	change := func(r *contracts.JobRecord) error { r.Attempt++; return nil }
	must(t, s.save(t.Context(), h, change))
	must(t, s.jobs.Purge(t.Context(), testJob))
	if err := s.save(t.Context(), h, change); !errors.Is(err, errFenced) {
		t.Errorf("a write of a record that is gone: %v", err)
	}
	// The message comes again, to the same worker, which begins anew.
	fresh, created, err := s.create(t.Context(), newJob(), "a")
	must(t, err)
	if !created || fresh.rec.Fence != h.rec.Fence {
		t.Fatalf("not the case that is meant: created %v, fence %d", created, fresh.rec.Fence)
	}
	if err := s.save(t.Context(), h, change); !errors.Is(err, errFenced) {
		t.Errorf("a write of the job's former life: %v", err)
	}
	must(t, s.save(t.Context(), fresh, change))
}

// A write whose answer was lost has happened: the owner must not take it for another's.
func TestALostAnswerIsNoLostWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	h, _, err := s.create(t.Context(), newJob(), "a")
	must(t, err)
	twin := &held{rec: h.rec, rev: h.rev}
	change := func(r *contracts.JobRecord) error { r.Attempt = 2; return nil }
	must(t, s.save(t.Context(), h, change))
	must(t, s.save(t.Context(), twin, change)) // the same write, tried again on the revision before
	if twin.rev != h.rev {
		t.Errorf("revision %d, want %d", twin.rev, h.rev)
	}
	must(t, s.save(t.Context(), twin, func(r *contracts.JobRecord) error { r.Attempt = 3; return nil }))
}

func TestWritesOutliveTheServersRestart(t *testing.T) {
	t.Parallel()
	srv, nc, js := newNATS(t)
	s, err := openStore(t.Context(), nc, js, quiet())
	must(t, err)
	h, _, err := s.create(t.Context(), newJob(), "a")
	must(t, err)
	start := stop(t, srv)
	saved := make(chan error, 1)
	go func() {
		saved <- s.save(within(t, 30*time.Second), h, func(r *contracts.JobRecord) error { r.Attempt = 5; return nil })
	}()
	start()
	must(t, <-saved)
	again, err := s.job(within(t, 10*time.Second), testJob)
	must(t, err)
	if again.rec.Attempt != 5 {
		t.Errorf("attempt %d after the restart", again.rec.Attempt)
	}
}

func TestReadTellsDeletedFromAbsent(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var c contracts.ClusterRecord
	if _, err := s.read(t.Context(), s.clusters, "nobody", &c); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("an absent key: %v", err)
	}
	rev, err := s.clusters.Create(t.Context(), "orders", []byte(`{"cluster":"orders"}`))
	must(t, err)
	e, err := s.read(t.Context(), s.clusters, "orders", &c)
	must(t, err)
	if e.rev != rev || time.Since(e.created).Abs() > time.Minute || c.Cluster != "orders" {
		t.Errorf("read %+v at %+v, want revision %d", c, e, rev)
	}
	must(t, s.removeCluster(t.Context(), "orders", rev))
	if _, err := s.read(t.Context(), s.clusters, "orders", &c); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("a deleted key: %v", err)
	}
}

func TestTerminalEventOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	rec := newJob()
	jobs.Claim(&rec, "a")
	must(t, jobs.Finish(&rec, contracts.EventFailed, contracts.EventData{Reason: contracts.ReasonInternal}, 0))
	other := *rec.Terminal
	other.ID += ".other" // what the stream's window of message IDs would let pass
	for range 3 {
		must(t, s.publishTerminal(t.Context(), *rec.Terminal))
		must(t, s.publishTerminal(t.Context(), other))
	}
	for _, name := range []string{contracts.StreamEvents, contracts.StreamResults} {
		stream, err := s.js.Stream(t.Context(), name)
		must(t, err)
		if n := stream.CachedInfo().State.Msgs; n != 1 {
			t.Errorf("%s holds %d messages", name, n)
		}
	}
}

func TestPlansRoundTrip(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	master := 0
	plan := chunkdist.Plan{Cluster: "orders", UID: "u", Masters: 1, Replicas: 1, Nodes: []chunkdist.Node{
		{Index: 0, ID: "a", Host: "10.0.0.1", Port: 1, BusPort: 2, Role: chunkdist.Master, Epoch: 1, Slots: [][2]int{{0, 16383}}},
		{Index: 1, ID: "b", Host: "10.0.0.2", Port: 3, BusPort: 4, Role: chunkdist.Replica, Master: &master, Slots: [][2]int{}},
	}, Hosts: []chunkdist.HostLoad{{Host: "10.0.0.1", Masters: 1}}}
	key := contracts.JobPlanKey(testJob, 1, 1)
	must(t, s.putPlan(t.Context(), key, plan))
	got, err := s.plan(t.Context(), key)
	must(t, err)
	a, _ := json.Marshal(plan)
	b, _ := json.Marshal(got)
	if string(a) != string(b) {
		t.Errorf("stored %s\nread   %s", a, b)
	}
}

// A compare-and-set that lost has one error code on a single server and another on a cluster.
func TestConflictHasTwoCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[jetstream.ErrorCode]bool{
		10071: true, // wrong last sequence
		10164: true, // wrong last sequence, of a replicated stream
		10058: false,
		10008: false, // no leader
	} {
		err := fmt.Errorf("worker: %w", &jetstream.APIError{ErrorCode: code})
		if taken(err) != want || conflict(err) != want {
			t.Errorf("code %d: taken %v, conflict %v", code, taken(err), conflict(err))
		}
	}
}

// A write that was given up may arrive yet. The next one must neither pass for it nor be refused
// because of it; and what ended the job stays the end.
func TestWriteThatWasGivenUpArrives(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		t.Run(fmt.Sprintf("terminal %v", terminal), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			h, _, err := s.create(t.Context(), newJob(), "a")
			must(t, err)
			before := *h
			over, cancel := context.WithCancel(t.Context())
			cancel()
			late := func(r *contracts.JobRecord) error {
				r.Attempt = 7
				if terminal {
					return jobs.Finish(r, contracts.EventVerified, contracts.EventData{}, time.Second)
				}
				return nil
			}
			if err := s.save(over, h, late); err == nil {
				t.Fatal("a write under a context that is over")
			}
			_, value, err := changed(before.rec, late)
			must(t, err)
			_, err = update(t.Context(), s.jobs, testJob, value, before.rev) // it arrives
			must(t, err)

			err = s.save(t.Context(), h, func(r *contracts.JobRecord) error { jobs.Abandon(r, nil, []string{"h"}, nil); return nil })
			if terminal != errors.Is(err, errEnded) || !terminal && err != nil {
				t.Fatal(err)
			}
			now, err := s.job(t.Context(), testJob)
			must(t, err)
			if now.rec.Attempt != 7 || now.rec.Cleanup == terminal || (now.rec.Terminal != nil) != terminal {
				t.Errorf("the record is %+v", now.rec)
			}
			if h.rev != now.rev || h.rec.Write != now.rec.Write {
				t.Errorf("the owner knows revision %d, write %d, and %d, %d are stored", h.rev, h.rec.Write, now.rev, now.rec.Write)
			}
		})
	}
}
