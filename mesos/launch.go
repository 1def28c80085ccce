package mesos

import (
	"cmp"
	"errors"
	"fmt"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// ErrStaleOffers says that the offers do not hold what the plan takes: they were rescinded or
// are others than the plan was made from.
var ErrStaleOffers = errors.New("mesos: the offers do not cover the plan")

// Order is a plan ready to be launched.
type Order struct {
	// Framework is the framework's ID, Role the role of its offers ("" means "*").
	Framework, Role string
	// Bundle is what the executors get; its plan is what is launched.
	Bundle bundle.Bundle
	// Node is what each task takes, Overhead what the executor of each agent takes. They are
	// the planner's.
	Node, Overhead chunkdist.Resources
	Executor       Executor
}

// Launch is what one ACCEPT says: all tasks of one agent. (An ACCEPT with offers of two agents
// would lose both.)
type Launch struct {
	Agent  string
	Offers []v1.OfferID
	Tasks  []v1.TaskInfo
}

// Operations are the launch as operations of an ACCEPT.
func (l Launch) Operations() []v1.Offer_Operation {
	return []v1.Offer_Operation{calls.OpLaunch(l.Tasks...)}
}

// Launches turns the order into one launch for each agent of the plan, in the order in which
// the plan first names them, and lists the offers that are of no use, which the caller
// declines. The resources of tasks and executors are carved out of the offered ones, so they
// keep their reservations and their allocation. Offers that do not cover the plan are
// ErrStaleOffers; nothing is changed.
func (o Order) Launches(offers []v1.Offer) (launches []Launch, rest []v1.OfferID, err error) {
	o.Role = cmp.Or(o.Role, "*")
	executor, err := o.executor()
	if err != nil {
		return nil, nil, err
	}
	stocks := map[string]*stock{}
	for _, group := range byAgent(offers) {
		stocks[group[0].AgentID.Value] = stockOf(group, o.Role)
	}
	plan := o.Bundle.Plan
	index := map[string]int{} // agent → launch
	for _, node := range plan.Nodes {
		s := stocks[node.Agent]
		if s == nil || len(s.offers) == 0 {
			return nil, nil, fmt.Errorf("%w: agent %s of host %s (node %d) is not offered", ErrStaleOffers, node.Agent, node.Host, node.Index)
		}
		at, known := index[node.Agent]
		if !known {
			at = len(launches)
			index[node.Agent] = at
			launches = append(launches, Launch{Agent: node.Agent, Offers: s.offers})
		}
		l := &launches[at]
		if len(l.Tasks) == 0 {
			here := *executor
			if here.Resources, err = s.takeAmounts(o.Overhead); err != nil {
				return nil, nil, fmt.Errorf("%w: agent %s of host %s, executor: %w", ErrStaleOffers, node.Agent, node.Host, err)
			}
			l.Tasks = append(l.Tasks, v1.TaskInfo{Executor: &here})
		} else {
			l.Tasks = append(l.Tasks, v1.TaskInfo{Executor: l.Tasks[0].Executor})
		}
		task := &l.Tasks[len(l.Tasks)-1]
		if err := o.describe(task, node, s); err != nil {
			return nil, nil, fmt.Errorf("%w: agent %s of host %s, node %d: %w", ErrStaleOffers, node.Agent, node.Host, node.Index, err)
		}
	}
	for _, offer := range offers {
		if _, used := index[offer.AgentID.Value]; !used || !contains(stocks[offer.AgentID.Value].offers, offer.ID) {
			rest = append(rest, offer.ID)
		}
	}
	return launches, rest, nil
}

func contains(ids []v1.OfferID, id v1.OfferID) bool {
	for _, i := range ids {
		if i.Value == id.Value {
			return true
		}
	}
	return false
}

// takeAmounts hands out CPUs and memory.
func (s *stock) takeAmounts(r chunkdist.Resources) ([]v1.Resource, error) {
	cpus, err := s.takeScalar(resourceCPUs, toMilli(r.CPUs))
	if err != nil {
		return nil, err
	}
	mem, err := s.takeScalar(resourceMem, toMilli(r.MemoryMB))
	return append(cpus, mem...), err
}

// describe fills in the task of a node, taking its resources from s.
func (o Order) describe(task *v1.TaskInfo, node chunkdist.Node, s *stock) error {
	amounts, err := s.takeAmounts(o.Node)
	if err != nil {
		return err
	}
	ports, err := s.takePorts(node.Port, node.BusPort)
	if err != nil {
		return err
	}
	cluster := o.Bundle.Plan.Cluster
	task.Name = fmt.Sprintf("%s-%d", cluster, node.Index)
	task.TaskID = v1.TaskID{Value: bundle.TaskID(node.Index)}
	task.AgentID = v1.AgentID{Value: node.Agent}
	task.Resources = append(amounts, ports...)
	task.Labels = o.labels(node)
	task.Discovery = &v1.DiscoveryInfo{
		Visibility: v1.CLUSTER,
		Name:       &cluster,
		Ports: &v1.Ports{Ports: []v1.Port{
			port("redis", node.Port),
			port("bus", node.BusPort),
		}},
		Labels: task.Labels,
	}
	return nil
}

func port(name string, number int) v1.Port {
	tcp := "tcp"
	return v1.Port{Number: uint32(number), Name: &name, Protocol: &tcp}
}

// labels are what people and Mesos-DNS see of a node. The role is the planned one; it may
// change while the cluster lives.
func (o Order) labels(node chunkdist.Node) *v1.Labels {
	shard := node.Index
	if node.Master != nil {
		shard = *node.Master
	}
	label := func(key string, value any) v1.Label {
		text := fmt.Sprint(value)
		return v1.Label{Key: key, Value: &text}
	}
	return &v1.Labels{Labels: []v1.Label{
		label(bundle.LabelCluster, o.Bundle.Plan.Cluster),
		label(bundle.LabelJob, o.Bundle.Job),
		label(bundle.LabelNode, node.Index),
		label(bundle.LabelShard, shard),
		label(bundle.LabelRole, node.Role),
	}}
}
