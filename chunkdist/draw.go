package chunkdist

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Bounds of what a drawing shows; the rest is counted.
const (
	maxRows  = 60
	maxNodes = 8
)

// Draw returns a plan as a picture for people: a row for each host with its nodes (M is a
// master, r a replica of the master with that number), the links between hosts, how even it
// all is and what the worst losses take.
func Draw(plan Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s on %s\n\n", plan.Cluster, shardsInWords(plan.Masters, plan.Replicas),
		plural(len(plan.Nodes), "node", "nodes"), plural(len(plan.Hosts), "host", "hosts"))
	drawHosts(&b, plan)
	if plan.Replicas > 0 {
		b.WriteByte('\n')
		drawLinks(&b, plan)
	}
	b.WriteByte('\n')
	drawFigures(&b, plan)
	for _, s := range plan.Relaxed {
		fmt.Fprintf(&b, "relaxed   %s\n", s)
	}
	return b.String()
}

func table(b *strings.Builder) *tabwriter.Writer { return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) }

func drawHosts(b *strings.Builder, plan Plan) {
	at := make(map[string][]string, len(plan.Hosts))
	domains := false
	for _, n := range plan.Nodes {
		name := fmt.Sprintf("M%d:%d", n.Index, n.Port)
		if n.Role == Replica {
			name = fmt.Sprintf("r%d:%d", *n.Master, n.Port)
		}
		at[n.Host] = append(at[n.Host], name)
		domains = domains || n.Domain != n.Host
	}
	w := table(b)
	row := func(host, domain, nodes string) {
		if domains {
			host += "\t" + domain
		}
		fmt.Fprintf(w, "%s\t%s\n", host, nodes)
	}
	row("host", "domain", "nodes (M master, r replica of :port)")
	for i, h := range plan.Hosts {
		if i == maxRows {
			fmt.Fprintf(w, "and %s\n", plural(len(plan.Hosts)-i, "host more", "hosts more"))
			break
		}
		row(h.Host, h.Domain, upTo(maxNodes, at[h.Host], "  "))
	}
	w.Flush()
}

// upTo joins the first n of a list and counts the others.
func upTo(n int, list []string, sep string) string {
	if len(list) <= n {
		return strings.Join(list, sep)
	}
	return fmt.Sprintf("%s%s+%d", strings.Join(list[:n], sep), sep, len(list)-n)
}

// drawLinks draws a row for each two linked hosts: ⇄ is a chunk, → goes from masters to
// their replicas.
func drawLinks(b *strings.Builder, plan Plan) {
	w := table(b)
	links := linksDrawn(plan)
	for i, l := range links {
		if i == maxRows {
			fmt.Fprintf(w, "and %d more\n", len(links)-i)
			break
		}
		arrow, back := "→", ""
		if len(l.back) > 0 {
			arrow, back = "⇄", " | "+upTo(maxNodes, l.back, " ")
		}
		fmt.Fprintf(w, "%s %s %s\t%s%s\n", plan.Hosts[l.from].Host, arrow, plan.Hosts[l.to].Host, upTo(maxNodes, l.there, " "), back)
	}
	w.Flush()
}

func drawFigures(b *strings.Builder, plan Plan) {
	if f := plan.Balance; f != nil {
		fmt.Fprintf(b, "balance   nodes per host %s, masters per host %s", f.Nodes, f.Masters)
		if plan.Replicas > 0 {
			fmt.Fprintf(b, ", links per linked pair of hosts %s", f.Links)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "one host  %s\n", plan.Risk.OneHost.in(plan))
	fmt.Fprintf(b, "two hosts %s\n", plan.Risk.TwoHosts.in(plan))
}

// String writes a spread as 2…3, or 2 where there is none.
func (s Spread) String() string {
	if s.Min == s.Max {
		return fmt.Sprint(s.Min)
	}
	return fmt.Sprintf("%d…%d", s.Min, s.Max)
}

// in says what a loss takes from a plan.
func (l Loss) in(plan Plan) string {
	majority := "majority kept"
	if !l.MajorityKept {
		majority = "majority lost"
	}
	return fmt.Sprintf("at worst %d of %s lost, %s lost, %s (%s)", l.MastersLost, plural(plan.Masters, "master", "masters"),
		plural(l.ShardsLost, "shard", "shards"), majority, strings.Join(l.Hosts, ", "))
}

// DrawInfeasible returns an Infeasible as a table for people: why, what would be possible,
// and a row for everything that a host was short of.
func DrawInfeasible(e *Infeasible) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: no plan for %s on %s\n\n", e.Cluster, e.Request, plural(e.Hosts, "host", "hosts"))
	fmt.Fprintf(&b, "because   %s\n", e.reason())
	if e.Nearest != "" {
		fmt.Fprintf(&b, "possible  %s\n", e.Nearest)
	}
	if len(e.Shortages) == 0 {
		return b.String()
	}
	b.WriteByte('\n')
	w := table(&b)
	fmt.Fprintf(w, "host\tshort of\tneed\thave\n")
	for i, s := range e.Shortages {
		if i == maxRows {
			fmt.Fprintf(w, "and %d more\n", len(e.Shortages)-i)
			break
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Host, s.Dimension, number3(s.Need), number3(s.Have), s.Message)
	}
	w.Flush()
	return b.String()
}
