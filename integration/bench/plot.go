package main

import (
	"bytes"
	"fmt"
	"math"
)

// Where the plot's axes are, in pixels, and what they span.
const (
	plotLeft, plotTop, plotRight, plotBottom = 70.0, 50.0, 600.0, 430.0
	leastNodes, mostNodes                    = 5.0, 400.0
	leastSeconds, mostSeconds                = 1.0, 400.0
)

var colours = map[string]string{colFloor: "#666666", colOurs: "#0b6e4f", colCLI: "#c8102e", colNaive: "#d98200"}

// scale maps a value on a logarithmic axis.
func scale(v, least, most, from, to float64) float64 {
	return from + (to-from)*(math.Log(v)-math.Log(least))/(math.Log(most)-math.Log(least))
}

func x(nodes float64) float64 { return scale(nodes, leastNodes, mostNodes, plotLeft, plotRight) }
func y(s float64) float64     { return scale(s, leastSeconds, mostSeconds, plotBottom, plotTop) }

// plot draws seconds against nodes, both logarithmic, as SVG: a line per column for the sizes with
// replicas, hollow marks for masters alone, an arrow up for what was given up.
func (r *results) plot() []byte {
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 490" font-family="sans-serif" font-size="13">` + "\n")
	b.WriteString(`<rect width="780" height="490" fill="#ffffff"/>` + "\n")
	fmt.Fprintf(&b, `<text x="%g" y="28" font-size="16">Seconds until every node is verified</text>`+"\n", plotLeft)
	for _, n := range []float64{6, 10, 30, 60, 120, 150, 300} {
		if n != 10 {
			fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%g</text>`+"\n", x(n), plotBottom+20, n)
		}
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%g" x2="%.1f" y2="%g" stroke="#e4e4e4"/>`+"\n", x(n), plotTop, x(n), plotBottom)
	}
	for _, s := range []float64{1, 2, 5, 10, 20, 50, 100, 200} {
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%g s</text>`+"\n", plotLeft-8, y(s)+4, s)
		fmt.Fprintf(&b, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" stroke="#e4e4e4"/>`+"\n", plotLeft, y(s), plotRight, y(s))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">nodes (both axes are logarithmic)</text>`+"\n", (plotLeft+plotRight)/2, plotBottom+42)
	for i, column := range allColumns {
		r.plotColumn(&b, column)
		at := plotTop + 20 + 24*float64(i)
		fmt.Fprintf(&b, `<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="2.5"/>`+"\n", plotRight+14, at, plotRight+40, at, colours[column])
		fmt.Fprintf(&b, `<text x="%g" y="%g">%s</text>`+"\n", plotRight+48, at+4, legend(column))
	}
	notes := []string{"line: half of them replicas", "hollow: masters alone", "arrow: given up there"}
	for i, text := range notes {
		fmt.Fprintf(&b, `<text x="%g" y="%g" font-size="11" fill="#555555">%s</text>`+"\n", plotRight+14, plotTop+130+18*float64(i), text)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func legend(column string) string {
	switch column {
	case colOurs:
		return "Clustersmith"
	case colNaive:
		return "naive nodes.conf"
	}
	return column
}

func (r *results) plotColumn(b *bytes.Buffer, column string) {
	colour, line := colours[column], ""
	for _, s := range r.sizes() {
		c := r.cell(s, column)
		if len(c) == 0 {
			continue
		}
		seconds, more := c.seconds()
		if seconds <= 0 {
			continue
		}
		px, py := x(float64(s.nodes())), y(min(max(seconds, leastSeconds), mostSeconds))
		fill := colour
		if s.Replicas == 0 {
			fill = "#ffffff"
		} else {
			line += fmt.Sprintf(" %.1f,%.1f", px, py)
		}
		if more {
			fmt.Fprintf(b, `<path d="M%.1f %.1fl-6 8h12z" fill="%s" stroke="%s" stroke-width="1.5"/>`+"\n", px, py-8, fill, colour)
		} else {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="%s" stroke-width="1.5"/>`+"\n", px, py, fill, colour)
		}
	}
	if line != "" {
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", line[1:], colour)
	}
}
