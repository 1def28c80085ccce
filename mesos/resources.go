package mesos

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// The resources that nodes take.
const (
	resourceCPUs  = "cpus"
	resourceMem   = "mem"
	resourcePorts = "ports"
)

// milli is a scalar in thousandths, as Mesos itself compares them.
type milli int64

func toMilli(x float64) milli  { return milli(math.Round(x * 1000)) }
func (m milli) float() float64 { return float64(m) / 1000 }

// stock is what one agent offers to one role, taken apart so that it can be handed out:
// every piece keeps its reservation and its allocation.
type stock struct {
	agent  string
	offers []v1.OfferID
	// scalars are pieces by resource name, reserved ones first, so that what only this role
	// can use is used first.
	scalars map[string][]piece
	ports   []piece
}

// piece is one offered resource and what is left of it.
type piece struct {
	from   v1.Resource // the template: name, type, reservations, allocation
	amount milli
	ranges []chunkdist.PortRange
}

// usable says why a resource does not count for a role; "" where it does.
func usable(r v1.Resource, role string) (why string) {
	switch {
	case r.Revocable != nil:
		return "revocable"
	case r.Shared != nil:
		return "shared"
	case r.Disk != nil:
		return "disk"
	case r.ProviderID != nil:
		return "of a resource provider"
	case checkResource(r) != nil:
		return "malformed"
	}
	if holder := reservedTo(r); holder != "" && holder != role && !strings.HasPrefix(role, holder+"/") {
		return "reserved to " + holder
	}
	return ""
}

// reservedTo is the role that a resource is reserved to, or "" where it is not. Reservations
// are a stack whose last entry refines the ones before; masters without refinement say Role.
func reservedTo(r v1.Resource) string {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].GetRole()
	}
	if role := r.GetRole(); r.Role != nil && role != "*" {
		return role
	}
	return ""
}

// add takes the usable resources of an offer of the stock's agent in.
func (s *stock) add(offer v1.Offer, role string) {
	s.offers = append(s.offers, offer.ID)
	for _, r := range offer.Resources {
		if usable(r, role) != "" {
			continue
		}
		if r.AllocationInfo == nil {
			r.AllocationInfo = &v1.Resource_AllocationInfo{Role: &role}
		}
		p := piece{from: r}
		switch r.Name {
		case resourceCPUs, resourceMem:
			if p.amount = toMilli(r.GetScalar().GetValue()); p.amount > 0 {
				s.scalars[r.Name] = append(s.scalars[r.Name], p)
			}
		case resourcePorts:
			for _, span := range r.GetRanges().GetRange() {
				p.ranges = append(p.ranges, chunkdist.PortRange{Begin: int(span.Begin), End: int(span.End)})
			}
			if len(p.ranges) > 0 {
				s.ports = append(s.ports, p)
			}
		}
	}
}

// reservedFirst orders the pieces once all offers are in.
func (s *stock) reservedFirst() {
	for _, pieces := range s.scalars {
		slices.SortStableFunc(pieces, func(a, b piece) int {
			return cmp.Compare(reservationDepth(b.from), reservationDepth(a.from))
		})
	}
}

func reservationDepth(r v1.Resource) int {
	if len(r.Reservations) == 0 && reservedTo(r) != "" {
		return 1
	}
	return len(r.Reservations)
}

func (s *stock) total(name string) milli {
	var sum milli
	for _, p := range s.scalars[name] {
		sum += p.amount
	}
	return sum
}

// portRanges are all offered ports, ascending, adjacent and overlapping ones merged.
func (s *stock) portRanges() []chunkdist.PortRange {
	var all []chunkdist.PortRange
	for _, p := range s.ports {
		all = append(all, p.ranges...)
	}
	slices.SortFunc(all, func(a, b chunkdist.PortRange) int { return cmp.Compare(a.Begin, b.Begin) })
	merged := all[:0]
	for _, r := range all {
		if n := len(merged); n > 0 && r.Begin <= merged[n-1].End+1 {
			merged[n-1].End = max(merged[n-1].End, r.End)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// takeScalar hands out an amount, from as many pieces as it takes.
func (s *stock) takeScalar(name string, amount milli) ([]v1.Resource, error) {
	if have := s.total(name); have < amount {
		return nil, fmt.Errorf("%g %s are needed, %g are left", amount.float(), name, have.float())
	}
	var taken []v1.Resource
	pieces := s.scalars[name]
	for i := range pieces {
		if amount == 0 {
			break
		}
		part := min(amount, pieces[i].amount)
		if part == 0 {
			continue
		}
		pieces[i].amount -= part
		amount -= part
		r := pieces[i].from
		r.Scalar = &v1.Value_Scalar{Value: part.float()}
		taken = append(taken, r)
	}
	return taken, nil
}

// takePorts hands out ports, grouped by the pieces that they come from.
func (s *stock) takePorts(ports ...int) ([]v1.Resource, error) {
	var taken []v1.Resource
	of := map[int]int{} // piece → index in taken
	for _, port := range ports {
		i := slices.IndexFunc(s.ports, func(p piece) bool { return offersPort(p, port) })
		if i < 0 {
			return nil, fmt.Errorf("port %d is not offered", port)
		}
		s.ports[i].ranges = chunkdist.WithoutPort(s.ports[i].ranges, port)
		at, ok := of[i]
		if !ok {
			at = len(taken)
			of[i] = at
			r := s.ports[i].from
			r.Ranges = &v1.Value_Ranges{}
			taken = append(taken, r)
		}
		r := &taken[at].Ranges.Range
		*r = append(*r, v1.Value_Range{Begin: uint64(port), End: uint64(port)})
	}
	for i := range taken {
		slices.SortFunc(taken[i].Ranges.Range, func(a, b v1.Value_Range) int { return cmp.Compare(a.Begin, b.Begin) })
	}
	return taken, nil
}

func offersPort(p piece, port int) bool {
	return slices.ContainsFunc(p.ranges, func(r chunkdist.PortRange) bool { return r.Begin <= port && port <= r.End })
}
