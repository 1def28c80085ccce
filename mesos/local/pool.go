package local

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// pool is an amount of resources. Scalars count in thousandths, as in Mesos; ranges are
// sorted and merged. A pool is a value: its operations return new ones.
type pool []amount

// amount is one kind of resource. Amounts of one kind (name, reservation, allocation) add up.
type amount struct {
	kind   kind
	milli  int64       // of a scalar
	ranges []portRange // of a range
}

type kind struct {
	name        string
	typ         mesos.Value_Type
	reservation string // the role that it is reserved for; empty: unreserved
	principal   string // who made the reservation; empty: it is static
	allocation  string // the role that it is allocated to; empty: to none
}

type portRange = chunkdist.PortRange

func (a amount) empty() bool { return a.milli == 0 && len(a.ranges) == 0 }

// poolOf reads the resources of an offer or task. The error is Mesos' text for a malformed one.
func poolOf(resources []mesos.Resource) (pool, error) {
	var p pool
	for _, r := range resources {
		a, err := amountOf(r)
		if err != nil {
			return nil, err
		}
		p = p.plus(pool{a})
	}
	return p, nil
}

func amountOf(r mesos.Resource) (amount, error) {
	a := amount{kind: kind{name: r.Name, typ: r.GetType()}}
	if r.AllocationInfo != nil {
		a.kind.allocation = r.AllocationInfo.GetRole()
	}
	switch {
	case len(r.Reservations) > 0:
		last := r.Reservations[len(r.Reservations)-1]
		a.kind.reservation, a.kind.principal = last.GetRole(), last.GetPrincipal()
	case r.Role != nil && *r.Role != "*":
		a.kind.reservation = *r.Role
	}
	invalid := func(value, why string) error {
		return fmt.Errorf("Resource '%s:%s' is invalid: %s", a.kind, value, why)
	}
	switch a.kind.typ {
	case mesos.SCALAR:
		if r.Scalar == nil || r.Ranges != nil || r.Set != nil {
			return amount{}, invalid("", "Invalid scalar resource")
		}
		a.milli = toMilli(r.Scalar.Value)
		if a.milli < 0 {
			return amount{}, invalid(formatMilli(a.milli), "Invalid scalar resource: value < 0")
		}
	case mesos.RANGES:
		if r.Ranges == nil || r.Scalar != nil || r.Set != nil {
			return amount{}, invalid("", "Invalid ranges resource")
		}
		for _, x := range r.Ranges.Range {
			a.ranges = append(a.ranges, portRange{Begin: int(x.Begin), End: int(x.End)})
		}
		given := formatRanges(a.ranges)
		slices.SortFunc(a.ranges, func(x, y portRange) int { return x.Begin - y.Begin })
		for i, x := range a.ranges {
			if x.Begin > x.End {
				return amount{}, invalid(given, "Invalid ranges resource: begin > end")
			}
			if i > 0 && x.Begin <= a.ranges[i-1].End {
				return amount{}, invalid(given, "Invalid ranges resource: overlapping ranges")
			}
		}
		a.ranges = union(nil, a.ranges)
	default:
		return amount{}, invalid("", "Unsupported resource type")
	}
	return a, nil
}

func toMilli(x float64) int64 { return int64(math.Round(x * 1000)) }

// plus is p and q together.
func (p pool) plus(q pool) pool {
	out := slices.Clone(p)
	for _, b := range q {
		if b.empty() {
			continue
		}
		i := slices.IndexFunc(out, func(a amount) bool { return a.kind == b.kind })
		if i < 0 {
			out = append(out, b)
			continue
		}
		out[i].milli += b.milli
		out[i].ranges = union(out[i].ranges, b.ranges)
	}
	return out
}

// minus is p without q. Where q has what p has not, that is ignored.
func (p pool) minus(q pool) pool {
	out := pool{}
	for _, a := range p {
		for _, b := range q {
			if a.kind == b.kind {
				a.milli = max(0, a.milli-b.milli)
				a.ranges = difference(a.ranges, b.ranges)
			}
		}
		if !a.empty() {
			out = append(out, a)
		}
	}
	return out
}

// contains reports whether all of q is in p.
func (p pool) contains(q pool) bool {
	for _, b := range q {
		if b.empty() {
			continue
		}
		i := slices.IndexFunc(p, func(a amount) bool { return a.kind == b.kind })
		if i < 0 || p[i].milli < b.milli || len(difference(b.ranges, p[i].ranges)) > 0 {
			return false
		}
	}
	return true
}

// allocatedTo is p with every amount allocated to a role; the empty role frees it.
func (p pool) allocatedTo(role string) pool {
	var out pool
	for _, a := range p {
		a.kind.allocation = role
		out = out.plus(pool{a})
	}
	return out
}

// forRole is the part of p that a role may be offered: unreserved, or reserved for it.
func (p pool) forRole(role string) pool {
	var out pool
	for _, a := range p {
		if a.kind.reservation == "" || a.kind.reservation == role {
			out = append(out, a)
		}
	}
	return out
}

// milliOf sums a scalar over all reservations and allocations.
func (p pool) milliOf(name string) int64 {
	var n int64
	for _, a := range p {
		if a.kind.name == name {
			n += a.milli
		}
	}
	return n
}

// within is p with no more of each scalar than limit has; one without a limit is whole.
func (p pool) within(limit map[string]int64) pool {
	left := maps.Clone(limit)
	out := slices.Clone(p)
	for i := range out {
		if have, limited := left[out[i].kind.name]; limited {
			out[i].milli = min(out[i].milli, max(0, have))
			left[out[i].kind.name] -= out[i].milli
		}
	}
	return slices.DeleteFunc(out, amount.empty)
}

// offerable reports whether p is worth an offer: Mesos offers no agent that has neither
// 0.01 cpus nor 32 MB free.
func (p pool) offerable() bool { return p.milliOf("cpus") >= 10 || p.milliOf("mem") >= 32000 }

// ranges subtracts b from a; both are sorted and without overlap.
func difference(a, b []portRange) []portRange {
	var out []portRange
	for _, x := range a {
		for _, y := range b {
			if y.End < x.Begin || y.Begin > x.End {
				continue
			}
			if y.Begin > x.Begin {
				out = append(out, portRange{Begin: x.Begin, End: y.Begin - 1})
			}
			x.Begin = y.End + 1
		}
		if x.Begin <= x.End {
			out = append(out, x)
		}
	}
	return out
}

// union merges sorted ranges; adjacent ones become one.
func union(a, b []portRange) []portRange {
	all := append(slices.Clone(a), b...)
	slices.SortFunc(all, func(x, y portRange) int { return x.Begin - y.Begin })
	var out []portRange
	for _, x := range all {
		if n := len(out); n > 0 && x.Begin <= out[n-1].End+1 {
			out[n-1].End = max(out[n-1].End, x.End)
			continue
		}
		out = append(out, x)
	}
	return out
}

// String is the pool as Mesos writes it in messages.
func (p pool) String() string {
	parts := make([]string, len(p))
	for i, a := range p {
		parts[i] = a.kind.String() + ":" + a.value()
	}
	return strings.Join(parts, "; ")
}

func (k kind) String() string {
	s := k.name
	if k.allocation != "" {
		s += "(allocated: " + k.allocation + ")"
	}
	switch {
	case k.principal != "":
		s += "(reservations: [(DYNAMIC," + k.reservation + "," + k.principal + ")])"
	case k.reservation != "":
		s += "(reservations: [(STATIC," + k.reservation + ")])"
	}
	return s
}

func (a amount) value() string {
	if a.kind.typ == mesos.RANGES {
		return formatRanges(a.ranges)
	}
	return formatMilli(a.milli)
}

func formatMilli(n int64) string { return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) }

func formatRanges(ranges []portRange) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = fmt.Sprintf("%d-%d", r.Begin, r.End)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
