package contracts

import (
	"encoding/json"
	"time"
)

// JobKind is what a job does.
type JobKind string

// The kinds of jobs, named after the last token of their subjects.
const (
	JobCreate  JobKind = "create"
	JobDestroy JobKind = "destroy"
	JobVerify  JobKind = "verify"
)

// JobRecord is the durable state of a job, in BucketJobs under the job's ID. Only the owner
// writes it, each time as a compare-and-set on the revision that it knows: a worker that has
// lost the job loses its next write and stops.
type JobRecord struct {
	Job     string  `json:"job"`
	Kind    JobKind `json:"kind"`
	Cluster string  `json:"cluster"`
	// Request is the request as it was accepted.
	Request json.RawMessage `json:"request"`
	// MsgSeq is the stream sequence of the message that carries the job.
	MsgSeq uint64 `json:"msg_seq"`
	// Received is when the stream stored that message, by the server's clock.
	Received time.Time `json:"received"`

	// Owner is the worker that has the job; empty when it was handed back.
	Owner string `json:"owner,omitempty"`
	// Fence grows by one with every claim.
	Fence uint64 `json:"fence"`
	// Write grows by one with every write, so that a writer whose answer was lost can
	// tell its own write from another's.
	Write uint64 `json:"write"`
	// Crashes counts the claims of a job that its former owner had not handed back.
	Crashes int `json:"crashes,omitempty"`

	Phase Phase `json:"phase"`
	// PhaseMS is when the phase began, in milliseconds after Received.
	PhaseMS int64 `json:"phase_ms"`
	// Attempt counts the tries to launch the cluster, from 1; 0 is before the first.
	Attempt int `json:"attempt"`
	// Framework is the Mesos framework ID in use, recorded before SUBSCRIBE; Frameworks
	// counts the IDs used so far, so that none is used twice.
	Framework  string `json:"framework,omitempty"`
	Frameworks int    `json:"frameworks,omitempty"`
	// PlanKey is where in BucketJobs the attempt's plan is, stored before ACCEPT.
	PlanKey string `json:"plan_key,omitempty"`
	// Excluded are hosts on which an earlier attempt failed; AvoidPorts are ports, as
	// host:port, of its nodes that failed. The hosts are used again only if there is no plan
	// without them, the ports never.
	Excluded   []string `json:"excluded,omitempty"`
	AvoidPorts []string `json:"avoid_ports,omitempty"`
	// Short is what the job ends with if its deadline comes while it waits for resources.
	Short *Outcome `json:"short,omitempty"`
	// Interrupted is what cut the last try short, for the job to end with if its deadline comes before the next.
	Interrupted string `json:"interrupted,omitempty"`
	// Cleanup says that the framework must be torn down before the job goes on. Pending is
	// then what the job ends with; without it a new attempt begins.
	Cleanup bool     `json:"cleanup,omitempty"`
	Pending *Outcome `json:"pending,omitempty"`
	// CleanupTries counts how often the clean-up of this attempt did not come to its end.
	CleanupTries int `json:"cleanup_tries,omitempty"`
	// Waits counts how often the job was handed back for want of resources or of its name.
	Waits int `json:"waits,omitempty"`

	// Seq is the number of the newest event; Outbox holds those that are not known to be in the
	// stream yet, in order.
	Seq    uint64  `json:"seq"`
	Outbox []Event `json:"outbox,omitempty"`
	// Terminal is the terminal event, once there is one.
	Terminal *Event `json:"terminal,omitempty"`
	// Timings are the phases that are over.
	Timings []PhaseTiming `json:"timings,omitempty"`
}

// Outcome is how a job is going to end once its leftovers are cleaned up.
type Outcome struct {
	Type    EventType `json:"type"`
	Reason  Reason    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Details *Details  `json:"details,omitempty"`
}

// ClusterState says where a cluster stands.
type ClusterState string

// The states of a cluster.
const (
	ClusterCreating   ClusterState = "creating"
	ClusterVerified   ClusterState = "verified"
	ClusterDestroying ClusterState = "destroying"
)

// ClusterRecord is what is known of a cluster, in BucketClusters under its name. Its
// existence reserves the name.
type ClusterRecord struct {
	Cluster string       `json:"cluster"`
	State   ClusterState `json:"state"`
	// Job is the create job that owns the name.
	Job string `json:"job"`
	// Request is the create request; a second create with the same specification is answered
	// with this cluster.
	Request CreateRequest `json:"request"`
	// Framework is the ID of the Mesos framework that the cluster is.
	Framework string `json:"framework,omitempty"`
	Attempt   int    `json:"attempt,omitempty"`
	// Plan, Report and Verified are there once the cluster has been verified.
	Plan *Plan `json:"plan,omitempty"`
	// PlanGzip is the plan, in place of plan, where it has more than 500 nodes: base64 of gzip
	// of its JSON. In Go, Plan has it in any case, and this is empty.
	PlanGzip []byte     `json:"plan_gzip,omitempty"`
	Report   *Report    `json:"report,omitempty"`
	Verified *time.Time `json:"verified,omitempty"`
}

// LeaseRecord is the value of a lease in BucketLeases. Whoever wants the lease judges its
// expiry by its own monotonic clock: a revision that has not changed for TTL is over.
type LeaseRecord struct {
	Worker string   `json:"worker"`
	Job    string   `json:"job,omitempty"`
	TTL    Duration `json:"ttl"`
	// Nonce is another one for each time that the lease is taken: it tells a holder whose answer
	// was lost that the lease is its own.
	Nonce string `json:"nonce,omitempty"`
}
