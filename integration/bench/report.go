package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The generated part of benchmarks.md is between these lines; the rest is written by people.
const (
	beginMark = "<!-- servers: written by make bench -->\n"
	endMark   = "<!-- servers: end -->\n"
)

// writeDocs writes benchmarks.json and .svg into dir and the generated part of its benchmarks.md.
func writeDocs(dir string, r *results) error {
	if err := r.write(filepath.Join(dir, "benchmarks.json")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "benchmarks.svg"), r.plot(), 0o644); err != nil {
		return err
	}
	path := filepath.Join(dir, "benchmarks.md")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text = []byte(beginMark + endMark)
	} else if err != nil {
		return err
	}
	var table bytes.Buffer
	if err := r.writeTable(&table); err != nil {
		return err
	}
	text, err = between(text, table.Bytes())
	if err != nil {
		return fmt.Errorf("bench: %s: %w", path, err)
	}
	return os.WriteFile(path, text, 0o644)
}

// between replaces what is between the marks.
func between(text, generated []byte) ([]byte, error) {
	before, rest, found := bytes.Cut(text, []byte(beginMark))
	_, after, ended := bytes.Cut(rest, []byte(endMark))
	if !found || !ended {
		return nil, fmt.Errorf("the lines %q and %q are not there", beginMark, endMark)
	}
	return slices.Concat(before, []byte(beginMark+"\n"), generated, []byte("\n"+endMark), after), nil
}

// writeTable writes the tables as Markdown.
func (r *results) writeTable(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`, %s, %.0f min; %s; %s. Medians of %d rounds, all columns of a size in turn.\n\n",
		r.Command, r.Begun, r.Minutes, pairs(r.Machine), pairs(r.Versions), r.Rounds)
	b.WriteString("| nodes | floor | clustersmith | clustersmith / floor | redis-cli | redis-cli says OK | redis-cli / clustersmith | naive nodes.conf | refused: floor, clustersmith, redis-cli, naive |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.sizes() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", title(s),
			r.time(s, colFloor), r.time(s, colOurs), r.against(s), r.time(s, colCLI), r.claim(s), r.gain(s), r.time(s, colNaive), r.refused(s))
	}
	fmt.Fprintf(&b, "\n\"> x s\" was not verified by then and given up: at %g × the floor, %g s at most; such a cell is not tried again in later rounds.\n",
		r.Factor, r.Longest)
	b.WriteString("\n| nodes | CPU s: floor | clustersmith: servers | executors | worker | NATS and Mesos | redis-cli | naive | peak MiB: worker | executors | servers | NATS messages | NATS KiB | Mesos KiB |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.sizes() {
		ours := func(value func(run) float64, digits int) string { return r.number(s, colOurs, value, digits) }
		cpuOf := func(group string) string { return ours(func(o run) float64 { return o.CPU[group] }, 2) }
		peakOf := func(group string) string { return ours(func(o run) float64 { return o.PeakMB[group] }, 0) }
		all := func(o run) float64 { return o.cpu() }
		sent := r.sent(s)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", title(s),
			r.number(s, colFloor, all, 1), cpuOf("servers"), cpuOf("executors"), cpuOf("worker"), cpuOf("bench"),
			r.number(s, colCLI, all, 1), r.number(s, colNaive, all, 1), peakOf("worker"), peakOf("executors"), peakOf("servers"), sent)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func title(s size) string {
	if s.Replicas == 0 {
		return fmt.Sprintf("%d masters", s.Masters)
	}
	return fmt.Sprintf("%d (%v)", s.nodes(), s)
}

// pairs writes a map as "name value", by name.
func pairs(m map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+" "+m[k])
	}
	return strings.Join(list, ", ")
}

func (r *results) time(s size, column string) string {
	c := r.cell(s, column)
	if len(c) == 0 {
		return "–"
	}
	seconds, more := c.seconds()
	if more {
		return fmt.Sprintf("> %.0f s", seconds)
	}
	return fmt.Sprintf("%.2f s", seconds)
}

func (r *results) against(s size) string {
	ratio, more, ok := r.ratio(s, colOurs)
	switch {
	case !ok:
		return "–"
	case more:
		return fmt.Sprintf("> %.1f", ratio)
	}
	return fmt.Sprintf("%.3f", ratio)
}

func (r *results) claim(s size) string {
	m, ok := r.cell(s, colCLI).median(func(o run) (float64, bool) { return o.Claim, o.Claim > 0 })
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.1f s", m)
}

func (r *results) gain(s size) string {
	cli, more := r.cell(s, colCLI).seconds()
	ours, failed := r.cell(s, colOurs).seconds()
	switch {
	case cli == 0 || ours == 0 || failed:
		return "–"
	case more:
		return fmt.Sprintf("> %.1f", cli/ours)
	}
	return fmt.Sprintf("%.1f", cli/ours)
}

func (r *results) refused(s size) string {
	var list []string
	for _, column := range allColumns {
		m, ok := r.cell(s, column).median(func(o run) (float64, bool) { return float64(o.Refused), true })
		if !ok {
			list = append(list, "–")
			continue
		}
		list = append(list, counted64(int64(m)))
	}
	return strings.Join(list, ", ")
}

func counted64(n int64) string {
	if n < 0 {
		return "not counted"
	}
	return fmt.Sprint(n)
}

func (r *results) number(s size, column string, value func(run) float64, digits int) string {
	m, ok := r.cell(s, column).median(func(o run) (float64, bool) { return value(o), true })
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, m)
}

func (r *results) sent(s size) string {
	for _, t := range r.Traffic {
		if t.size == s {
			return fmt.Sprintf("%d | %.0f | %.0f", t.NATSMessages, float64(t.NATSBytes)/1024, float64(t.MesosBytes)/1024)
		}
	}
	return "– | – | –"
}
