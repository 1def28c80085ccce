package contracts

import "time"

// EventType is the last token of an event's subject.
type EventType string

// The event types, a closed list.
const (
	EventAccepted  EventType = "accepted"
	EventProgress  EventType = "progress"
	EventVerified  EventType = "verified"
	EventFailed    EventType = "failed"
	EventCancelled EventType = "cancelled"
	EventDestroyed EventType = "destroyed"
)

// Terminal reports whether t ends a job. A job has exactly one terminal event.
func (t EventType) Terminal() bool {
	return t == EventVerified || t == EventFailed || t == EventCancelled || t == EventDestroyed
}

// Phase is where a job stands.
type Phase string

// The phases of a create job in their order, then the terminal ones.
const (
	PhaseAccepted         Phase = "accepted"
	PhaseWaitingResources Phase = "waiting_resources"
	PhasePlanned          Phase = "planned"
	PhaseLaunching        Phase = "launching"
	PhaseStarting         Phase = "starting"
	PhaseForming          Phase = "forming"
	PhaseVerifying        Phase = "verifying"
	// PhaseDestroying is a destroy job between accepted and destroyed.
	PhaseDestroying Phase = "destroying"

	PhaseVerified  Phase = "verified"
	PhaseFailed    Phase = "failed"
	PhaseCancelled Phase = "cancelled"
	PhaseDestroyed Phase = "destroyed"
)

// Terminal reports whether p is a phase that a job never leaves.
func (p Phase) Terminal() bool {
	return p == PhaseVerified || p == PhaseFailed || p == PhaseCancelled || p == PhaseDestroyed
}

// Reason says why a job failed: a closed list.
type Reason string

// The reasons of a failed event.
const (
	ReasonInvalidRequest        Reason = "invalid_request"
	ReasonNameConflict          Reason = "name_conflict"
	ReasonInsufficientResources Reason = "insufficient_resources"
	ReasonLaunchFailed          Reason = "launch_failed"
	ReasonStartFailed           Reason = "start_failed"
	ReasonFormingFailed         Reason = "forming_failed"
	ReasonVerificationFailed    Reason = "verification_failed"
	ReasonDeadlineExceeded      Reason = "deadline_exceeded"
	ReasonInternal              Reason = "internal"
)

// CloudEvents attributes that every event shares.
const (
	SpecVersion     = "1.0"
	TypePrefix      = "io.clustersmith.v1."
	ContentType     = "application/cloudevents+json"
	DataContentType = "application/json"
)

// Event is a CloudEvents 1.0 event in structured JSON.
type Event struct {
	SpecVersion string `json:"specversion"`
	// ID is <job>.<seq>; it is the Nats-Msg-Id too.
	ID string `json:"id"`
	// Source is /clustersmith/workers/<worker>.
	Source string `json:"source"`
	// Type is TypePrefix and the EventType.
	Type string `json:"type"`
	// Subject is the job's ID.
	Subject string `json:"subject"`
	// Time is when it happened, by the clock of the NATS server that stored the request: workers
	// whose own clocks differ tell of one job as one would.
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            EventData `json:"data"`
}

// EventData is what an event says. Job, Cluster, Seq, Phase, Attempt and ElapsedMS are
// always there; the others belong to the event types named beside them.
type EventData struct {
	Job     string `json:"job"`
	Cluster string `json:"cluster"`
	// Seq counts a job's events: 1, 2, 3 … without a gap.
	Seq   uint64 `json:"seq"`
	Phase Phase  `json:"phase"`
	// Attempt counts the tries to launch the cluster: 0 before the first, then 1, 2 ….
	Attempt int `json:"attempt"`
	// ElapsedMS is the time since the request was stored in the stream, in milliseconds.
	ElapsedMS int64 `json:"elapsed_ms"`

	// Done of Total is how far the phase is (progress).
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`
	// Message is a sentence for a person (progress, failed, cancelled, destroyed).
	Message string `json:"message,omitempty"`

	// Plan, Report and Timings belong to verified.
	Plan *Plan `json:"plan,omitempty"`
	// PlanGzip is the plan, in place of plan, where it has more than 500 nodes: base64 of gzip
	// of its JSON. In Go, Plan has it in any case, and this is empty.
	PlanGzip []byte        `json:"plan_gzip,omitempty"`
	Report   *Report       `json:"report,omitempty"`
	Timings  []PhaseTiming `json:"timings,omitempty"`

	// Reason and Details belong to failed.
	Reason  Reason   `json:"reason,omitempty"`
	Details *Details `json:"details,omitempty"`
}

// PhaseTiming is how long a job was in a phase, over all attempts.
type PhaseTiming struct {
	Phase Phase `json:"phase"`
	MS    int64 `json:"ms"`
}

// Details says what exactly was wrong.
type Details struct {
	// Field is the request's field that was refused, as a JSON path (invalid_request).
	Field string `json:"field,omitempty"`
	// Shortages says for each host what was short (insufficient_resources).
	Shortages []Shortage `json:"shortages,omitempty"`
	// Nearest describes the nearest feasible request, in words.
	Nearest string `json:"nearest,omitempty"`
	// Tasks are the Mesos tasks that failed (launch_failed, start_failed).
	Tasks []TaskFailure `json:"tasks,omitempty"`
	// Differences are the first differences from the plan (forming_failed, verification_failed).
	Differences []Difference `json:"differences,omitempty"`
	// Report is the last verification's report, where there was one.
	Report *Report `json:"report,omitempty"`
}

// Shortage is one dimension that one host was short of.
type Shortage struct {
	Host string `json:"host"`
	// Dimension is cpus, memory_mb, ports, bus_ports, nodes or a rule's name.
	Dimension string  `json:"dimension"`
	Need      float64 `json:"need"`
	Have      float64 `json:"have"`
	// Message is the shortage as a sentence.
	Message string `json:"message,omitempty"`
}

// TaskFailure is the end of a Mesos task that should have gone on.
type TaskFailure struct {
	Task    string `json:"task"`
	Node    int    `json:"node"`
	Host    string `json:"host"`
	Agent   string `json:"agent,omitempty"`
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Sandbox is where the task's logs are, when known.
	Sandbox string `json:"sandbox,omitempty"`
}

// Difference is one deviation of a node from the plan.
type Difference struct {
	// Check is the name of the check that found it.
	Check string `json:"check"`
	// Node is the planned node's index; -1 where a node that is not in the plan answered.
	Node     int    `json:"node"`
	Address  string `json:"address"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// Report is what a verification checked.
type Report struct {
	OK bool `json:"ok"`
	// Nodes is how many nodes were asked.
	Nodes  int     `json:"nodes"`
	Checks []Check `json:"checks"`
	// Differences are the first 20 deviations; Omitted is how many more there were.
	Differences []Difference `json:"differences,omitempty"`
	Omitted     int          `json:"omitted,omitempty"`
	// Repaired lists what was set right (a planned master that had been failed over …).
	Repaired []string `json:"repaired,omitempty"`
	// Passes is how often the nodes were asked until the report was good.
	Passes int `json:"passes"`
}

// Check is one named check and how often it passed.
type Check struct {
	Name   string `json:"name"`
	Passed int    `json:"passed"`
	Total  int    `json:"total"`
}

// The closed lists, in the order of a job's life.
var (
	EventTypes = []EventType{EventAccepted, EventProgress, EventVerified, EventFailed, EventCancelled, EventDestroyed}
	Phases     = []Phase{
		PhaseAccepted, PhaseWaitingResources, PhasePlanned, PhaseLaunching, PhaseStarting, PhaseForming, PhaseVerifying,
		PhaseDestroying, PhaseVerified, PhaseFailed, PhaseCancelled, PhaseDestroyed,
	}
	Reasons = []Reason{
		ReasonInvalidRequest, ReasonNameConflict, ReasonInsufficientResources, ReasonLaunchFailed, ReasonStartFailed,
		ReasonFormingFailed, ReasonVerificationFailed, ReasonDeadlineExceeded, ReasonInternal,
	}
)
