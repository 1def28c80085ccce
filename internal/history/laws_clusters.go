package history

import (
	"strings"
)

// life is a cluster from its creation to its end: a create that ended verified with nodes of its own.
type life struct {
	job             string
	begun, verified uint64 // in the event stream
}

// lives: two lives of one name have a destroy of that name between them, each its own.
func (j *judge) lives() {
	lives, destroys := map[string][]life{}, map[string][]life{}
	for _, ev := range j.s.Events { // in the order of their ends
		events := j.jobs[ev.Data.Job]
		one := life{job: ev.Data.Job, begun: events[0].Stream, verified: ev.Stream}
		switch {
		case ev.kind() == "verified" && ev.Data.Plan != nil && ownPlan(ev) && j.s.Jobs[ev.Data.Job].Kind == "create":
			lives[ev.Data.Cluster] = append(lives[ev.Data.Cluster], one)
		case ev.kind() == "destroyed":
			destroys[ev.Data.Cluster] = append(destroys[ev.Data.Cluster], one)
		}
	}
	for _, name := range sorted(lives) {
		used := map[string]bool{}
		all := lives[name]
		for i, l := range all {
			after := uint64(1 << 63)
			if i+1 < len(all) {
				after = all[i+1].verified
			} else if c, there := j.s.Clusters[name]; there && c.Job == l.job {
				continue // it lives
			}
			if !destroyedBetween(destroys[name], used, l.begun, after) {
				what := "and has no record"
				if i+1 < len(all) {
					what = "and job " + all[i+1].job + " made another one of the name"
				}
				j.note("one", name, "the cluster of job %s was verified, nobody destroyed it, %s", l.job, what)
			}
		}
	}
}

// verifications: a cluster of which nobody killed a process is found as planned whenever it is asked.
func (j *judge) verifications() {
	made := map[string]string{} // by name, the job of its latest life
	for _, ev := range j.s.Events {
		job := ev.Data.Job
		switch kind := j.s.Jobs[job].Kind; {
		case kind == "create" && ev.kind() == "verified" && ev.Data.Plan != nil && ownPlan(ev):
			made[ev.Data.Cluster] = job
		case kind == "verify" && ev.Data.Reason == "verification_failed" && made[ev.Data.Cluster] != "" && !j.harmed(made[ev.Data.Cluster]):
			j.note("there", ev.Data.Cluster, "verification %s failed, though nobody touched the cluster of job %s: %s", job, made[ev.Data.Cluster], ev.Data.Message)
		}
	}
}

// harmed says that the run killed a process of one of a job's frameworks.
func (j *judge) harmed(job string) bool {
	for framework := range j.s.Harmed {
		if strings.HasPrefix(framework, frameworkIDPrefix+job+"-") {
			return true
		}
	}
	return false
}

// frameworkIDPrefix, a job's ID and a number make a framework's ID.
const frameworkIDPrefix = "clustersmith-"

// destroyedBetween takes the first destroy that can have come between two moments.
func destroyedBetween(destroys []life, used map[string]bool, from, to uint64) bool {
	for _, d := range destroys {
		if !used[d.job] && d.verified > from && d.begun < to {
			used[d.job] = true
			return true
		}
	}
	return false
}

// ownPlan says that the cluster in a verified event was made by that very job: the UID of a plan
// begins with the job's ID.
func ownPlan(ev Event) bool {
	uid := ev.Data.Plan.UID
	return uid == ev.Data.Job || strings.HasPrefix(uid, ev.Data.Job+".")
}

const frameworkPrefix = "clustersmith/"

// samples: Mesos never showed two frameworks of one name at work.
func (j *judge) samples() {
	told := map[string]bool{}
	for _, s := range j.s.Samples {
		at := map[string]string{}
		for _, f := range s.Frameworks {
			if !f.running() {
				continue
			}
			if other, two := at[f.Name]; two && !told[f.Name] {
				told[f.Name] = true
				j.note("one", f.Name, "at %s both %s and %s ran tasks", s.At.Format("15:04:05.000"), other, f.ID)
			}
			at[f.Name] = f.ID
		}
	}
}

func (f Framework) running() bool {
	for _, t := range f.Tasks {
		if t.State == "TASK_RUNNING" {
			return true
		}
	}
	return false
}

// living: every cluster that has a record is there, all of it.
func (j *judge) living() {
	frameworks := map[string]Framework{}
	for _, f := range j.s.Frameworks {
		frameworks[f.ID] = f
	}
	servers := map[string]int{}
	for _, p := range j.s.Processes {
		if p.Server {
			servers[p.Framework]++
		}
	}
	for _, name := range sorted(j.s.Clusters) {
		c := j.s.Clusters[name]
		end, ended := j.end(c.Job)
		switch {
		case c.State != "verified" || c.Plan == nil:
			j.note("gone", name, "the name is blocked: its record is %s, of job %s", c.State, c.Job)
			continue
		case !ended || end.kind() != "verified":
			j.note("there", name, "its record says verified, job %s ended as %q", c.Job, end.kind())
		case end.Data.Report == nil || !end.Data.Report.OK || end.Data.Plan == nil:
			j.note("there", name, "the verified event of job %s has no plan or no good report", c.Job)
		case end.Data.Plan.UID != c.Plan.UID || len(end.Data.Plan.Nodes) != len(c.Plan.Nodes):
			j.note("there", name, "the recorded plan is %s, the one in the verified event %s", c.Plan.UID, end.Data.Plan.UID)
		}
		if j.s.Harmed[c.Framework] {
			continue
		}
		f, there := frameworks[c.Framework]
		if !there {
			j.note("there", name, "Mesos does not know its framework %s", c.Framework)
		} else {
			running := 0
			for _, t := range f.Tasks {
				if t.State == "TASK_RUNNING" {
					running++
				}
			}
			if running != len(c.Plan.Nodes) {
				j.note("there", name, "%d of %d tasks run in Mesos", running, len(c.Plan.Nodes))
			}
		}
		if servers[c.Framework] != len(c.Plan.Nodes) {
			j.note("there", name, "%d redis-servers run instead of %d", servers[c.Framework], len(c.Plan.Nodes))
		}
		for _, n := range c.Plan.Nodes {
			for _, problem := range compare(*c.Plan, n, j.s.Views[n.address()]) {
				j.note("there", name, "node %s: %s", n.address(), problem)
			}
		}
	}
}

// gone: what belongs to no living cluster is not there.
func (j *judge) gone() {
	owned := map[string]string{}
	for name, c := range j.s.Clusters {
		if c.State == "verified" {
			owned[c.Framework] = name
		}
	}
	for _, f := range j.s.Frameworks {
		switch name, kept := owned[f.ID]; {
		case !kept:
			j.note("gone", f.ID, "the framework %s of no living cluster is left, with %d tasks", f.Name, len(f.Tasks))
		case f.Name != frameworkPrefix+name:
			j.note("gone", f.ID, "the framework of %s is named %s", name, f.Name)
		}
	}
	for _, p := range j.s.Processes {
		if owned[p.Framework] == "" {
			j.note("gone", p.Command, "process %d of no living cluster is left (framework %s)", p.PID, p.Framework)
		}
	}
	for _, key := range j.s.Leases {
		j.note("gone", key, "the lease is still held")
	}
}
