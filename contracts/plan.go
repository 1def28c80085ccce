package contracts

// Plan says which host holds which node: what `clustersmith plan -o json` prints, the
// cluster's record keeps and the verified event carries.
type Plan struct {
	Cluster  string `json:"cluster"`
	UID      string `json:"uid"`
	Masters  int    `json:"masters"`
	Replicas int    `json:"replicas"`
	// Nodes are sorted by Index: masters 0 … Masters-1, then the replicas.
	Nodes []Node `json:"nodes"`
	// Hosts are the hosts that hold a node, sorted by address.
	Hosts   []HostLoad `json:"hosts"`
	Risk    Risk       `json:"risk"`
	Balance *Balance   `json:"balance,omitempty"`
	// Relaxed says where a preferred fault domain could not be kept.
	Relaxed []string `json:"relaxed,omitempty"`
}

// Node is one planned redis-server.
type Node struct {
	Index int `json:"index"`
	// ID is the Redis Cluster node ID, 40 hexadecimal digits.
	ID      string `json:"id"`
	Host    string `json:"host"`
	Domain  string `json:"domain"`
	Agent   string `json:"agent"`
	Port    int    `json:"port"`
	BusPort int    `json:"bus_port"`
	// Role is "master" or "replica".
	Role string `json:"role"`
	// Master is the index of a replica's master; absent on a master.
	Master *int `json:"master,omitempty"`
	// Epoch is the config epoch: Index+1 on a master, 0 on a replica.
	Epoch uint64 `json:"epoch"`
	// Slots are inclusive ranges; empty on a replica.
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

// Loss is what goes when hosts are lost.
type Loss struct {
	// Hosts are those whose loss is the worst.
	Hosts        []string `json:"hosts,omitempty"`
	MastersLost  int      `json:"masters_lost"`
	ShardsLost   int      `json:"shards_lost"`
	MajorityKept bool     `json:"majority_kept"`
}

// Balance says how even a plan is: the least and the most over the hosts in use.
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
