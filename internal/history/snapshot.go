package history

import (
	"encoding/json"
	"time"
)

// Snapshot is all that is left of a run.
type Snapshot struct {
	// Requests are those that the queue accepted, as their publisher knows them.
	Requests []Request
	// Queued is how many messages the queue still holds.
	Queued uint64
	// Events and Results are in the order of their streams.
	Events  []Event
	Results []Event
	Dead    []DeadLetter
	// Jobs and Clusters are records by key; Leases are the keys of leases that are held.
	Jobs     map[string]Job
	Clusters map[string]Cluster
	Leases   []string
	// Frameworks are those that Mesos shows as not completed.
	Frameworks []Framework
	// Samples are what Mesos showed at moments of the run.
	Samples []Sample
	// Processes are executors and redis-servers of the run.
	Processes []Process
	// Views are what the nodes of the recorded clusters answered, by host:port.
	Views map[string]View
	// Harmed are frameworks of which the run itself killed a process: what is left of them may
	// have failed over, or be gone.
	Harmed map[string]bool
}

// Request is one message that the queue accepted.
type Request struct {
	Kind    string // create, destroy, verify, cancel
	ID      string
	Cluster string
	Seq     uint64 // in the queue
	Body    []byte
	// Poison says that it is nothing that can be worked on.
	Poison bool
}

// Event is an event as its stream has it.
type Event struct {
	Stream    uint64 `json:"-"` // sequence in the stream
	Subject   string `json:"-"` // that it was published on
	MessageID string `json:"-"` // its Nats-Msg-Id
	Broken    string `json:"-"` // why it could not be read

	ID     string    `json:"id"`
	Source string    `json:"source"`
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
	Data   struct {
		Job       string `json:"job"`
		Cluster   string `json:"cluster"`
		Seq       uint64 `json:"seq"`
		Phase     string `json:"phase"`
		Attempt   int    `json:"attempt"`
		ElapsedMS int64  `json:"elapsed_ms"`
		Message   string `json:"message"`
		Reason    string `json:"reason"`
		Plan      *Plan  `json:"plan"`
		Report    *struct {
			OK bool `json:"ok"`
		} `json:"report"`
	} `json:"data"`
}

// Plan is a plan, as far as a judge needs it.
type Plan struct {
	Cluster string `json:"cluster"`
	UID     string `json:"uid"`
	Nodes   []Node `json:"nodes"`
}

// Node is a planned node.
type Node struct {
	Index   int      `json:"index"`
	ID      string   `json:"id"`
	Host    string   `json:"host"`
	Port    int      `json:"port"`
	BusPort int      `json:"bus_port"`
	Role    string   `json:"role"`
	Master  *int     `json:"master"`
	Slots   [][2]int `json:"slots"`
}

// DeadLetter is a message of the dead-letter stream.
type DeadLetter struct {
	Sequence uint64 // of the original, in the queue
	Reason   string
	Body     []byte
}

// Job is a job's record.
type Job struct {
	Job      string            `json:"job"`
	Kind     string            `json:"kind"`
	Cluster  string            `json:"cluster"`
	Phase    string            `json:"phase"`
	Seq      uint64            `json:"seq"`
	Crashes  int               `json:"crashes"`
	Outbox   []json.RawMessage `json:"outbox"`
	Terminal *Event            `json:"terminal"`
}

// Cluster is a cluster's record.
type Cluster struct {
	Cluster   string `json:"cluster"`
	State     string `json:"state"`
	Job       string `json:"job"`
	Framework string `json:"framework"`
	Plan      *Plan  `json:"plan"`
}

// Framework is a framework that Mesos shows.
type Framework struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Tasks []Task `json:"tasks"`
}

// Task is a task that Mesos shows.
type Task struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// Sample is what Mesos showed at one moment.
type Sample struct {
	At         time.Time
	Frameworks []Framework
}

// Process is an executor or a redis-server.
type Process struct {
	PID       int
	Framework string // whose sandbox it works in
	Server    bool   // a redis-server
	Command   string
}

// View is what a node said of its cluster.
type View struct {
	State string // cluster_state; empty where the node did not answer
	Nodes []Peer
	Err   string
}

// Peer is a line of CLUSTER NODES.
type Peer struct {
	ID        string
	Address   string // host:port@bus
	Flags     []string
	Master    string // ID, of a replica's master
	Connected bool
	Slots     [][2]int
}

// Breach is a law that was broken.
type Breach struct {
	Law  string
	Of   string // the job, cluster, framework or process
	Text string
}

func (b Breach) String() string { return b.Law + ": " + b.Of + ": " + b.Text }
