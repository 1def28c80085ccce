package verifier

import (
	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
)

// maxDifferences is how many differences a report lists.
const maxDifferences = 20

// result is what the last exchange with a node found.
type result struct {
	// asked: the node was asked; answered: an answer came, good or bad.
	asked, answered bool
	// made and failed are the checks that were made and those among them that failed.
	made, failed checkSet
	differences  []contracts.Difference
	omitted      int
	drift        drift
}

func (r *result) good() bool { return r.asked && r.failed == 0 }

// pass notes that checks were made; they may still fail.
func (r *result) pass(checks checkSet) { r.made |= checks }

// found notes a difference that a check of node i found. Its texts are made only if they
// are going to be listed.
func (v *Verifier) found(r *result, i int, check string, expected, got func() string) {
	r.made |= setOf(check)
	r.failed |= setOf(check)
	if len(r.differences) >= maxDifferences {
		r.omitted++
		return
	}
	r.differences = append(r.differences, contracts.Difference{
		Check: check, Node: i, Address: v.address(i), Expected: expected(), Got: got(),
	})
}

func (v *Verifier) foundText(r *result, i int, check, expected, got string) {
	v.found(r, i, check, func() string { return expected }, func() string { return got })
}

// report sums up the last results, for some checks.
func (v *Verifier) report(wanted checkSet) contracts.Report {
	r := contracts.Report{OK: true, Nodes: len(v.plan.Nodes), Passes: v.passes}
	for i, info := range checks {
		bit := checkSet(1) << i
		if wanted&bit == 0 {
			continue
		}
		c := contracts.Check{Name: info.Name}
		results := v.results
		if bit == writeChecks {
			results = v.writes
		}
		for n := range results {
			if bit == writeChecks && v.plan.Nodes[n].Role != chunkdist.Master {
				continue
			}
			c.Total++
			if results[n].made&^results[n].failed&bit != 0 {
				c.Passed++
			}
		}
		r.OK = r.OK && c.Passed == c.Total
		r.Checks = append(r.Checks, c)
	}
	for i, n := range v.results {
		if !n.asked {
			v.foundText(&n, i, CheckAnswers, "an answer", "none before the time was over")
		}
		list(&r, n)
	}
	if wanted&writeChecks != 0 {
		reached := len(r.Differences) == 0
		for i, n := range v.writes {
			if reached && !n.asked && v.plan.Nodes[i].Role == chunkdist.Master {
				v.foundText(&n, i, CheckWrite, "a write", "none before the time was over")
			}
			list(&r, n)
		}
	}
	return r
}

func (v *Verifier) begin() {
	v.results = make([]result, len(v.plan.Nodes))
	v.writes = make([]result, len(v.plan.Nodes))
	v.epochs = newEpochTable(len(v.plan.Nodes))
	v.passes = 0
}

func (v *Verifier) all() []int {
	nodes := make([]int, len(v.plan.Nodes))
	for i := range nodes {
		nodes[i] = i
	}
	return nodes
}

func (v *Verifier) masters() []int {
	var nodes []int
	for i, n := range v.plan.Nodes {
		if n.Role == chunkdist.Master {
			nodes = append(nodes, i)
		}
	}
	return nodes
}

// bad lists the nodes whose last result is not good; nil is none.
func (v *Verifier) bad() []int {
	var nodes []int
	for i := range v.results {
		if !v.results[i].good() {
			nodes = append(nodes, i)
		}
	}
	return nodes
}

func (v *Verifier) good() int { return len(v.results) - len(v.bad()) }

// list adds a node's differences to the report, as far as there is room.
func list(r *contracts.Report, n result) {
	take := min(len(n.differences), maxDifferences-len(r.Differences))
	r.Differences = append(r.Differences, n.differences[:take]...)
	r.Omitted += len(n.differences) - take + n.omitted
}
