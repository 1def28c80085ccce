package local

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// pools draws a pool of cpus, mem and ports, with and without a reservation.
func pools(t *rapid.T, label string) pool {
	var p pool
	for _, role := range []string{"", "golden"} {
		var ports []portRange
		for _, port := range rapid.SliceOfDistinct(rapid.IntRange(1, 40), rapid.ID).Draw(t, label+" ports") {
			ports = append(ports, portRange{Begin: port, End: port})
		}
		p = p.plus(reserved(role, "", float64(rapid.IntRange(0, 50).Draw(t, label+" cpus"))/10, float64(rapid.IntRange(0, 9).Draw(t, label+" mem")), 0, union(nil, ports)))
	}
	return p
}

func same(p, q pool) bool { return p.contains(q) && q.contains(p) }

// What is taken from a pool and put back makes the same pool; what is contained can be taken.
func TestPoolArithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := pools(t, "p"), pools(t, "q")
		whole := p
		for _, a := range q { // make q's ports disjoint from p's, so that the sum has them all
			a.ranges = difference(a.ranges, p.rangesOf(a.kind))
			whole = whole.plus(pool{a})
		}
		rest := whole.minus(p)
		if !same(rest.plus(p), whole) {
			t.Fatalf("%v minus %v plus the same is %v", whole, p, rest.plus(p))
		}
		if !whole.contains(p) || !p.contains(nil) || !p.contains(p) {
			t.Fatalf("%v does not contain %v", whole, p)
		}
		if len(whole.minus(whole)) != 0 {
			t.Fatalf("%v minus itself is %v", whole, whole.minus(whole))
		}
		back, err := poolOf(p.protos(true))
		if err != nil || !same(back, p) {
			t.Fatalf("%v through messages is %v (%v)", p, back, err)
		}
		if !same(p.allocatedTo("x").allocatedTo(""), p) || !same(p.offered(), p) {
			t.Fatalf("%v is changed by allocation or order", p)
		}
	})
}

func (p pool) rangesOf(k kind) []portRange {
	for _, a := range p {
		if a.kind == k {
			return a.ranges
		}
	}
	return nil
}

// Ranges are compared with sets of numbers.
func TestRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) ([]portRange, map[int]bool) {
			set := map[int]bool{}
			var out []portRange
			for _, n := range rapid.SliceOf(rapid.IntRange(0, 30)).Draw(t, label) {
				set[n] = true
				out = union(out, []portRange{{Begin: n, End: n}})
			}
			return out, set
		}
		a, inA := draw("a")
		b, inB := draw("b")
		for _, c := range []struct {
			got  []portRange
			want func(n int) bool
		}{
			{union(a, b), func(n int) bool { return inA[n] || inB[n] }},
			{difference(a, b), func(n int) bool { return inA[n] && !inB[n] }},
		} {
			for i, r := range c.got {
				if r.Begin > r.End || i > 0 && r.Begin <= c.got[i-1].End+1 {
					t.Fatalf("%v is not sorted and merged", c.got)
				}
			}
			for n := range 31 {
				in := slices.ContainsFunc(c.got, func(r portRange) bool { return r.Begin <= n && n <= r.End })
				if in != c.want(n) {
					t.Fatalf("%v and %v: %d in %v is %v", a, b, n, c.got, in)
				}
			}
		}
	})
}

// The texts are those of Mesos.
func TestPoolText(t *testing.T) {
	t.Parallel()
	p := reserved("", "", 7.9, 8160, 0, []portRange{{Begin: 31000, End: 31002}, {Begin: 31005, End: 31005}}).allocatedTo("golden")
	const want = "cpus(allocated: golden):7.9; mem(allocated: golden):8160; ports(allocated: golden):[31000-31002, 31005-31005]"
	if got := p.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
