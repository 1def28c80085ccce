package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Columns, in the order of a turn.
const (
	colFloor   = "floor"
	colOurs    = "clustersmith"
	colCLI     = "redis-cli"
	colNaive   = "naive"
	notCounted = -1
)

var allColumns = []string{colFloor, colOurs, colCLI, colNaive}

// size is a cluster's size.
type size struct {
	Masters  int `json:"masters"`
	Replicas int `json:"replicas"` // of each master
}

func (s size) nodes() int { return s.Masters * (1 + s.Replicas) }

func (s size) String() string { return fmt.Sprintf("%d×%d", s.Masters, s.Replicas) }

// run is one cell in one round.
type run struct {
	size
	Column string `json:"column"`
	Round  int    `json:"round"`
	// Seconds from the start of the first server, or the publishing, until verified; where GaveUp is
	// set, the bound at which it was not.
	Seconds float64 `json:"seconds"`
	GaveUp  bool    `json:"gave_up,omitempty"`
	// Why says what was missing when it was given up, or why it failed before.
	Why string `json:"why,omitempty"`
	// Claim is when redis-cli said OK itself, 0 where it did not.
	Claim float64 `json:"claim_seconds,omitempty"`
	// Phases are when a job's phases were told of.
	Phases map[string]float64 `json:"phases,omitempty"`
	// Refused connection attempts until verified; -1 is not counted.
	Refused int64 `json:"refused"`
	usage
}

// traffic is what one create of a size sends, counted in a create of its own that is not timed.
type traffic struct {
	size
	NATSMessages int64 `json:"nats_messages"`
	NATSBytes    int64 `json:"nats_bytes"`  // payloads, in and out of the server
	MesosBytes   int64 `json:"mesos_bytes"` // between worker and master, both ways
}

// results is a whole benchmark.
type results struct {
	Command  string            `json:"command"`
	Begun    string            `json:"begun"`
	Minutes  float64           `json:"minutes"`
	Machine  map[string]string `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Factor   float64           `json:"give_up_factor"`
	Longest  float64           `json:"give_up_seconds"`
	Runs     []run             `json:"runs"`
	Traffic  []traffic         `json:"traffic"`
}

// sizes lists the sizes of the runs: those with replicas first, then by nodes.
func (r *results) sizes() (list []size) {
	for _, one := range r.Runs {
		if !slices.Contains(list, one.size) {
			list = append(list, one.size)
		}
	}
	slices.SortFunc(list, func(a, b size) int {
		if (a.Replicas == 0) != (b.Replicas == 0) {
			return b.Replicas - a.Replicas
		}
		return a.nodes() - b.nodes()
	})
	return list
}

// cell is the runs of one size and column.
type cell []run

func (r *results) cell(s size, column string) (c cell) {
	for _, one := range r.Runs {
		if one.size == s && one.Column == column {
			c = append(c, one)
		}
	}
	return c
}

// seconds is the median time; more says that it is a bound: the median run was given up.
func (c cell) seconds() (seconds float64, more bool) {
	if len(c) == 0 {
		return 0, false
	}
	sorted := slices.SortedFunc(slices.Values(c), func(a, b run) int {
		switch {
		case a.GaveUp != b.GaveUp && a.GaveUp:
			return 1
		case a.GaveUp != b.GaveUp:
			return -1
		case a.Seconds < b.Seconds:
			return -1
		case a.Seconds > b.Seconds:
			return 1
		}
		return 0
	})
	mid := sorted[len(sorted)/2]
	return mid.Seconds, mid.GaveUp
}

// median of what value says about the runs for which it says something.
func (c cell) median(value func(run) (float64, bool)) (m float64, ok bool) {
	var all []float64
	for _, one := range c {
		if v, is := value(one); is {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return all[len(all)/2], true
}

// ratio is the median, over the rounds, of a column's time to the floor's of the same round.
func (r *results) ratio(s size, column string) (ratio float64, more, ok bool) {
	floors := map[int]float64{}
	for _, one := range r.cell(s, colFloor) {
		if !one.GaveUp {
			floors[one.Round] = one.Seconds
		}
	}
	c := r.cell(s, column)
	ratio, ok = c.median(func(one run) (float64, bool) {
		f, has := floors[one.Round]
		return one.Seconds / f, has && f > 0
	})
	_, more = c.seconds()
	return ratio, more, ok
}

func readResults(path string) (*results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	r := new(results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("bench: %s: %w", path, err)
	}
	return r, nil
}

func (r *results) write(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
