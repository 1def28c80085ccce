package contracts

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// WithDefaults returns a copy in canonical form: every optional field that is zero has its
// default, the ID is in lower case, addresses are written as netip writes them. The copy
// shares nothing with r.
func (r CreateRequest) WithDefaults() CreateRequest {
	r.ID = strings.ToLower(r.ID)
	r.Redis.Flavor = cmp.Or(r.Redis.Flavor, Flavors[0])
	r.Redis.Version = cmp.Or(r.Redis.Version, DefaultVersion)
	r.Redis.Persistence = cmp.Or(r.Redis.Persistence, Persistences[0])
	r.Redis.Config = maps.Clone(r.Redis.Config)
	p := &r.Placement
	p.Role = cmp.Or(p.Role, DefaultRole)
	p.FaultDomain = cmp.Or(p.FaultDomain, DefaultFaultDomain)
	p.FaultDomainRule = cmp.Or(p.FaultDomainRule, FaultDomainRules[0])
	p.Link = cmp.Or(p.Link, Links[0])
	p.ExcludeHosts = slices.Clone(p.ExcludeHosts)
	for i, host := range p.ExcludeHosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			p.ExcludeHosts[i] = ip.Unmap().String()
		}
	}
	r.Deadline = cmp.Or(r.Deadline, Duration(DefaultDeadline))
	return r
}

// WithDefaults returns a copy in canonical form.
func (r DestroyRequest) WithDefaults() DestroyRequest {
	r.ID = strings.ToLower(r.ID)
	r.Deadline = cmp.Or(r.Deadline, Duration(DefaultDeadline))
	return r
}

// WithDefaults returns a copy in canonical form.
func (r VerifyRequest) WithDefaults() VerifyRequest {
	r.ID = strings.ToLower(r.ID)
	r.Deadline = cmp.Or(r.Deadline, Duration(DefaultDeadline))
	return r
}

// SameSpec reports whether two create requests ask for the same cluster: everything but the
// ID and the deadline is the same, defaults filled in; the order of excluded hosts says nothing.
func SameSpec(a, b CreateRequest) bool {
	a, b = a.WithDefaults(), b.WithDefaults()
	return a.Cluster == b.Cluster && a.Masters == b.Masters && a.Replicas == b.Replicas && a.Node == b.Node &&
		a.Redis.same(b.Redis) && a.Placement.same(b.Placement)
}

func (o RedisOptions) same(p RedisOptions) bool {
	return o.Flavor == p.Flavor && o.Version == p.Version && o.Persistence == p.Persistence && o.Image == p.Image && maps.Equal(o.Config, p.Config)
}

func (p Placement) same(q Placement) bool {
	return p.Role == q.Role && p.FaultDomain == q.FaultDomain && p.FaultDomainRule == q.FaultDomainRule &&
		p.Link == q.Link && p.MaxNodesPerHost == q.MaxNodesPerHost && slices.Equal(set(p.ExcludeHosts), set(q.ExcludeHosts))
}

func set(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
