package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/uuid"
)

// script is a job as a worker tells it.
func script(b *broker, job, cluster string, et contracts.EventType, end contracts.EventData) contracts.Event {
	d := contracts.EventData{Job: job, Cluster: cluster, Seq: 1, Phase: contracts.PhaseAccepted, ElapsedMS: 5}
	b.emit(contracts.EventAccepted, d)
	b.emit(contracts.EventProgress, contracts.EventData{
		Job: job, Cluster: cluster, Seq: 2, Phase: contracts.PhaseStarting, Attempt: 1, ElapsedMS: 420, Done: 4, Total: 6, Message: "4 of 6 nodes are bound.",
	})
	end.Job, end.Cluster, end.Seq, end.Attempt, end.ElapsedMS = job, cluster, 3, 1, 2104
	return b.emit(et, end)
}

func TestWaitShowsTheJobAndItsEnd(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	create := []string{"create", "--nats", b.url, "--id", job, "--cluster", "orders", "--wait"}
	// The job has ended before the command looks: it reads the events from the first one.
	want := script(b, job, "orders", contracts.EventVerified, contracts.EventData{
		Phase: contracts.PhaseVerified, Report: &contracts.Report{OK: true, Nodes: 6, Passes: 1, Checks: []contracts.Check{{Name: "answers", Passed: 6, Total: 6}}},
		Timings: []contracts.PhaseTiming{{Phase: contracts.PhaseForming, MS: 2004}},
		Plan:    &contracts.Plan{Nodes: []contracts.Node{{Host: "10.0.0.1", Port: 31000, Slots: [][2]int{}}}, Hosts: []contracts.HostLoad{}},
	})
	r := command(t, t.Context(), create...)
	if r.status != Done {
		t.Errorf("status %d", r.status)
	}
	if want := "Job " + job + ` is in the queue.
    0.01s  accepted
    0.42s  starting           4/6  4 of 6 nodes are bound.
    2.10s  verified           6 nodes checked
`; r.stderr != want {
		t.Errorf("progress:\n%s\nwant\n%s", r.stderr, want)
	}
	if want := `Cluster orders is verified, 2.10s after the request.

6 nodes asked, passes: 1
CHECK    PASSED
answers  6/6     ok

PHASE    TIME
forming  2.00s

Connect with: redis-cli -c -h 10.0.0.1 -p 31000
`; r.out != want {
		t.Errorf("outcome:\n%s\nwant\n%s", r.out, want)
	}

	r = command(t, t.Context(), append(create, "-o", "json")...)
	r.want(t, Done, "", "")
	got, err := contracts.ParseEvent([]byte(r.out))
	if err != nil || got.ID != want.ID || len(got.Data.Timings) != 1 || r.stderr != "" {
		t.Errorf("document %+v, %v, stderr %q", got, err, r.stderr)
	}
}

func TestWaitEndsWithStatus1WhenTheJobFailed(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	script(b, job, "orders", contracts.EventFailed, contracts.EventData{
		Phase: contracts.PhaseFailed, Reason: contracts.ReasonNameConflict, Message: "The cluster exists with another specification.",
	})
	args := []string{"create", "--nats", b.url, "--id", job, "--cluster", "orders", "--wait"}
	command(t, t.Context(), args...).want(t, JobFailed, "clustersmith status orders", "name_conflict")
	command(t, t.Context(), append(args, "-o", "json")...).want(t, JobFailed, `"reason": "name_conflict"`, "")
	command(t, t.Context(), "cancel", strings.ToUpper(job), "--wait", "--nats", b.url).want(t, JobFailed, "name_conflict", "")
}

func TestWaitFollowsAJobThatIsUnderWay(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	done := make(chan result, 1)
	go func() { done <- command(t, t.Context(), "destroy", "orders", "--wait", "--nats", b.url) }()
	req, err := contracts.ParseDestroy(b.take().Data())
	if err != nil {
		t.Fatal(err)
	}
	script(b, job, "orders", contracts.EventFailed, contracts.EventData{Phase: contracts.PhaseFailed}) // another job
	script(b, req.ID, "orders", contracts.EventDestroyed, contracts.EventData{Phase: contracts.PhaseDestroyed})
	(<-done).want(t, Done, "Cluster orders is destroyed", "2.10s  destroyed")
}

func TestWaitSaysThatNoWorkerTakesTheJob(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	r := command(t, t.Context(), "create", "--nats", b.url, "--cluster", "orders", "--wait", "--timeout", "5s")
	r.want(t, Unreachable, "", "No worker is running")
	if strings.Count(r.stderr, "No worker is running") != 2 { // while it waits, and in the error
		t.Errorf("said:\n%s", r.stderr)
	}
}

func TestWaitSaysThatAllWorkersAreBusy(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	command(t, t.Context(), "create", "--nats", b.url, "--cluster", "first").want(t, Done, "", "")
	b.take()
	r := command(t, t.Context(), "create", "--nats", b.url, "--cluster", "orders", "--wait", "--timeout", "5s")
	r.want(t, Unreachable, "", "All workers are busy with 1 jobs")
}

func TestWatchShowsWhatRunsAndWhatComes(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	const other = "11111111-0000-4000-8000-000000000000"
	running := b.emit(contracts.EventProgress, contracts.EventData{Job: other, Cluster: "carts", Seq: 7, Phase: contracts.PhaseForming, ElapsedMS: 900})
	b.put(contracts.BucketJobs, other, contracts.JobRecord{Job: other, Cluster: "carts", Phase: contracts.PhaseForming, Seq: 7, Outbox: []contracts.Event{running}})
	for name, args := range map[string][]string{"text": {"watch"}, "json": {"watch", "-o", "json"}, "one": {"watch", "carts"}} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := uuid.NewString() // nobody has published that yet
		b.put(contracts.BucketJobs, ended, contracts.JobRecord{Job: ended, Cluster: "carts", Phase: contracts.PhaseVerified, Seq: 3, Terminal: &contracts.Event{}})
		var out buffer
		done := make(chan Status, 1)
		go func() {
			done <- run(ctx, func() {}, append(args, "--nats", b.url), strings.NewReader(""), &out, &buffer{})
		}()
		waitFor(t, func() bool { return strings.Contains(out.String(), "carts") })
		b.emit(contracts.EventAccepted, contracts.EventData{Job: uuid.NewString(), Cluster: "orders", Seq: 1, Phase: contracts.PhaseAccepted})
		script(b, ended, "carts", contracts.EventVerified, contracts.EventData{Phase: contracts.PhaseVerified})
		waitFor(t, func() bool { return strings.Contains(out.String(), "verified") })
		cancel()
		if status := <-done; status != Done {
			t.Errorf("%s: status %d", name, status)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		want := 5
		if name == "one" {
			want = 4
			if strings.Contains(out.String(), "orders") {
				t.Errorf("another cluster's job is shown:\n%s", out.String())
			}
		}
		if len(lines) != want {
			t.Errorf("%s: %d lines, want %d:\n%s", name, len(lines), want, out.String())
		}
		for _, line := range lines {
			if name == "json" && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
	}
}

// waitFor polls what nothing announces.
func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}
