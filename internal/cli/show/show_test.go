package show_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/show"
)

var update = flag.Bool("update", false, "write the golden files again")

const job = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func event(t contracts.EventType, d contracts.EventData) contracts.Event {
	d.Job, d.Cluster = job, "orders"
	return contracts.NewEvent("w1", t, d, now)
}

func plan(t testing.TB) *contracts.Plan {
	t.Helper()
	text, err := os.ReadFile("testdata/plan.json")
	if err != nil {
		t.Fatal(err)
	}
	var p contracts.Plan
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func report(failed int) *contracts.Report {
	r := &contracts.Report{OK: failed == 0, Nodes: 6, Passes: 2, Checks: []contracts.Check{
		{Name: "ping", Passed: 6, Total: 6}, {Name: "layout", Passed: 36 - failed, Total: 36},
	}}
	for i := range failed {
		r.Differences = append(r.Differences, contracts.Difference{
			Check: "layout", Node: i, Address: fmt.Sprintf("10.0.0.%d:31000", i+1), Expected: "master of 0-5460", Got: "replica",
		})
	}
	return r
}

// life is a job as its subscribers see it.
func life(t testing.TB) []contracts.Event {
	at := func(phase contracts.Phase, ms int64, done, total int, message string) contracts.Event {
		return event(contracts.EventProgress, contracts.EventData{Phase: phase, ElapsedMS: ms, Attempt: 1, Done: done, Total: total, Message: message})
	}
	return []contracts.Event{
		event(contracts.EventAccepted, contracts.EventData{Phase: contracts.PhaseAccepted, ElapsedMS: 3}),
		at(contracts.PhaseWaitingResources, 9, 0, 0, "10.0.0.3 needs 1024 MB, has 512."),
		at(contracts.PhasePlanned, 1061, 0, 6, "Planned 6 nodes on 3 hosts."),
		at(contracts.PhaseLaunching, 1100, 0, 6, "0 of 6 nodes are launched."),
		at(contracts.PhaseStarting, 1240, 4, 6, "4 of 6 nodes are bound."),
		at(contracts.PhaseForming, 1300, 6, 6, "6 of 6 nodes are running."),
		at(contracts.PhaseVerifying, 3000, 6, 6, ""),
		event(contracts.EventVerified, contracts.EventData{
			Phase: contracts.PhaseVerified, ElapsedMS: 3104, Attempt: 1, Plan: plan(t), Report: report(0),
			Timings: []contracts.PhaseTiming{{Phase: contracts.PhaseAccepted, MS: 3}, {Phase: contracts.PhaseForming, MS: 1700}},
		}),
	}
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	many := report(20)
	many.Omitted = 5
	for name, write := range map[string]func(*bytes.Buffer){
		"lines": func(b *bytes.Buffer) {
			l := show.NewLines(b, false)
			for _, ev := range life(t) {
				l.Event(ev)
			}
			l.Event(event(contracts.EventProgress, contracts.EventData{Phase: contracts.PhaseAccepted, Attempt: 2, ElapsedMS: 61_234}))
			l.Note("No worker is running.")
		},
		"lines-named": func(b *bytes.Buffer) {
			l := show.NewLines(b, true)
			for _, ev := range life(t) {
				l.Event(ev)
			}
		},
		"verified": func(b *bytes.Buffer) { show.Outcome(b, life(t)[7]) },
		"failed-shortages": func(b *bytes.Buffer) {
			show.Outcome(b, event(contracts.EventFailed, contracts.EventData{
				Phase: contracts.PhaseFailed, ElapsedMS: 120_000, Reason: contracts.ReasonInsufficientResources,
				Message: "No host can take another node.",
				Details: &contracts.Details{
					Shortages: []contracts.Shortage{
						{Host: "10.0.0.3", Dimension: "memory_mb", Need: 1024, Have: 512, Message: "needs 1024 MB, has 512"},
						{Host: "10.0.0.10", Dimension: "cpus", Need: 0.6, Have: 0.25, Message: "needs 0.6 cores, has 0.25"},
					},
					Nearest: "3 masters with 512 MB each",
				},
			}))
		},
		"failed-deadline": func(b *bytes.Buffer) {
			show.Outcome(b, event(contracts.EventFailed, contracts.EventData{
				Phase: contracts.PhaseFailed, ElapsedMS: 121_000, Reason: contracts.ReasonDeadlineExceeded, Message: "The deadline of 2m came while nodes started.",
			}))
		},
		"failed-differences": func(b *bytes.Buffer) {
			show.Outcome(b, event(contracts.EventFailed, contracts.EventData{
				Phase: contracts.PhaseFailed, ElapsedMS: 9000, Reason: contracts.ReasonVerificationFailed,
				Message: "The layout is not the planned one.", Details: &contracts.Details{Report: many},
			}))
		},
		"failed-tasks": func(b *bytes.Buffer) {
			show.Outcome(b, event(contracts.EventFailed, contracts.EventData{
				Phase: contracts.PhaseFailed, ElapsedMS: 900, Reason: contracts.ReasonStartFailed, Message: "A server ended.",
				Details: &contracts.Details{Tasks: []contracts.TaskFailure{
					{Task: "orders.3", Node: 3, Host: "10.0.0.1", State: "TASK_FAILED", Reason: "REASON_COMMAND_EXECUTOR_FAILED", Message: "exit status 1", Sandbox: "/var/lib/mesos/x"},
				}},
			}))
		},
		"cancelled": func(b *bytes.Buffer) {
			show.Outcome(b, event(contracts.EventCancelled, contracts.EventData{Phase: contracts.PhaseCancelled, ElapsedMS: 900, Message: "Cancelled on request in phase starting."}))
		},
		"destroyed": func(b *bytes.Buffer) {
			show.Outcome(b, event(contracts.EventDestroyed, contracts.EventData{Phase: contracts.PhaseDestroyed, ElapsedMS: 310}))
		},
		"clusters": func(b *bytes.Buffer) {
			verified := now
			request := contracts.CreateRequest{Masters: 3, Replicas: 1}.WithDefaults()
			show.Clusters(b, []contracts.ClusterRecord{
				{Cluster: "carts", State: contracts.ClusterCreating, Job: "j1", Request: request},
				{Cluster: "orders", State: contracts.ClusterVerified, Job: job, Request: request, Plan: plan(t), Verified: &verified},
			})
		},
		"jobs": func(b *bytes.Buffer) {
			end := event(contracts.EventVerified, contracts.EventData{})
			show.Jobs(b, []contracts.JobRecord{
				{Job: job, Kind: contracts.JobCreate, Cluster: "orders", Phase: contracts.PhaseVerified, Attempt: 1, Received: now.Add(-3104 * time.Millisecond), Terminal: &end, Owner: "w1"},
				{Job: "j1", Kind: contracts.JobDestroy, Cluster: "carts", Phase: contracts.PhaseDestroying, Received: now.Add(-time.Minute), Owner: "w2"},
				{Job: "j2", Kind: contracts.JobCreate, Cluster: "users", Phase: contracts.PhaseWaitingResources, Received: now.Add(-time.Minute)},
			}, now)
		},
		"nodes": func(b *bytes.Buffer) { show.Nodes(b, plan(t)); show.Connect(b, plan(t)) },
	} {
		var b bytes.Buffer
		write(&b)
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, b.Bytes(), want)
		}
	}
}

func TestOnlyTwentyDifferencesAreListed(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	show.Report(&b, report(30))
	if n := strings.Count(b.String(), "\n  node "); n != 20 {
		t.Errorf("%d differences are listed, want 20", n)
	}
	if !strings.Contains(b.String(), "and 10 more") {
		t.Errorf("it does not say how many more there are:\n%s", b.String())
	}
}

// TestNothingFromTheWireReachesTheTerminalRaw puts escape codes into every string of an event.
func TestNothingFromTheWireReachesTheTerminalRaw(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[31m\x07\r\n\tb\x9b2J\u202e\xff"
	d := contracts.EventData{
		Job: evil, Cluster: evil, Seq: 1, Phase: evil, Attempt: 2, Done: 1, Total: 2, Message: evil, Reason: evil,
		Report: &contracts.Report{
			Checks: []contracts.Check{{Name: evil}}, Differences: []contracts.Difference{{Check: evil, Address: evil, Expected: evil, Got: evil}}, Repaired: []string{evil},
		},
		Timings: []contracts.PhaseTiming{{Phase: evil}},
		Plan:    &contracts.Plan{Nodes: []contracts.Node{{ID: evil, Host: evil, Role: evil}}},
		Details: &contracts.Details{
			Field: evil, Nearest: evil, Shortages: []contracts.Shortage{{Host: evil, Dimension: evil, Message: evil}},
			Tasks: []contracts.TaskFailure{{Host: evil, State: evil, Reason: evil, Message: evil, Sandbox: evil}},
		},
	}
	var b bytes.Buffer
	for _, et := range append([]contracts.EventType{evil}, contracts.EventTypes...) {
		ev := contracts.NewEvent("w", et, d, now)
		show.Outcome(&b, ev)
		l := show.NewLines(&b, true)
		l.Event(ev)
		l.Note(evil)
	}
	show.Nodes(&b, d.Plan)
	show.Clusters(&b, []contracts.ClusterRecord{{Cluster: evil, State: evil, Job: evil, Plan: d.Plan}})
	show.Jobs(&b, []contracts.JobRecord{{Job: evil, Cluster: evil, Kind: evil, Phase: evil, Owner: evil}}, now)
	for _, r := range b.String() {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Fatalf("%U reaches the output:\n%q", r, b.String())
		}
	}
}
