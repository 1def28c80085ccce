package jobs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// New is the record of a job that a message has just brought. msgSeq is the message's stream
// sequence and received when the stream stored it, by the server's clock.
func New(kind contracts.JobKind, job, cluster string, request json.RawMessage, msgSeq uint64, received time.Time) contracts.JobRecord {
	return contracts.JobRecord{
		Job: job, Kind: kind, Cluster: cluster, Request: request,
		MsgSeq: msgSeq, Received: received,
		Phase: contracts.PhaseAccepted,
	}
}

// Claim makes worker the owner. A job that its former owner had not handed back, and had not
// brought to an end, counts as a crash of that owner.
func Claim(r *contracts.JobRecord, worker string) {
	if r.Owner != "" && r.Terminal == nil {
		r.Crashes++
	}
	r.Owner = worker
	r.Fence++
}

// HandBack makes the job free for any worker without counting a crash.
func HandBack(r *contracts.JobRecord) { r.Owner = "" }

// order holds the phases of each kind of job; a phase may skip ones before it, never go back.
var order = map[contracts.JobKind][]contracts.Phase{
	contracts.JobCreate: {
		contracts.PhaseAccepted, contracts.PhaseWaitingResources, contracts.PhasePlanned, contracts.PhaseLaunching,
		contracts.PhaseStarting, contracts.PhaseForming, contracts.PhaseVerifying,
	},
	contracts.JobDestroy: {contracts.PhaseAccepted, contracts.PhaseDestroying},
	contracts.JobVerify:  {contracts.PhaseAccepted, contracts.PhaseVerifying},
}

// Advance moves the job to a phase, elapsed after it was received, and books the time of the
// phase before. It is an error to leave a terminal phase, to go back, or to enter a phase that
// this kind of job does not have. To enter the phase the job is in changes nothing.
func Advance(r *contracts.JobRecord, to contracts.Phase, elapsed time.Duration) error {
	if r.Phase == to {
		return nil
	}
	phases := order[r.Kind]
	from, next := slices.Index(phases, r.Phase), slices.Index(phases, to)
	switch {
	case r.Terminal != nil || r.Phase.Terminal():
		return fmt.Errorf("jobs: job %s is %s and cannot become %s", r.Job, r.Phase, to)
	case next < 0:
		return fmt.Errorf("jobs: a %s job has no phase %s", r.Kind, to)
	case next < from:
		return fmt.Errorf("jobs: job %s cannot go back from %s to %s", r.Job, r.Phase, to)
	}
	leave(r, to, elapsed)
	return nil
}

// leave books the time spent in the current phase and enters another.
func leave(r *contracts.JobRecord, to contracts.Phase, elapsed time.Duration) {
	now := max(elapsed.Milliseconds(), r.PhaseMS)
	spent := now - r.PhaseMS
	i := slices.IndexFunc(r.Timings, func(t contracts.PhaseTiming) bool { return t.Phase == r.Phase })
	if i < 0 {
		r.Timings = append(slices.Clone(r.Timings), contracts.PhaseTiming{Phase: r.Phase, MS: spent})
	} else {
		r.Timings = slices.Clone(r.Timings)
		r.Timings[i].MS += spent
	}
	r.Phase, r.PhaseMS = to, now
	r.Interrupted = ""
}

// UseFramework picks the next framework ID of the job, to be written before SUBSCRIBE. The
// first one of an attempt begins the attempt.
func UseFramework(r *contracts.JobRecord) {
	r.Frameworks++
	r.Framework = FrameworkID(*r, r.Frameworks)
	r.PlanKey = ""
	r.Attempt = max(r.Attempt, 1)
}

// FrameworkID is the ID of the n-th framework of a job, n from 1.
func FrameworkID(r contracts.JobRecord, n int) string {
	return fmt.Sprintf("clustersmith-%s-%s-%d", r.Job, life(r), n)
}

// life tells apart the jobs that an ID is used for: it is when the request was received, in
// milliseconds, base 36. Records expire, clusters do not: a job ID that comes again must lead neither
// to the framework of a cluster that it once made nor to its node IDs.
func life(r contracts.JobRecord) string { return strconv.FormatInt(r.Received.UnixMilli(), 36) }

// FrameworkName is the name of a cluster's framework in Mesos.
func FrameworkName(cluster string) string { return "clustersmith/" + cluster }

// Abandon gives the attempt up: the framework is to be torn down; then the job ends with
// outcome, or begins a new attempt where outcome is nil. hosts and ports (host:port) are left
// out of later attempts.
func Abandon(r *contracts.JobRecord, outcome *contracts.Outcome, hosts, ports []string) {
	r.Cleanup = true
	r.Pending = outcome
	r.Excluded = union(r.Excluded, hosts)
	r.AvoidPorts = union(r.AvoidPorts, ports)
}

// union is a new slice of what is in either, in order of appearance.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Cleaned books that nothing of the attempt is left. Without a pending outcome the job stands
// where it stood before its first attempt, one attempt later.
func Cleaned(r *contracts.JobRecord, elapsed time.Duration) {
	r.Cleanup, r.CleanupTries = false, 0
	r.Framework, r.PlanKey = "", ""
	if r.Pending == nil {
		leave(r, contracts.PhaseAccepted, elapsed)
		r.Attempt++
	}
}

// Past says whether the job has come further than a phase in this attempt: one that was taken
// over goes through the same waits again, but not through the phases.
func Past(r contracts.JobRecord, phase contracts.Phase) bool {
	phases := order[r.Kind]
	return slices.Index(phases, r.Phase) > slices.Index(phases, phase)
}
