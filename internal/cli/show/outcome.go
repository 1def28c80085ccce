package show

import (
	"fmt"
	"io"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// maxDifferences bounds the differences that are listed.
const maxDifferences = 20

// Outcome writes a terminal event for a person: what came of the job, its report, where the
// time went, and what to do next.
func Outcome(w io.Writer, ev contracts.Event) {
	d := ev.Data
	elapsed := seconds(time.Duration(d.ElapsedMS) * time.Millisecond)
	switch ev.EventType() {
	case contracts.EventVerified:
		fmt.Fprintf(w, "Cluster %s is verified, %s after the request.\n", Clean(d.Cluster), elapsed)
		note(w, d.Message)
		Report(w, d.Report)
		Timings(w, d.Timings)
		Connect(w, d.Plan)
	case contracts.EventFailed:
		fmt.Fprintf(w, "The job failed after %s: %s\n", elapsed, Clean(string(d.Reason)))
		note(w, d.Message)
		details(w, d.Details)
		note(w, next(d.Reason, d.Cluster))
	case contracts.EventCancelled:
		fmt.Fprintf(w, "The job was cancelled after %s; nothing of it is left.\n", elapsed)
		note(w, d.Message)
	case contracts.EventDestroyed:
		fmt.Fprintf(w, "Cluster %s is destroyed, %s after the request.\n", Clean(d.Cluster), elapsed)
		note(w, d.Message)
	default:
		fmt.Fprintf(w, "The job ended as %s.\n", Clean(string(ev.EventType())))
		note(w, d.Message)
	}
}

func note(w io.Writer, text string) {
	if text != "" {
		fmt.Fprintln(w, Clean(text))
	}
}

// Report writes a verification's report: a table of checks, then the first differences.
func Report(w io.Writer, r *contracts.Report) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\n%d nodes asked, passes: %d\n", r.Nodes, r.Passes)
	var rows [][]string
	for _, c := range r.Checks {
		verdict := "ok"
		if c.Passed < c.Total {
			verdict = fmt.Sprintf("%d FAILED", c.Total-c.Passed)
		}
		rows = append(rows, []string{c.Name, fmt.Sprintf("%d/%d", c.Passed, c.Total), verdict})
	}
	table(w, []string{"CHECK", "PASSED", ""}, rows)
	for _, text := range r.Repaired {
		note(w, "repaired: "+text)
	}
	Differences(w, r.Differences, r.Omitted)
}

// Differences writes the first 20 differences, a line each, and how many more there are.
func Differences(w io.Writer, differences []contracts.Difference, omitted int) {
	if len(differences) == 0 {
		return
	}
	fmt.Fprintln(w, "\nDifferences from the plan:")
	for i, d := range differences {
		if i == maxDifferences {
			omitted += len(differences) - maxDifferences
			break
		}
		fmt.Fprintf(w, "  node %s: expected %s, got %s (%s)\n", Clean(d.Address), Clean(d.Expected), Clean(d.Got), Clean(d.Check))
	}
	if omitted > 0 {
		fmt.Fprintf(w, "  … and %d more\n", omitted)
	}
}

// Timings writes how long the job was in each phase.
func Timings(w io.Writer, timings []contracts.PhaseTiming) {
	if len(timings) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, t := range timings {
		rows = append(rows, []string{string(t.Phase), seconds(time.Duration(t.MS) * time.Millisecond)})
	}
	table(w, []string{"PHASE", "TIME"}, rows)
}

// Connect writes how to reach the cluster.
func Connect(w io.Writer, plan *contracts.Plan) {
	if plan == nil || len(plan.Nodes) == 0 {
		return
	}
	fmt.Fprintf(w, "\nConnect with: redis-cli -c -h %s -p %d\n", Clean(plan.Nodes[0].Host), plan.Nodes[0].Port)
}

func details(w io.Writer, d *contracts.Details) {
	if d == nil {
		return
	}
	Shortages(w, d.Shortages)
	if d.Nearest != "" {
		fmt.Fprintf(w, "\nNearest feasible: %s\n", Clean(d.Nearest))
	}
	if len(d.Tasks) > 0 {
		fmt.Fprintln(w, "\nTasks that failed:")
		for _, t := range d.Tasks {
			fmt.Fprintf(w, "  node %d on %s: %s %s %s\n", t.Node, Clean(t.Host), Clean(t.State), Clean(t.Reason), Clean(t.Message))
			if t.Sandbox != "" {
				fmt.Fprintf(w, "    logs: %s\n", Clean(t.Sandbox))
			}
		}
	}
	if d.Report != nil {
		Report(w, d.Report)
		return
	}
	Differences(w, d.Differences, 0)
}

// Shortages writes what each host was short of.
func Shortages(w io.Writer, shortages []contracts.Shortage) {
	if len(shortages) == 0 {
		return
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, s := range shortages {
		rows = append(rows, []string{s.Host, s.Dimension, number(s.Need), number(s.Have), s.Message})
	}
	table(w, []string{"HOST", "SHORT OF", "NEED", "HAVE", ""}, rows)
}

// next is what to do after a failure.
func next(reason contracts.Reason, cluster string) string {
	switch reason {
	case contracts.ReasonInvalidRequest:
		return "Next: correct that field and publish the request again, with a new id."
	case contracts.ReasonNameConflict:
		return fmt.Sprintf("Next: choose another name, or look at what there is with: clustersmith status %s", cluster)
	case contracts.ReasonInsufficientResources:
		return "Next: ask for less, or add hosts; clustersmith plan -f FILE --mesos URL tries a request without creating anything."
	case contracts.ReasonLaunchFailed, contracts.ReasonStartFailed:
		return "Next: look at the tasks' logs in their sandboxes; nothing of the cluster is left running."
	case contracts.ReasonDeadlineExceeded:
		return fmt.Sprintf("Next: give it more time with a longer deadline, or look at what it waited for with: clustersmith watch %s --replay", cluster)
	case contracts.ReasonVerificationFailed, contracts.ReasonFormingFailed:
		return fmt.Sprintf("Next: look at those nodes; if the cluster exists, ask again with: clustersmith verify %s", cluster)
	}
	return "Next: look at the worker's log."
}
