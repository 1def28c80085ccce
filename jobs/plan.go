package jobs

import (
	"errors"
	"slices"
	"strconv"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// ClusterUID is the UID that node IDs are derived from: the job's ID, when its request was received,
// and from the second attempt on the attempt's number. So a node of an earlier attempt that is still
// alive somewhere, or of a cluster that the job ID made before its record expired, is a stranger.
func ClusterUID(r contracts.JobRecord) string {
	uid := r.Job + "." + life(r)
	if r.Attempt > 1 {
		uid += "." + strconv.Itoa(r.Attempt)
	}
	return uid
}

// WirePlan is a plan as contracts write it.
func WirePlan(p chunkdist.Plan) contracts.Plan {
	w := contracts.Plan{
		Cluster: p.Cluster, UID: p.UID, Masters: p.Masters, Replicas: p.Replicas,
		Nodes:   make([]contracts.Node, len(p.Nodes)),
		Hosts:   make([]contracts.HostLoad, len(p.Hosts)),
		Risk:    contracts.Risk{OneHost: contracts.Loss(p.Risk.OneHost), TwoHosts: contracts.Loss(p.Risk.TwoHosts)},
		Relaxed: slices.Clone(p.Relaxed),
	}
	for i, n := range p.Nodes {
		w.Nodes[i] = contracts.Node{
			Index: n.Index, ID: n.ID, Host: n.Host, Domain: n.Domain, Agent: n.Agent, Port: n.Port, BusPort: n.BusPort,
			Role: string(n.Role), Master: n.Master, Epoch: n.Epoch, Slots: n.Slots,
		}
	}
	for i, h := range p.Hosts {
		w.Hosts[i] = contracts.HostLoad(h)
	}
	if b := p.Balance; b != nil {
		w.Balance = &contracts.Balance{Nodes: contracts.Spread(b.Nodes), Masters: contracts.Spread(b.Masters), Links: contracts.Spread(b.Links)}
	}
	return w
}

// PlanOf is the inverse of WirePlan.
func PlanOf(w contracts.Plan) chunkdist.Plan {
	p := chunkdist.Plan{
		Cluster: w.Cluster, UID: w.UID, Masters: w.Masters, Replicas: w.Replicas,
		Nodes:   make([]chunkdist.Node, len(w.Nodes)),
		Hosts:   make([]chunkdist.HostLoad, len(w.Hosts)),
		Risk:    chunkdist.Risk{OneHost: chunkdist.Loss(w.Risk.OneHost), TwoHosts: chunkdist.Loss(w.Risk.TwoHosts)},
		Relaxed: slices.Clone(w.Relaxed),
	}
	for i, n := range w.Nodes {
		p.Nodes[i] = chunkdist.Node{
			Index: n.Index, ID: n.ID, Host: n.Host, Domain: n.Domain, Agent: n.Agent, Port: n.Port, BusPort: n.BusPort,
			Role: chunkdist.Role(n.Role), Master: n.Master, Epoch: n.Epoch, Slots: n.Slots,
		}
	}
	for i, h := range w.Hosts {
		p.Hosts[i] = chunkdist.HostLoad(h)
	}
	if b := w.Balance; b != nil {
		p.Balance = &chunkdist.Balance{Nodes: chunkdist.Spread(b.Nodes), Masters: chunkdist.Spread(b.Masters), Links: chunkdist.Spread(b.Links)}
	}
	return p
}

// SpecOf is what the planner is asked for by a request. What depends on the server and on the
// executor (BusOffset, Overhead) is the caller's.
func SpecOf(req contracts.CreateRequest, uid string) chunkdist.Spec {
	spec := chunkdist.Spec{
		Cluster: req.Cluster, UID: uid, Masters: req.Masters, Replicas: req.Replicas,
		Node:            chunkdist.Resources{CPUs: req.Node.CPUs, MemoryMB: float64(req.Node.MemoryMB)},
		LeastMemoryMB:   float64(leastMemoryMB(req)),
		MaxNodesPerHost: req.Placement.MaxNodesPerHost,
		ExcludeHosts:    slices.Clone(req.Placement.ExcludeHosts),
	}
	if req.Placement.FaultDomainRule == "preferred" {
		spec.DomainRule = chunkdist.Preferred
	}
	if req.Placement.Link == "ring" {
		spec.Link = chunkdist.LinkRing
	}
	return spec
}

// CheckServers refuses servers that no configuration can be rendered for: of an unknown version, or
// with less memory than a cluster of that size leaves, or maxmemory beyond it. The error is a
// *contracts.FieldError.
func CheckServers(req contracts.CreateRequest) error {
	if _, err := nodesconf.LookupDialect(req.Redis.Flavor, req.Redis.Version); err != nil {
		return &contracts.FieldError{Field: "redis.version", Message: err.Error()}
	}
	_, err := serverOptions(req).MaxMemory(nodesOf(req), req.Replicas)
	var config *nodesconf.ConfigError
	switch {
	case errors.As(err, &config):
		return &contracts.FieldError{Field: "redis.config." + config.Key, Message: config.Reason}
	case err != nil:
		return &contracts.FieldError{Field: "node.memory_mb", Message: err.Error()}
	}
	return nil
}

func leastMemoryMB(req contracts.CreateRequest) int {
	return max(contracts.MinMemoryMB, nodesconf.LeastMB(nodesOf(req), serverOptions(req).Forks(req.Replicas)))
}

func serverOptions(req contracts.CreateRequest) nodesconf.ServerOptions {
	return nodesconf.ServerOptions{MemoryMB: req.Node.MemoryMB, Persistence: req.Redis.Persistence, Config: req.Redis.Config}
}

func nodesOf(req contracts.CreateRequest) int { return req.Masters * (1 + req.Replicas) }
