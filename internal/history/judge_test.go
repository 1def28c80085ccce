package history_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
)

const (
	maker   = "job-a" // created the cluster "kept", which lives
	former  = "job-b" // created "gone", which was destroyed …
	breaker = "job-c" // … by this one
	loser   = "job-d" // failed
)

var begin = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// run builds the history of a run step by step.
type run struct{ history.Snapshot }

func (r *run) say(job, kind, cluster, phase string, change ...func(*history.Event)) {
	seq := uint64(1)
	for _, ev := range r.Events {
		if ev.Data.Job == job {
			seq++
		}
	}
	var ev history.Event
	ev.Stream = uint64(len(r.Events) + 1)
	ev.ID = fmt.Sprintf("%s.%d", job, seq)
	ev.MessageID, ev.Type, ev.Time = ev.ID, "io.clustersmith.v1."+kind, begin.Add(time.Duration(ev.Stream)*time.Second)
	ev.Subject = "clustersmith.v1.events." + cluster + "." + job + "." + kind
	ev.Data.Job, ev.Data.Cluster, ev.Data.Seq, ev.Data.Phase, ev.Data.ElapsedMS = job, cluster, seq, phase, int64(10*seq)
	for _, f := range change {
		f(&ev)
	}
	r.Events = append(r.Events, ev)
	if kind == "verified" || kind == "failed" || kind == "destroyed" || kind == "cancelled" {
		result := ev
		result.Subject = "clustersmith.v1.results." + job
		r.Results = append(r.Results, result)
		rec := r.Jobs[job]
		rec.Terminal, rec.Phase = &result, phase
		r.Jobs[job] = rec
	}
}

func (r *run) ask(job, kind, cluster string) {
	r.Requests = append(r.Requests, history.Request{Kind: kind, ID: job, Cluster: cluster, Seq: uint64(len(r.Requests) + 1), Body: []byte(job)})
	r.Jobs[job] = history.Job{Job: job, Kind: kind, Cluster: cluster}
	r.say(job, "accepted", cluster, "accepted")
}

func (r *run) verified(job, cluster string) {
	r.say(job, "progress", cluster, "forming")
	r.say(job, "verified", cluster, "verified", func(ev *history.Event) {
		ev.Data.Plan = plan(job, cluster)
		ev.Data.Report = &struct {
			OK bool `json:"ok"`
		}{true}
	})
}

// plan is one master and its replica: enough for a judge.
func plan(job, cluster string) *history.Plan {
	master := 0
	return &history.Plan{Cluster: cluster, UID: job, Nodes: []history.Node{
		{Index: 0, ID: "aaaa", Host: "10.0.0.1", Port: 1, BusPort: 2, Role: "master", Slots: [][2]int{{0, 16383}}},
		{Index: 1, ID: "bbbb", Host: "10.0.0.2", Port: 1, BusPort: 2, Role: "replica", Master: &master},
	}}
}

func view(myself int) history.View {
	peers := []history.Peer{
		{ID: "aaaa", Address: "10.0.0.1:1@2", Flags: []string{"master"}, Master: "-", Connected: true, Slots: [][2]int{{0, 16383}}},
		{ID: "bbbb", Address: "10.0.0.2:1@2", Flags: []string{"slave"}, Master: "aaaa", Connected: true},
	}
	peers[myself].Flags = append([]string{"myself"}, peers[myself].Flags...)
	return history.View{State: "ok", Nodes: peers}
}

func framework(job, name string) history.Framework {
	return history.Framework{ID: "clustersmith-" + job + "-1", Name: "clustersmith/" + name, Tasks: []history.Task{
		{ID: "node-0", State: "TASK_RUNNING"}, {ID: "node-1", State: "TASK_RUNNING"},
	}}
}

// clean is the history of a run that broke no law.
func clean() *run {
	r := &run{history.Snapshot{Jobs: map[string]history.Job{}, Harmed: map[string]bool{}}}
	r.ask(maker, "create", "kept")
	r.ask(former, "create", "gone")
	r.verified(maker, "kept")
	r.verified(former, "gone")
	r.ask(breaker, "destroy", "gone")
	r.say(breaker, "progress", "gone", "destroying")
	r.say(breaker, "destroyed", "gone", "destroyed")
	r.ask(loser, "create", "kept")
	r.say(loser, "failed", "kept", "failed", func(ev *history.Event) { ev.Data.Reason = "name_conflict" })
	r.Requests = append(r.Requests, history.Request{Kind: "create", Seq: 99, Body: []byte("??"), Poison: true})
	r.Dead = []history.DeadLetter{{Sequence: 99, Reason: "invalid_request", Body: []byte("??")}}
	f := framework(maker, "kept")
	r.Clusters = map[string]history.Cluster{"kept": {Cluster: "kept", State: "verified", Job: maker, Framework: f.ID, Plan: plan(maker, "kept")}}
	r.Frameworks = []history.Framework{f}
	r.Samples = []history.Sample{{At: begin, Frameworks: []history.Framework{f}}}
	r.Processes = []history.Process{
		{PID: 1, Framework: f.ID, Command: "clustersmith-executor"},
		{PID: 2, Framework: f.ID, Command: "redis-server", Server: true}, {PID: 3, Framework: f.ID, Command: "redis-server", Server: true},
	}
	r.Views = map[string]history.View{"10.0.0.1:1": view(0), "10.0.0.2:1": view(1)}
	return r
}

func TestACleanRunBreaksNoLaw(t *testing.T) {
	t.Parallel()
	if got := history.Judge(clean().Snapshot); len(got) != 0 {
		t.Errorf("breaches: %v", got)
	}
}

// at is the n-th event of a job, from 1.
func (r *run) at(job string, n int) *history.Event {
	for i := range r.Events {
		if r.Events[i].Data.Job == job {
			if n--; n == 0 {
				return &r.Events[i]
			}
		}
	}
	panic("no such event")
}

func (r *run) record(job string, change func(*history.Job)) {
	rec := r.Jobs[job]
	change(&rec)
	r.Jobs[job] = rec
}

func (r *run) cluster(change func(*history.Cluster)) {
	c := r.Clusters["kept"]
	change(&c)
	r.Clusters["kept"] = c
}

// peer changes a line of what the first node sees.
func (r *run) peer(n int, change func(*history.Peer)) {
	v := r.Views["10.0.0.1:1"]
	change(&v.Nodes[n])
	r.Views["10.0.0.1:1"] = v
}

func (r *run) drop(job string, n int) {
	gone := r.at(job, n)
	for i := range r.Events {
		if &r.Events[i] == gone {
			r.Events = append(r.Events[:i:i], r.Events[i+1:]...)
			return
		}
	}
}

// Each single breach is found, by the law that it breaks and no other.
func TestEachBreachIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(r *run)
		want string // law: of: part of the text; every breach has to match
	}{
		{"a message is left in the queue", func(r *run) { r.Queued = 1 }, "queue: the queue: 1 messages"},
		{"an accepted request is forgotten", func(r *run) {
			r.Requests = append(r.Requests, history.Request{Kind: "verify", ID: "lost", Seq: 50})
		}, "end: lost: the verify request was accepted and nothing"},
		{"a job stops half-way", func(r *run) {
			r.drop(maker, 3)
			r.Results = r.Results[1:]
			r.record(maker, func(j *history.Job) { j.Terminal = nil })
			r.Clusters, r.Frameworks, r.Processes, r.Samples = nil, nil, nil, nil
		}, "end: job-a: 0 terminal events|record: job-a: its record has not ended"},
		{"a job ends twice", func(r *run) {
			ev := *r.at(loser, 2)
			ev.Stream, ev.ID, ev.MessageID, ev.Data.Seq = 100, "job-d.3", "job-d.3", 3
			r.Events = append(r.Events, ev)
		}, "end: job-d: 2 terminal events"},
		{"something comes after the end", func(r *run) { r.say(former, "progress", "gone", "verified") }, "last: job-b: progress"},
		{"a number is missing", func(r *run) { r.drop(maker, 2) }, "seq: job-a: event 2 of the job has the number 3"},
		{"numbers begin at 0", func(r *run) {
			for n := 1; n <= 2; n++ {
				ev := r.at(loser, n)
				ev.Data.Seq--
				ev.ID = fmt.Sprintf("job-d.%d", ev.Data.Seq)
				ev.MessageID = ev.ID
			}
			r.Results[len(r.Results)-1].ID = "job-d.1"
			r.record(loser, func(j *history.Job) { j.Terminal.ID = "job-d.1" })
		}, "seq: job-d: event 1 of the job has the number 0|seq: job-d: event 2"},
		{"an event has another's message ID", func(r *run) { r.at(maker, 2).MessageID = "job-a.1" }, "id: job-a: event 3 has|id: job-a: events 1 and 3 share"},
		{"an event is on another's subject", func(r *run) { r.at(maker, 2).Subject += "x" }, "id: job-a: event 3 is on"},
		{"an event is no event", func(r *run) { r.at(maker, 2).Broken = "not JSON" }, "id: event 3: it cannot be read"},
		{"an attempt goes back", func(r *run) { r.at(maker, 2).Data.Attempt = 1 }, "order: job-a: attempt 0 after attempt 1"},
		{"a phase goes back", func(r *run) { r.at(maker, 1).Data.Phase = "verifying" }, "order: job-a: phase forming after verifying"},
		{"a phase is unknown", func(r *run) { r.at(former, 2).Data.Phase = "resting" }, "order: job-b: event 2 is in no known phase"},
		{"time goes back", func(r *run) { r.at(maker, 2).Data.ElapsedMS = 5 }, "order: job-a: 5 ms after 10 ms"},
		{"a result is missing", func(r *run) { r.Results = r.Results[1:] }, "result: job-a: it ended as verified and has no result"},
		{"a result says something else", func(r *run) { r.Results[3].Type = "io.clustersmith.v1.cancelled" }, "result: job-d: the result is job-d.2 cancelled"},
		{"a result was given twice", func(r *run) { r.Results = append(r.Results, r.Results[0]) }, "result: job-a: there are two results"},
		{"a result is on another subject", func(r *run) { r.Results[0].Subject = "clustersmith.v1.results.x" }, "result: job-a: the result is on"},
		{"a result without an end", func(r *run) {
			ev := r.Results[0]
			ev.Data.Job, ev.Subject = "ghost", "clustersmith.v1.results.ghost"
			r.Results = append(r.Results, ev)
		}, "result: ghost: there is a result"},
		{"a job has no record", func(r *run) { delete(r.Jobs, loser) }, "record: job-d: it has events and no record"},
		{"a record has not ended", func(r *run) { r.record(loser, func(j *history.Job) { j.Terminal = nil }) }, "record: job-d: its record has not ended"},
		{"a record ended in silence", func(r *run) { r.Jobs["mute"] = r.Jobs[loser] }, "record: mute: its record has ended as failed, and no event"},
		{"a record ended with another event", func(r *run) {
			r.record(loser, func(j *history.Job) { j.Terminal.ID = "job-d.7" })
		}, "record: job-d: its record has ended with job-d.7 failed, its events with job-d.2 failed"},
		{"a living cluster's job failed", func(r *run) {
			for _, ev := range []*history.Event{r.at(maker, 3), &r.Results[0], r.Jobs[maker].Terminal} {
				ev.Type, ev.Data.Phase = "io.clustersmith.v1.failed", "failed"
			}
			r.at(maker, 3).Subject = "clustersmith.v1.events.kept.job-a.failed"
		}, "there: kept: its record says verified, job job-a ended as"},
		{"a record has something to say", func(r *run) { r.record(loser, func(j *history.Job) { j.Outbox = append(j.Outbox, nil) }) }, "record: job-d: 1 events wait"},
		{"poison vanishes", func(r *run) { r.Dead = nil }, "dead: message 99: it cannot be worked on and is no dead letter"},
		{"poison is changed", func(r *run) { r.Dead[0].Body = []byte("?") }, "dead: message 99: the dead letter has 1 other bytes"},
		{"poison is buried twice", func(r *run) { r.Dead = append(r.Dead, r.Dead[0]) }, "dead: message 99: there are two"},
		{"a good request is buried", func(r *run) {
			r.Dead = append(r.Dead, history.DeadLetter{Sequence: 1, Reason: "invalid_request", Body: []byte(maker)})
		}, "dead: message 1: the create request job-a is a dead letter"},
		{"a cluster is made over one that lives", func(r *run) {
			r.ask("job-e", "create", "kept")
			r.verified("job-e", "kept")
		}, "one: kept: the cluster of job job-a was verified, nobody destroyed it, and job job-e|one: kept: the cluster of job job-e was verified"},
		{"one destroy for two lives", func(r *run) {
			r.ask("job-e", "create", "gone")
			r.verified("job-e", "gone")
		}, "one: gone: the cluster of job job-e was verified, nobody destroyed it, and has no record"},
		{"two frameworks of one name at once", func(r *run) {
			r.Samples[0].Frameworks = append(r.Samples[0].Frameworks, framework(loser, "kept"))
		}, "one: clustersmith/kept: at 03:04:05.000 both clustersmith-job-a-1 and clustersmith-job-d-1"},
		{"a verified cluster vanishes", func(r *run) {
			r.Clusters, r.Frameworks, r.Processes = nil, nil, nil
		}, "one: kept: the cluster of job job-a was verified, nobody destroyed it"},
		{"an untouched cluster is not as planned", func(r *run) {
			r.ask("job-e", "verify", "kept")
			r.say("job-e", "failed", "kept", "failed", func(ev *history.Event) { ev.Data.Reason = "verification_failed" })
		}, "there: kept: verification job-e failed, though nobody touched"},
		{"a record blocks a name", func(r *run) {
			r.Clusters["gone"] = history.Cluster{Cluster: "gone", State: "destroying", Job: former}
		}, "gone: gone: the name is blocked: its record is destroying"},
		{"verified without a good report", func(r *run) { r.at(maker, 3).Data.Report = nil }, "there: kept: the verified event"},
		{"the record's plan is another", func(r *run) { r.cluster(func(c *history.Cluster) { c.Plan.UID = "job-a.2" }) }, "there: kept: the recorded plan is job-a.2"},
		{"Mesos does not know a living cluster", func(r *run) { r.Frameworks = nil }, "there: kept: Mesos does not know its framework"},
		{"a task does not run", func(r *run) { r.Frameworks[0].Tasks[1].State = "TASK_LOST" }, "there: kept: 1 of 2 tasks run"},
		{"a redis-server is gone", func(r *run) { r.Processes = r.Processes[:2] }, "there: kept: 1 redis-servers run instead of 2"},
		{"a node does not answer", func(r *run) { r.Views["10.0.0.2:1"] = history.View{Err: "refused"} }, "there: kept: node 10.0.0.2:1: it did not answer: refused"},
		{"a node says fail", func(r *run) {
			v := view(0)
			v.State = "fail"
			r.Views["10.0.0.1:1"] = v
		}, "there: kept: node 10.0.0.1:1: its cluster_state is fail"},
		{"a node is not in the plan", func(r *run) { r.peer(1, func(p *history.Peer) { p.ID = "cccc" }) }, "there: kept: node 10.0.0.1:1: it sees cccc at|there: kept: node 10.0.0.1:1: it does not see node 1"},
		{"a node is elsewhere", func(r *run) { r.peer(1, func(p *history.Peer) { p.Address = "10.0.0.9:1@2" }) }, "it sees node 1 at 10.0.0.9:1@2"},
		{"roles are swapped", func(r *run) {
			r.peer(1, func(p *history.Peer) { p.Flags, p.Master = []string{"master"}, "-" })
		}, "it sees node 1 as master of -"},
		{"a replica follows another master", func(r *run) { r.peer(1, func(p *history.Peer) { p.Master = "bbbb" }) }, "it sees node 1 as slave of bbbb"},
		{"a node is failing", func(r *run) { r.peer(1, func(p *history.Peer) { p.Flags = append(p.Flags, "fail?") }) }, "it sees node 1 with the flag fail?"},
		{"a link is down", func(r *run) { r.peer(1, func(p *history.Peer) { p.Connected = false }) }, "its link to node 1 is down"},
		{"a slot is missing", func(r *run) { r.peer(0, func(p *history.Peer) { p.Slots = [][2]int{{0, 16382}} }) }, "it sees the slots [[0 16382]]"},
		{"another node answers", func(r *run) { r.Views["10.0.0.1:1"] = view(1) }, "it calls node 0 itself|it calls node 1 itself"},
		{"a framework is left", func(r *run) { r.Frameworks = append(r.Frameworks, framework(former, "gone")) }, "gone: clustersmith-job-b-1: the framework clustersmith/gone of no living"},
		{"a framework has another name", func(r *run) { r.Frameworks[0].Name = "clustersmith/x" }, "gone: clustersmith-job-a-1: the framework of kept is named"},
		{"a process is left", func(r *run) {
			r.Processes = append(r.Processes, history.Process{PID: 7, Framework: "clustersmith-job-b-1", Server: true, Command: "redis-server"})
		}, "gone: redis-server: process 7 of no living cluster"},
		{"a lease is left", func(r *run) { r.Leases = []string{"mesos.=2A"} }, "gone: mesos.=2A: the lease is still held"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := clean()
			c.do(r)
			got := history.Judge(r.Snapshot)
			wants := strings.Split(c.want, "|")
			for _, want := range wants {
				found := false
				for _, b := range got {
					found = found || strings.Contains(b.String(), want)
				}
				if !found {
					t.Errorf("nothing says %q", want)
				}
			}
			for _, b := range got {
				known := false
				for _, want := range wants {
					known = known || strings.Contains(b.String(), want)
				}
				if !known {
					t.Errorf("not a breach: %s", b)
				}
			}
			if t.Failed() {
				t.Logf("all breaches: %v", got)
			}
		})
	}
}

// What the run itself killed is not asked for; all else of such a cluster still counts.
func TestHarmedClustersAreJudgedByTheirRecords(t *testing.T) {
	t.Parallel()
	r := clean()
	r.Harmed["clustersmith-job-a-1"] = true
	r.Processes, r.Views, r.Frameworks[0].Tasks = nil, nil, nil
	if got := history.Judge(r.Snapshot); len(got) != 0 {
		t.Errorf("breaches: %v", got)
	}
	r.Results = r.Results[1:]
	if got := history.Judge(r.Snapshot); len(got) != 1 {
		t.Errorf("breaches: %v", got)
	}
}

// A destroy's own end may be told after the next cluster of the name is verified.
func TestALateEndOfADestroyIsNoBreach(t *testing.T) {
	t.Parallel()
	r := clean()
	r.ask("job-e", "create", "gone")
	r.verified("job-e", "gone")
	r.ask("job-f", "destroy", "gone")
	r.ask("job-g", "create", "gone")
	r.verified("job-g", "gone")
	r.say("job-f", "destroyed", "gone", "destroyed")
	r.ask("job-h", "destroy", "gone")
	r.say("job-h", "destroyed", "gone", "destroyed")
	if got := history.Judge(r.Snapshot); len(got) != 0 {
		t.Errorf("breaches: %v", got)
	}
}
