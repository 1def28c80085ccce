package chunkdist

// Slots is the number of hash slots of a Redis Cluster.
const Slots = 16384

// Host is one machine as the planner sees it: an address, the fault domain that it is in,
// and the Mesos agents that run on it. Several agents of one machine are one Host, so that
// a master and its replica never end up on the same machine.
type Host struct {
	// Name is the host's IP address. It is unique and it is where the nodes listen.
	Name string
	// Domain is the host's fault domain; empty means the host itself.
	Domain string
	Agents []Agent
}

// Agent is what one Mesos agent offers. A node lives on one agent: what is free on two
// agents of a host does not add up to room for a node.
type Agent struct {
	ID       string
	CPUs     float64 // cores; counted in thousandths, as Mesos does
	MemoryMB float64 // MiB
	// Ports are the offered ports, both ends included, sorted and without overlap.
	Ports []PortRange
}

// PortRange is a range of ports, both ends included.
type PortRange struct{ Begin, End int }

// Resources is an amount of CPU (cores) and memory (MiB).
type Resources struct {
	CPUs     float64
	MemoryMB float64
}

// Spec is what to place.
type Spec struct {
	Cluster string
	// UID is what the node IDs are derived from (NodeID).
	UID      string
	Masters  int
	Replicas int // per master; 0 is dist, more is chunk
	// Node is what each node takes. LeastMemoryMB is the least memory that a proposal may name
	// instead (Infeasible).
	Node          Resources
	LeastMemoryMB float64
	// Overhead is taken once from every agent that holds a node: the executor's own share.
	Overhead Resources
	// BusOffset, where not 0, demands bus port = data port + BusOffset (servers before
	// Redis 7.0: 10000). 0 takes any two offered ports.
	BusOffset int
	// MaxNodesPerHost bounds the nodes of one host; 0 is no bound.
	MaxNodesPerHost int
	// ExcludeHosts are names of hosts that get no node.
	ExcludeHosts []string
	// DomainRule says how strictly the hosts' Domain is kept. Hosts are always kept apart.
	DomainRule DomainRule
	// Link says how hosts are linked.
	Link Link
}

// DomainRule says how strictly fault domains are kept.
type DomainRule int

// Required refuses a plan that breaks a domain rule; Preferred makes the best of it and the
// plan says where it was not kept.
const (
	Required DomainRule = iota
	Preferred
)

// Link is the shape of the links between hosts.
type Link int

// LinkPair lets two hosts hold each other's replicas (the chunk): few pairs of hosts are
// critical, and the loss of one such pair takes more. LinkRing spreads a host's replicas
// over as many hosts as it can: more pairs are critical, and each takes less.
const (
	LinkPair Link = iota
	LinkRing
)

// Role is what a node is planned to be.
type Role string

// The roles of a node.
const (
	Master  Role = "master"
	Replica Role = "replica"
)

// Plan says which host holds which node. Its JSON is a contract: the command line prints
// it, records keep it and events carry it. A Plan is a value: functions of this package never
// change one that they are given.
type Plan struct {
	Cluster  string `json:"cluster"`
	UID      string `json:"uid"`
	Masters  int    `json:"masters"`
	Replicas int    `json:"replicas"`
	// Nodes are sorted by Index: masters 0 … Masters-1, then replicas.
	Nodes []Node `json:"nodes"`
	// Hosts are the hosts that hold a node, sorted by address.
	Hosts   []HostLoad `json:"hosts"`
	Risk    Risk       `json:"risk"`
	Balance *Balance   `json:"balance,omitempty"`
	// Relaxed says, a sentence each, where a preferred fault domain was not kept.
	Relaxed []string `json:"relaxed,omitempty"`
}

// Node is one planned redis-server.
type Node struct {
	Index int `json:"index"`
	// ID is the Redis Cluster node ID: NodeID(plan.UID, Index).
	ID      string `json:"id"`
	Host    string `json:"host"`
	Domain  string `json:"domain"`
	Agent   string `json:"agent"`
	Port    int    `json:"port"`
	BusPort int    `json:"bus_port"`
	Role    Role   `json:"role"`
	// Master is the index of a replica's master; nil on a master.
	Master *int `json:"master,omitempty"`
	// Epoch is the config epoch: Index+1 on a master, 0 on a replica.
	Epoch uint64 `json:"epoch"`
	// Slots are inclusive ranges, ascending; empty (not nil) on a replica.
	Slots [][2]int `json:"slots"`
}

// HostLoad counts the nodes of one host.
type HostLoad struct {
	Host     string `json:"host"`
	Domain   string `json:"domain"`
	Masters  int    `json:"masters"`
	Replicas int    `json:"replicas"`
}

// Risk is the worst case over all single hosts and over all pairs of hosts.
type Risk struct {
	OneHost  Loss `json:"one_host"`
	TwoHosts Loss `json:"two_hosts"`
}

// Loss is what is gone when hosts are lost.
type Loss struct {
	// Hosts are the first ones, in address order, whose loss is the worst.
	Hosts        []string `json:"hosts,omitempty"`
	MastersLost  int      `json:"masters_lost"`
	ShardsLost   int      `json:"shards_lost"`
	MajorityKept bool     `json:"majority_kept"`
}

// Balance says how even a plan is, over the hosts in use.
type Balance struct {
	Nodes   Spread `json:"nodes"`
	Masters Spread `json:"masters"`
	// Links counts the master-replica links between two linked hosts.
	Links Spread `json:"links"`
}

// Spread is a least and a most.
type Spread struct {
	Min int `json:"min"`
	Max int `json:"max"`
}
