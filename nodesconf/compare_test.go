package nodesconf_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// view is what node self prints once everything is as planned.
func view(t testing.TB, plan chunkdist.Plan, self int) []byte {
	t.Helper()
	b, err := lookup(t, "redis 7.0").NodesConf(plan, self)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:bytes.Index(b, []byte("vars "))]
	return bytes.ReplaceAll(b, []byte(" 0 0 "), []byte(" 0 1426238317239 "))
}

func layout(t testing.TB, plan chunkdist.Plan) *nodesconf.Layout {
	t.Helper()
	l, err := nodesconf.NewLayout(plan)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRoundTrip: what each dialect renders is read back as the plan. That no link has been up
// yet is the one thing that a fresh nodes.conf says otherwise.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, name := range nodesconf.Known() {
		for _, plan := range []chunkdist.Plan{ring(3, 1, 3), ring(5, 0, 5), ring(4, 2, 6), ring(129, 1, 9)} {
			l := layout(t, plan)
			c := l.Comparer()
			for self := range plan.Nodes {
				file, err := lookup(t, name).NodesConf(plan, self)
				if err != nil {
					t.Fatal(err)
				}
				links := 0
				c.Compare(file, self, func(d nodesconf.Difference) bool {
					if d.Kind == nodesconf.Link {
						links++
					} else {
						t.Errorf("%s: %s: expected %s, got %s", name, d.Kind, d.Expected(), d.Got())
					}
					return true
				})
				if links != len(plan.Nodes)-1 {
					t.Errorf("%s: %d links", name, links)
				}
				if !bytes.HasSuffix(file, []byte(fmt.Sprintf("\nvars currentEpoch %d lastVoteEpoch 0\n", plan.Masters))) {
					t.Errorf("%s: the file ends with %q", name, file[len(file)-40:])
				}
			}
		}
	}
}

// TestCompare changes a good view in one way at a time.
func TestCompare(t *testing.T) {
	t.Parallel()
	plan := ring(3, 1, 3)
	l := layout(t, plan)
	id := func(i int) string { return plan.Nodes[i].ID }
	line := func(v string, i int) string {
		for s := range strings.Lines(v) {
			if strings.HasPrefix(s, id(i)) {
				return s
			}
		}
		t.Fatal("no such line")
		return ""
	}
	inLine := func(i int, old, new string) func(string) string {
		return func(v string) string {
			s := line(v, i)
			if !strings.Contains(s, old) {
				t.Fatalf("%q is not in %q", old, s)
			}
			return strings.Replace(v, s, strings.Replace(s, old, new, 1), 1)
		}
	}
	for _, c := range []struct {
		name          string
		change        func(v string) string
		want          []nodesconf.Kind
		node          int
		expected, got string
	}{
		{name: "nothing", change: func(v string) string { return v }},
		{name: "order and blank lines", change: func(v string) string {
			lines := strings.Split(v, "\n")
			slices.Reverse(lines)
			return strings.Join(lines, "\r\n")
		}},
		{name: "hostname", change: inLine(1, "@30001", "@30001,some.host")},
		{name: "slots written otherwise", change: inLine(0, "0-5460", "3-5460 0 1-2")},
		{name: "replica with its master's epoch", change: inLine(3, " 0 connected", " 1 connected")},
		{name: "nofailover", change: inLine(3, "slave", "slave,nofailover")},
		{
			name: "another's view", change: func(string) string { return string(view(t, plan, 2)) },
			want: []nodesconf.Kind{nodesconf.Identity}, node: 2, expected: "the planned node", got: "node 2",
		},
		{
			name: "a stranger's view", change: func(string) string { return idA + " 10.0.0.2:20001@30001 myself,master - 0 0 1 connected\n" },
			want: []nodesconf.Kind{nodesconf.Identity}, node: -1, expected: "the planned node", got: "a node that is not in the plan",
		},
		{name: "empty", change: func(string) string { return "" }, want: []nodesconf.Kind{nodesconf.Identity}, node: -1, expected: "the planned node", got: "not in the plan"},
		{
			name: "garbage", change: func(v string) string { return v + "-ERR what\n" },
			want: []nodesconf.Kind{nodesconf.Unreadable}, node: -1, expected: "a node's line", got: "-ERR what",
		},
		{
			name: "unplanned node", change: func(v string) string { return v + idA + " 10.0.0.9:1@2 handshake - 0 0 0 connected\n" },
			want: []nodesconf.Kind{nodesconf.Unplanned}, node: -1, expected: "only planned nodes", got: idA + " at 10.0.0.9:1@2 (handshake)",
		},
		{
			name: "missing", change: func(v string) string { return strings.Replace(v, line(v, 4), "", 1) },
			want: []nodesconf.Kind{nodesconf.Missing}, node: 4, expected: "node 4 once", got: "not known",
		},
		{
			name: "twice", change: func(v string) string { return v + line(v, 4) },
			want: []nodesconf.Kind{nodesconf.Missing}, node: 4, expected: "node 4 once", got: "two lines",
		},
		{
			name: "ip", change: inLine(4, "10.0.0.3", "10.0.0.33"),
			want: []nodesconf.Kind{nodesconf.Address}, node: 4, expected: "node 4 at 10.0.0.3:20004@30004", got: "10.0.0.33:20004@30004",
		},
		{name: "port", change: inLine(4, "20004", "2000"), want: []nodesconf.Kind{nodesconf.Address}, node: 4, expected: "node 4", got: ":2000@"},
		{name: "bus port", change: inLine(4, "@30004", "@3"), want: []nodesconf.Kind{nodesconf.Address}, node: 4, expected: "node 4", got: "@3"},
		{
			name: "role", change: inLine(3, "slave "+id(0), "master -"),
			want: []nodesconf.Kind{nodesconf.Role}, node: 3, expected: "node 3 replica of node 0", got: "master",
		},
		{
			name: "master", change: inLine(3, id(0), id(1)),
			want: []nodesconf.Kind{nodesconf.Role}, node: 3, expected: "node 3 replica of node 0", got: "replica of node 1",
		},
		{
			name: "unplanned master", change: inLine(3, id(0), idA),
			want: []nodesconf.Kind{nodesconf.Role}, node: 3, expected: "node 3 replica of node 0", got: "replica of " + idA,
		},
		{
			name: "no role", change: inLine(3, "slave", "noflags"),
			want: []nodesconf.Kind{nodesconf.Role}, node: 3, expected: "node 3 replica of node 0", got: "neither master nor replica",
		},
		{
			name: "slots", change: inLine(0, "0-5460", "0-5459"),
			want: []nodesconf.Kind{nodesconf.SlotSet}, node: 0, expected: "node 0 slots 0-5460", got: "0-5459",
		},
		{name: "one slot more", change: inLine(0, "0-5460", "0-5461"), want: []nodesconf.Kind{nodesconf.SlotSet}, node: 0, expected: "0-5460", got: "0-5461"},
		{name: "no slots", change: inLine(0, " 0-5460", ""), want: []nodesconf.Kind{nodesconf.SlotSet}, node: 0, expected: "0-5460", got: "none"},
		{
			name: "slot on the move", change: inLine(0, "0-5460", "0-5460 [7->-"+id(1)+"]"),
			want: []nodesconf.Kind{nodesconf.SlotSet}, node: 0, expected: "0-5460", got: "[7->-",
		},
		{name: "slots of a replica", change: inLine(5, "connected", "connected 5"), want: []nodesconf.Kind{nodesconf.SlotSet}, node: 5, expected: "slots none", got: "5"},
		{
			name: "epoch", change: inLine(2, " 3 connected", " 4 connected"),
			want: []nodesconf.Kind{nodesconf.Epoch}, node: 2, expected: "node 2 config epoch 3", got: "4",
		},
		{
			name: "replica's epoch", change: inLine(3, " 0 connected", " 2 connected"),
			want: []nodesconf.Kind{nodesconf.Epoch}, node: 3, expected: "node 3 config epoch 0 or 1", got: "2",
		},
		{name: "fail?", change: inLine(2, "master", "master,fail?"), want: []nodesconf.Kind{nodesconf.Flag}, node: 2, expected: "node 2 without", got: "master,fail?"},
		{name: "fail", change: inLine(2, "master", "master,fail"), want: []nodesconf.Kind{nodesconf.Flag}, node: 2, expected: "node 2 without", got: "master,fail"},
		{name: "handshake", change: inLine(2, "master", "master,handshake"), want: []nodesconf.Kind{nodesconf.Flag}, node: 2, expected: "node 2 without", got: "handshake"},
		{
			name: "noaddr", change: inLine(2, "10.0.0.3:20002@30002 master", ":0@0 master,noaddr"),
			want: []nodesconf.Kind{nodesconf.Flag}, node: 2, expected: "node 2 without", got: "noaddr",
		},
		{name: "disconnected", change: inLine(2, "connected", "disconnected"), want: []nodesconf.Kind{nodesconf.Link}, node: 2, expected: "node 2 connected", got: "disconnected"},
		{name: "no pong", change: inLine(2, " 1426238317239 ", " 0 "), want: []nodesconf.Kind{nodesconf.Link}, node: 2, expected: "node 2 connected", got: "no pong"},
	} {
		var kinds []nodesconf.Kind
		v := c.change(string(view(t, plan, 1)))
		l.Comparer().Compare([]byte(v), 1, func(d nodesconf.Difference) bool {
			kinds = append(kinds, d.Kind)
			if d.Node != c.node || !strings.Contains(d.Expected(), c.expected) || !strings.Contains(d.Got(), c.got) {
				t.Errorf("%s: node %d: expected %q, got %q", c.name, d.Node, d.Expected(), d.Got())
			}
			return true
		})
		if !slices.Equal(kinds, c.want) {
			t.Errorf("%s: %v, expected %v", c.name, kinds, c.want)
		}
	}
}

// TestCompareStops: a false ends the comparison.
func TestCompareStops(t *testing.T) {
	t.Parallel()
	plan := ring(3, 1, 3)
	v := bytes.ReplaceAll(view(t, plan, 1), []byte(" connected"), []byte(" disconnected"))
	for most := 1; most <= 5; most++ {
		calls := 0
		layout(t, plan).Comparer().Compare(v, 1, func(nodesconf.Difference) bool {
			calls++
			return calls < most
		})
		if calls != most {
			t.Errorf("%d calls, not %d", calls, most)
		}
	}
}

func TestCompareAllocatesNothing(t *testing.T) {
	plan := ring(50, 1, 10)
	v := view(t, plan, 7)
	c := layout(t, plan).Comparer()
	if n := testing.AllocsPerRun(20, func() {
		c.Compare(v, 7, func(d nodesconf.Difference) bool {
			t.Errorf("%s: %s", d.Kind, d.Got())
			return true
		})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzCompare: any view is compared without a panic, and one that has no difference says of every
// node what the plan says.
func FuzzCompare(f *testing.F) {
	plan := ring(3, 1, 3)
	good := view(f, plan, 1)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("0-5460"), []byte("5460 0-5459 [7->-"+idA+"]"), 1))
	f.Add(append(bytes.Clone(good), idA+" :0@0 master,noaddr - 0 0 0 disconnected\n"...))
	l := layout(f, plan)
	f.Fuzz(func(t *testing.T, v []byte) {
		clean := true
		l.Comparer().Compare(v, 1, func(d nodesconf.Difference) bool {
			clean = false
			if d.Expected() == "" || d.Got() == "" || strings.Contains(d.Kind.String(), "Kind(") {
				t.Errorf("a difference without a text: %+v", d)
			}
			return true
		})
		if !clean {
			return
		}
		for _, n := range plan.Nodes {
			if !bytes.Contains(v, []byte(n.ID)) || !bytes.Contains(v, fmt.Appendf(nil, " %s:%d@%d", n.Host, n.Port, n.BusPort)) {
				t.Errorf("node %d is not in a view without a difference: %q", n.Index, v)
			}
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	for _, nodes := range []int{100, 2000} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			plan := ring(nodes/2, 1, 50)
			v := view(b, plan, 0)
			c := layout(b, plan).Comparer()
			b.SetBytes(int64(len(v)))
			b.ReportAllocs()
			for b.Loop() {
				c.Compare(v, 0, func(d nodesconf.Difference) bool {
					b.Fatalf("%s: %s", d.Kind, d.Got())
					return false
				})
			}
		})
	}
}

func BenchmarkNodesConf(b *testing.B) {
	plan := ring(1000, 1, 50)
	r, err := lookup(b, "redis 7.2").Renderer(plan)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for b.Loop() {
		if buf, err = r.AppendNodesConf(buf[:0], 5); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(buf)))
	}
}
