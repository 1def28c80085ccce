package contracts

import (
	"encoding/json"
	"fmt"
	"time"
)

// CreateRequest asks for a Redis Cluster. It is published on SubjectCreate; the header
// Nats-Msg-Id should be its ID. ParseCreate decodes and validates one.
type CreateRequest struct {
	// ID is the job's identity: a UUID that is used once.
	ID string `json:"id"`
	// Cluster is the cluster's name: 1 to 63 of a-z, 0-9 and '-', no '-' at either end.
	Cluster string `json:"cluster"`
	// Masters is the number of masters, 3 to 8192.
	Masters int `json:"masters"`
	// Replicas is the number of replicas of each master, 0 to 4. 0 places with dist, more with chunk.
	Replicas int `json:"replicas"`
	// Node is what Mesos sets aside for each node.
	Node NodeResources `json:"node"`
	// Redis chooses the server and its configuration.
	Redis RedisOptions `json:"redis,omitzero"`
	// Placement steers which hosts are used.
	Placement Placement `json:"placement,omitzero"`
	// Deadline bounds the work, from the request on. Default 2m, at most 24h. What it cuts short is
	// cleaned up before the terminal event: usually within a minute, and not before Mesos is in reach.
	Deadline Duration `json:"deadline,omitzero"`
}

// NodeResources is what one node (one redis-server) takes from Mesos.
type NodeResources struct {
	// CPUs is in cores; Mesos counts in thousandths. More than 0, at most 64.
	CPUs float64 `json:"cpus"`
	// MemoryMB is the Mesos memory of one node, in MiB. At least 64.
	MemoryMB int `json:"memory_mb"`
}

// RedisOptions chooses the server of every node.
type RedisOptions struct {
	// Flavor is "redis" (default) or "valkey".
	Flavor string `json:"flavor,omitempty"`
	// Version is the server's version as major.minor. Default "7.0".
	Version string `json:"version,omitempty"`
	// Persistence is "none" (default: a cache), "aof" or "rdb".
	Persistence string `json:"persistence,omitempty"`
	// Image is a Docker image that the nodes run in (Mesos containerizer), with the server, a
	// shell and the executor's needs in it. Default: none, the agents' own file system.
	Image string `json:"image,omitempty"`
	// Config holds redis.conf directives by name. Names that the worker owns, and values
	// that could smuggle in a directive, are refused.
	Config map[string]string `json:"config,omitempty"`
}

// Placement steers which hosts a cluster is placed on.
type Placement struct {
	// Role is the Mesos role whose resources are used. Default "*".
	Role string `json:"role,omitempty"`
	// FaultDomain is what no two copies of a shard may share: "host" (default), "zone",
	// "region", or "attribute:NAME" for an agent attribute.
	FaultDomain string `json:"fault_domain,omitempty"`
	// FaultDomainRule is "required" (default) or "preferred". Hosts are always required.
	FaultDomainRule string `json:"fault_domain_rule,omitempty"`
	// Link is "pair" (default: two hosts hold each other's replicas) or "ring" (a host's
	// replicas are spread wider).
	Link string `json:"link,omitempty"`
	// MaxNodesPerHost bounds the nodes on one host; 0 means no bound of its own.
	MaxNodesPerHost int `json:"max_nodes_per_host,omitempty"`
	// ExcludeHosts are hosts (IP addresses) that must not be used.
	ExcludeHosts []string `json:"exclude_hosts,omitempty"`
}

// DestroyRequest asks for the end of a cluster. Published on SubjectDestroy.
type DestroyRequest struct {
	ID       string   `json:"id"`
	Cluster  string   `json:"cluster"`
	Deadline Duration `json:"deadline,omitzero"`
}

// VerifyRequest asks for a new verification of a cluster against its recorded plan.
// Published on SubjectVerify.
type VerifyRequest struct {
	ID      string `json:"id"`
	Cluster string `json:"cluster"`
	// Repair allows CLUSTER FAILOVER on planned masters that are healthy replicas now.
	Repair   bool     `json:"repair,omitempty"`
	Deadline Duration `json:"deadline,omitzero"`
}

// CancelRequest asks that a create job stops and cleans up. Published on SubjectCancel.
type CancelRequest struct {
	ID string `json:"id"`
	// Job is the ID of the job to cancel.
	Job string `json:"job"`
}

// Duration is a time.Duration written as a Go duration string in JSON ("2m", "1m30s").
type Duration time.Duration

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads a duration string.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is a string such as \"2m\", not %s", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("a duration is a string such as \"2m\", not %q", s)
	}
	*d = Duration(v)
	return nil
}
