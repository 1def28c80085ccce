package mesos

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Query says what of the offers counts.
type Query struct {
	// Role is the role that the resources are for. Empty means "*".
	Role string
	// FaultDomain is "host" (also when empty), "zone", "region" or "attribute:NAME".
	FaultDomain string
	// DomainOptional lets agents that have no such domain be used: each host is then its own.
	DomainOptional bool
}

// Unusable is an agent that no node can be put on, and why.
type Unusable struct {
	Agent string `json:"agent"`
	// Host is the agent's IP address where that is known, else its hostname.
	Host   string `json:"host"`
	Reason string `json:"reason"`
}

func (u Unusable) String() string {
	return fmt.Sprintf("agent %s on %s: %s", u.Agent, u.Host, u.Reason)
}

// HostsOf is what a planner sees of offers: one Host per IP address, sorted by address, with
// its agents sorted by ID. Several offers of one agent are one. Only what the role may use
// counts: neither resources reserved to other roles nor revocable, shared or disk ones. Agents
// that cannot be used, those for which maintenance is planned included, are listed with the
// reason. The error is about the query. Offers are not changed, and their order does not matter.
func HostsOf(offers []v1.Offer, q Query) ([]chunkdist.Host, []Unusable, error) {
	q.Role = cmp.Or(q.Role, "*")
	domainOf, err := domainFunc(q.FaultDomain)
	if err != nil {
		return nil, nil, err
	}
	byIP := map[netip.Addr]*chunkdist.Host{}
	var unusable []Unusable
	for _, group := range byAgent(offers) {
		s, domain, err := offered(group, q, domainOf)
		ip := hostIP(group[0])
		if err == nil && !ip.IsValid() {
			err = errors.New("neither its URL nor its hostname has a usable IP address")
		}
		if h := byIP[ip]; err == nil && h != nil && h.Domain != domain {
			err = fmt.Errorf("fault domain %q, but another agent of this host is in %q", domain, h.Domain)
		}
		if err != nil {
			name := group[0].Hostname
			if ip.IsValid() {
				name = ip.String()
			}
			unusable = append(unusable, Unusable{Agent: group[0].AgentID.Value, Host: name, Reason: err.Error()})
			continue
		}
		h := byIP[ip]
		if h == nil {
			h = &chunkdist.Host{Name: ip.String(), Domain: domain}
			byIP[ip] = h
		}
		h.Agents = append(h.Agents, chunkdist.Agent{
			ID: s.agent, CPUs: s.total(resourceCPUs).float(), MemoryMB: s.total(resourceMem).float(), Ports: s.portRanges(),
		})
	}
	hosts := make([]chunkdist.Host, 0, len(byIP))
	for _, ip := range slices.SortedFunc(maps.Keys(byIP), netip.Addr.Compare) {
		hosts = append(hosts, *byIP[ip])
	}
	return hosts, unusable, nil
}

// byAgent groups offers by agent; agents and the offers of each are sorted by ID.
func byAgent(offers []v1.Offer) [][]v1.Offer {
	groupOf := map[string][]v1.Offer{}
	for _, o := range offers {
		groupOf[o.AgentID.Value] = append(groupOf[o.AgentID.Value], o)
	}
	groups := make([][]v1.Offer, 0, len(groupOf))
	for _, agent := range slices.Sorted(maps.Keys(groupOf)) {
		group := groupOf[agent]
		slices.SortStableFunc(group, func(a, b v1.Offer) int { return cmp.Compare(a.ID.Value, b.ID.Value) })
		groups = append(groups, group)
	}
	return groups
}

// offered is what the offers of one agent come to, and the agent's fault domain.
func offered(group []v1.Offer, q Query, domainOf func(v1.Offer) (string, error)) (*stock, string, error) {
	for _, o := range group {
		if o.Unavailability != nil {
			return nil, "", errors.New("maintenance is planned")
		}
	}
	s := stockOf(group, q.Role)
	if len(s.offers) == 0 {
		return nil, "", fmt.Errorf("offered to role %q, not to %q", group[0].GetAllocationInfo().GetRole(), q.Role)
	}
	if len(s.scalars) == 0 && len(s.ports) == 0 {
		return nil, "", fmt.Errorf("nothing that role %q may use: %s", q.Role, refusedResources(group, q.Role))
	}
	domain, err := domainOf(group[0])
	if err != nil && q.DomainOptional {
		return s, "", nil
	}
	return s, domain, err
}

// stockOf gathers the offers of one agent that are for role.
func stockOf(group []v1.Offer, role string) *stock {
	s := &stock{agent: group[0].AgentID.Value, scalars: map[string][]piece{}}
	for _, o := range group {
		if a := o.AllocationInfo; a == nil || a.GetRole() == role {
			s.add(o, role)
		}
	}
	s.reservedFirst()
	return s
}

// refusedResources says why each resource of an agent does not count.
func refusedResources(group []v1.Offer, role string) string {
	var why []string
	for _, o := range group {
		for _, r := range o.Resources {
			if reason := usable(r, role); reason != "" {
				why = append(why, r.Name+" "+reason)
			}
		}
	}
	if len(why) == 0 {
		return "no cpus, mem or ports"
	}
	slices.Sort(why)
	return strings.Join(slices.Compact(why), ", ")
}

// hostIP is the IP address of an offer's agent; the zero Addr where it has none.
func hostIP(o v1.Offer) netip.Addr {
	for _, text := range []string{addressIP(o), o.Hostname} {
		if ip, err := netip.ParseAddr(text); err == nil && !ip.IsUnspecified() {
			return ip.Unmap().WithZone("")
		}
	}
	return netip.Addr{}
}

func addressIP(o v1.Offer) string {
	if o.URL == nil {
		return ""
	}
	return o.URL.Address.GetIP()
}
