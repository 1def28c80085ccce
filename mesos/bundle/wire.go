package bundle

import (
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// wireVersion grows when an older executor would misread what a newer worker writes.
const wireVersion = 1

// wire is the JSON of a Bundle. Nodes are columns, indexed as the plan's nodes are.
type wire struct {
	V           int               `json:"v"`
	Job         string            `json:"job"`
	Attempt     int               `json:"attempt"`
	Flavor      string            `json:"flavor"`
	Version     string            `json:"version"`
	Persistence string            `json:"persistence"`
	Config      map[string]string `json:"config,omitempty"`
	MemoryMB    int               `json:"memory_mb"`

	Cluster  string `json:"cluster"`
	UID      string `json:"uid"`
	Masters  int    `json:"masters"`
	Replicas int    `json:"replicas"`

	// Places are the distinct (host, domain, agent) triples; Place says which one a node is on.
	Places   []place `json:"places"`
	Place    []int   `json:"place"`
	Ports    []int   `json:"ports"`
	BusPorts []int   `json:"bus_ports"`
	// Master holds the master's index of each replica: one entry less than Place per master.
	Master []int `json:"master,omitempty"`

	Hosts   []chunkdist.HostLoad `json:"hosts,omitempty"`
	Risk    chunkdist.Risk       `json:"risk"`
	Balance *chunkdist.Balance   `json:"balance,omitempty"`
	Relaxed []string             `json:"relaxed,omitempty"`
}

type place struct {
	Host   string `json:"h"`
	Domain string `json:"d"`
	Agent  string `json:"a"`
}

func toWire(b Bundle) wire {
	p := b.Plan
	w := wire{
		V: wireVersion, Job: b.Job, Attempt: b.Attempt,
		Flavor: b.Flavor, Version: b.Version, Persistence: b.Persistence, Config: b.Config, MemoryMB: b.MemoryMB,
		Cluster: p.Cluster, UID: p.UID, Masters: p.Masters, Replicas: p.Replicas,
		Hosts: p.Hosts, Risk: p.Risk, Balance: p.Balance, Relaxed: p.Relaxed,
	}
	known := map[place]int{}
	for i, n := range p.Nodes {
		at := place{Host: n.Host, Domain: n.Domain, Agent: n.Agent}
		index, ok := known[at]
		if !ok {
			index = len(w.Places)
			known[at] = index
			w.Places = append(w.Places, at)
		}
		w.Place = append(w.Place, index)
		w.Ports = append(w.Ports, n.Port)
		w.BusPorts = append(w.BusPorts, n.BusPort)
		if i >= p.Masters {
			master := -1 // refused by bundle(): a replica has one
			if n.Master != nil {
				master = *n.Master
			}
			w.Master = append(w.Master, master)
		}
	}
	return w
}

// bundle checks w and derives what it does not carry.
func (w wire) bundle() (Bundle, error) {
	if err := w.check(); err != nil {
		return Bundle{}, err
	}
	p := chunkdist.Plan{
		Cluster: w.Cluster, UID: w.UID, Masters: w.Masters, Replicas: w.Replicas,
		Nodes: make([]chunkdist.Node, len(w.Place)),
		Hosts: w.Hosts, Risk: w.Risk, Balance: w.Balance, Relaxed: w.Relaxed,
	}
	for i := range p.Nodes {
		at := w.Places[w.Place[i]]
		n := chunkdist.Node{
			Index: i, ID: chunkdist.NodeID(w.UID, i),
			Host: at.Host, Domain: at.Domain, Agent: at.Agent,
			Port: w.Ports[i], BusPort: w.BusPorts[i],
		}
		if i < w.Masters {
			n.Role, n.Epoch = chunkdist.Master, uint64(i)+1
			n.Slots = [][2]int{chunkdist.SlotRange(i, w.Masters)}
		} else {
			master := w.Master[i-w.Masters]
			n.Role, n.Master, n.Slots = chunkdist.Replica, &master, [][2]int{}
		}
		p.Nodes[i] = n
	}
	return normal(Bundle{
		Plan: p, Job: w.Job, Attempt: w.Attempt,
		Flavor: w.Flavor, Version: w.Version, Persistence: w.Persistence, Config: w.Config, MemoryMB: w.MemoryMB,
	}), nil
}

// check makes indexing safe and refuses what no plan can be.
func (w wire) check() error {
	nodes := len(w.Place)
	switch {
	case w.V != wireVersion:
		return fmt.Errorf("version %d, this build reads version %d", w.V, wireVersion)
	case w.Masters < 1 || w.Masters > chunkdist.Slots:
		return fmt.Errorf("masters is %d, not 1 to %d", w.Masters, chunkdist.Slots)
	case w.Replicas < 0 || w.Replicas > MaxReplicas:
		return fmt.Errorf("replicas is %d, not 0 to %d", w.Replicas, MaxReplicas)
	case nodes != w.Masters*(1+w.Replicas):
		return fmt.Errorf("%d nodes, but %d masters with %d replicas each are %d", nodes, w.Masters, w.Replicas, w.Masters*(1+w.Replicas))
	case len(w.Ports) != nodes || len(w.BusPorts) != nodes || len(w.Master) != nodes-w.Masters:
		return fmt.Errorf("columns differ in length: %d nodes, %d ports, %d bus ports, %d masters of replicas",
			nodes, len(w.Ports), len(w.BusPorts), len(w.Master))
	}
	for i := range nodes {
		if at := w.Place[i]; at < 0 || at >= len(w.Places) {
			return fmt.Errorf("node %d is at place %d of %d", i, at, len(w.Places))
		}
		if !isPort(w.Ports[i]) || !isPort(w.BusPorts[i]) {
			return fmt.Errorf("node %d has ports %d and %d, not 1 to 65535", i, w.Ports[i], w.BusPorts[i])
		}
		if i >= w.Masters {
			if m := w.Master[i-w.Masters]; m < 0 || m >= w.Masters {
				return fmt.Errorf("node %d replicates node %d, which is no master", i, m)
			}
		}
	}
	return nil
}

func isPort(p int) bool { return p >= 1 && p <= 65535 }
