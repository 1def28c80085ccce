package jobs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/jobs"
	"pgregory.net/rapid"
)

const job = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"

func newRecord() contracts.JobRecord {
	r := jobs.New(contracts.JobCreate, job, "orders", json.RawMessage(`{}`), 7, time.Unix(1000, 0))
	jobs.Claim(&r, "a")
	return r
}

func TestPhasesGoForwardOnly(t *testing.T) {
	t.Parallel()
	r := newRecord()
	steps := []struct {
		to   contracts.Phase
		at   time.Duration
		good bool
	}{
		{contracts.PhasePlanned, 10 * time.Millisecond, true}, // waiting_resources may be skipped
		{contracts.PhaseWaitingResources, 11 * time.Millisecond, false},
		{contracts.PhaseLaunching, 30 * time.Millisecond, true},
		{contracts.PhaseLaunching, 40 * time.Millisecond, true},
		{contracts.PhaseDestroying, 50 * time.Millisecond, false},
		{contracts.PhaseVerified, 50 * time.Millisecond, false}, // only Finish ends a job
		{contracts.PhaseVerifying, 100 * time.Millisecond, true},
	}
	for _, s := range steps {
		before := r.Phase
		err := jobs.Advance(&r, s.to, s.at)
		if (err == nil) != s.good {
			t.Fatalf("%s → %s: error %v", before, s.to, err)
		}
		if err != nil && r.Phase != before {
			t.Fatalf("a refused step changed the phase to %s", r.Phase)
		}
	}
	want := []contracts.PhaseTiming{{Phase: "accepted", MS: 10}, {Phase: "planned", MS: 20}, {Phase: "launching", MS: 70}}
	if fmt.Sprint(r.Timings) != fmt.Sprint(want) {
		t.Errorf("timings %v, want %v", r.Timings, want)
	}
}

func TestTimingsAddUpToElapsed(t *testing.T) {
	t.Parallel()
	r := newRecord()
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	must(t, jobs.Advance(&r, contracts.PhaseLaunching, at(100)))
	jobs.Abandon(&r, nil, []string{"10.0.0.1"}, nil)
	jobs.Cleaned(&r, at(300))
	must(t, jobs.Advance(&r, contracts.PhaseLaunching, at(350)))
	must(t, jobs.Finish(&r, contracts.EventVerified, contracts.EventData{}, at(900)))
	var sum int64
	for _, timing := range r.Terminal.Data.Timings {
		sum += timing.MS
	}
	if sum != 900 || r.Terminal.Data.ElapsedMS != 900 {
		t.Errorf("timings %v add up to %d, elapsed %d, want 900", r.Terminal.Data.Timings, sum, r.Terminal.Data.ElapsedMS)
	}
}

func TestOnlyACrashedOwnerCounts(t *testing.T) {
	t.Parallel()
	r := newRecord()
	jobs.Claim(&r, "b")
	if r.Crashes != 1 || r.Fence != 2 || r.Owner != "b" {
		t.Fatalf("after a silent owner: %+v", r)
	}
	jobs.HandBack(&r)
	jobs.Claim(&r, "c")
	if r.Crashes != 1 || r.Fence != 3 {
		t.Fatalf("after an owner that handed back: crashes %d, fence %d", r.Crashes, r.Fence)
	}
	must(t, jobs.Finish(&r, contracts.EventFailed, contracts.EventData{}, 0))
	jobs.Claim(&r, "d")
	if r.Crashes != 1 {
		t.Fatal("a job that had ended counts as a crash")
	}
}

func TestNoFrameworkIDTwice(t *testing.T) {
	t.Parallel()
	r := newRecord()
	seen := map[string]bool{}
	for range 5 {
		jobs.UseFramework(&r)
		if seen[r.Framework] {
			t.Fatalf("framework ID %s used twice", r.Framework)
		}
		seen[r.Framework] = true
		jobs.Abandon(&r, nil, nil, nil)
		jobs.Cleaned(&r, time.Second)
	}
	if r.Attempt != 6 {
		t.Errorf("attempt %d after five that failed, want 6", r.Attempt)
	}
}

func TestAttemptsHaveTheirOwnUID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, received := range []time.Duration{0, 30 * 24 * time.Hour} {
		for attempt := range 4 {
			r := newRecord()
			r.Received, r.Attempt = r.Received.Add(received), attempt
			uid := jobs.ClusterUID(r)
			if !strings.HasPrefix(uid, r.Job+".") {
				t.Errorf("the UID %s is not the job's", uid)
			}
			if attempt > 0 && seen[uid] { // 0 is before the first
				t.Errorf("%s twice: a node left over from one attempt, or life, would be taken for the other's", uid)
			}
			seen[uid] = attempt > 0
		}
	}
}

func TestWhatComesNext(t *testing.T) {
	t.Parallel()
	r := newRecord()
	expect := func(want jobs.Step) {
		t.Helper()
		// Whoever reads the record after a crash decides as its writer did.
		b, err := json.Marshal(r)
		must(t, err)
		var again contracts.JobRecord
		must(t, json.Unmarshal(b, &again))
		if got := jobs.Next(again); got != want {
			t.Fatalf("next is to %s, want %s", got, want)
		}
	}
	expect(jobs.Place)
	jobs.UseFramework(&r)
	expect(jobs.Place)
	r.PlanKey = "k"
	expect(jobs.Adopt)
	jobs.Abandon(&r, nil, nil, nil)
	expect(jobs.CleanUp)
	jobs.Cleaned(&r, 0)
	expect(jobs.Place)
	jobs.UseFramework(&r)
	jobs.Abandon(&r, &contracts.Outcome{Type: contracts.EventCancelled}, nil, nil)
	expect(jobs.CleanUp)
	jobs.Cleaned(&r, 0)
	expect(jobs.End)
	must(t, jobs.FinishPending(&r, 0))
	expect(jobs.Publish)
}

// Whatever the owners do, and wherever they die: events are numbered 1, 2, 3 … and one of them
// is terminal, the last.
func TestEventNumbersHaveNoGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRecord()
		published := map[uint64]string{}
		publish := func(events []contracts.Event) {
			for _, ev := range events {
				if old, ok := published[ev.Data.Seq]; ok && old != ev.ID+ev.Type {
					t.Fatalf("number %d has two events", ev.Data.Seq)
				}
				published[ev.Data.Seq] = ev.ID + ev.Type
			}
		}
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			jobs.Emit(&r, contracts.EventProgress, contracts.EventData{}, 0)
			switch rapid.IntRange(0, 2).Draw(t, "then") {
			case 0:
				jobs.Claim(&r, "next")
				publish(r.Outbox)
			case 1: // it is published, and the next write says so
				publish(r.Outbox)
				r.Outbox = nil
			case 2: // what cuts it short is told next
			}
		}
		if err := jobs.Finish(&r, contracts.EventFailed, contracts.EventData{}, 0); err != nil {
			t.Fatal(err)
		}
		if jobs.Finish(&r, contracts.EventVerified, contracts.EventData{}, 0) == nil {
			t.Fatal("a job ended twice")
		}
		publish(append(r.Outbox, *r.Terminal))
		for n := uint64(1); n <= r.Seq; n++ {
			if published[n] == "" {
				t.Fatalf("event %d of %d is missing", n, r.Seq)
			}
		}
	})
}

func TestRetry(t *testing.T) {
	t.Parallel()
	r := newRecord()
	r.Attempt = 1
	f := &jobs.Failure{Reason: contracts.ReasonLaunchFailed}
	for name, c := range map[string]struct {
		attempt int
		final   bool
		left    time.Duration
		want    bool
	}{
		"a first failure":      {1, false, time.Minute, true},
		"a final one":          {1, true, time.Minute, false},
		"the last attempt":     {3, false, time.Minute, false},
		"hardly any time left": {1, false, time.Second, false},
	} {
		r.Attempt, f.Final = c.attempt, c.final
		if got := jobs.Retry(r, f, 3, c.left, 5*time.Second); got != c.want {
			t.Errorf("%s: retry %v", name, got)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
