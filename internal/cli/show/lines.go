package show

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// Lines writes one line per event, for logs and pipes.
type Lines struct {
	w     io.Writer
	named bool
}

// NewLines makes a Lines; named puts the cluster and the job before each line, for more than one job.
func NewLines(w io.Writer, named bool) *Lines { return &Lines{w: w, named: named} }

// Event writes the event's line.
func (l *Lines) Event(ev contracts.Event) { fmt.Fprintln(l.w, Line(ev, l.named)) }

// Note writes a sentence of our own.
func (l *Lines) Note(text string) { fmt.Fprintln(l.w, Clean(text)) }

// Close is there because bars need it.
func (l *Lines) Close() {}

// Line is an event as one line:
//
//	0.42s  starting  4/6  4 of 6 nodes are bound.
func Line(ev contracts.Event, named bool) string {
	d := ev.Data
	text := fmt.Sprintf("%9s  %-17s", seconds(time.Duration(d.ElapsedMS)*time.Millisecond), Clean(string(d.Phase)))
	if named {
		text = fmt.Sprintf("%-16s  %.8s", Clean(d.Cluster), Clean(d.Job)) + text
	}
	if d.Attempt > 1 {
		text += fmt.Sprintf("  attempt %d", d.Attempt)
	}
	if d.Total > 0 && d.Done > 0 {
		text += fmt.Sprintf("  %d/%d", d.Done, d.Total)
	}
	if d.Reason != "" {
		text += "  " + Clean(string(d.Reason)) + ":"
	}
	if d.Message != "" {
		text += "  " + Clean(d.Message)
	}
	if r := d.Report; r != nil && d.Message == "" {
		text += fmt.Sprintf("  %d nodes checked", r.Nodes)
	}
	return strings.TrimRight(text, " ")
}
