package local

import (
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// total is everything that an agent has.
func (a AgentConfig) total() pool {
	p := reserved("", "", a.CPUs, a.MemMB, a.DiskMB, a.Ports)
	for _, r := range a.Reserved {
		p = p.plus(reserved(r.Role, r.Principal, r.CPUs, r.MemMB, r.DiskMB, r.Ports))
	}
	return p
}

func reserved(role, principal string, cpus, mem, disk float64, ports []portRange) pool {
	scalar := func(name string, x float64) amount {
		return amount{kind: kind{name: name, typ: mesos.SCALAR, reservation: role, principal: principal}, milli: toMilli(x)}
	}
	return pool{}.plus(pool{
		scalar("cpus", cpus), scalar("mem", mem), scalar("disk", disk),
		{kind: kind{name: "ports", typ: mesos.RANGES, reservation: role, principal: principal}, ranges: union(nil, ports)},
	})
}

// offerOrder is the order of the resources in an offer; an agent's own list has ports last.
var offerOrder = []string{"ports", "cpus", "mem", "disk"}

// offered is p as an offer lists it.
func (p pool) offered() pool {
	out := slices.Clone(p)
	slices.SortStableFunc(out, func(a, b amount) int {
		return slices.Index(offerOrder, a.kind.name) - slices.Index(offerOrder, b.kind.name)
	})
	return out
}

// protos is p as messages. refined says how reservations are written: as a list of them
// (RESERVATION_REFINEMENT), or in the old field "role".
func (p pool) protos(refined bool) []mesos.Resource {
	out := make([]mesos.Resource, 0, len(p))
	for _, a := range p {
		typ := a.kind.typ
		r := mesos.Resource{Name: a.kind.name, Type: &typ}
		if typ == mesos.SCALAR {
			r.Scalar = &mesos.Value_Scalar{Value: float64(a.milli) / 1000}
		} else {
			r.Ranges = &mesos.Value_Ranges{}
			for _, x := range a.ranges {
				r.Ranges.Range = append(r.Ranges.Range, mesos.Value_Range{Begin: uint64(x.Begin), End: uint64(x.End)})
			}
		}
		if role := a.kind.allocation; role != "" {
			r.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
		}
		switch role := a.kind.reservation; {
		case role != "" && refined:
			how, principal := mesos.Resource_ReservationInfo_STATIC, a.kind.principal
			info := mesos.Resource_ReservationInfo{Type: &how, Role: &role}
			if principal != "" {
				how, info.Principal = mesos.Resource_ReservationInfo_DYNAMIC, &principal
			}
			r.Reservations = []mesos.Resource_ReservationInfo{info}
		case role != "":
			r.Role = &role
			if principal := a.kind.principal; principal != "" {
				r.Reservation = &mesos.Resource_ReservationInfo{Principal: &principal}
			}
		case !refined:
			star := "*"
			r.Role = &star
		}
		out = append(out, r)
	}
	return out
}

// allocate fills in the allocation role of resources that do not say theirs, as Mesos does
// for tasks and executors.
func allocate(resources []mesos.Resource, role string) {
	for i := range resources {
		if resources[i].AllocationInfo == nil {
			resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
		}
	}
}
