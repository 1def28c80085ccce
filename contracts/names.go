package contracts

import (
	"fmt"
	"strings"
)

// Streams, by the name that JetStream knows them under.
const (
	StreamJobs       = "CLUSTERSMITH_JOBS"
	StreamEvents     = "CLUSTERSMITH_EVENTS"
	StreamResults    = "CLUSTERSMITH_RESULTS"
	StreamDead       = "CLUSTERSMITH_DEAD"
	StreamAdvisories = "CLUSTERSMITH_ADVISORIES"
)

// Key-value buckets.
const (
	// BucketClusters holds one ClusterRecord per cluster name.
	BucketClusters = "clustersmith-clusters"
	// BucketJobs holds the JobRecord of a job under its ID, and the keys that
	// JobCancelKey and JobPlanKey name.
	BucketJobs = "clustersmith-jobs"
	// BucketLeases holds a LeaseRecord per lease; LeaseKey names the keys.
	BucketLeases = "clustersmith-leases"
)

// Subjects that requests are published on.
const (
	SubjectCreate  = "clustersmith.v1.jobs.create"
	SubjectDestroy = "clustersmith.v1.jobs.destroy"
	SubjectVerify  = "clustersmith.v1.jobs.verify"
	SubjectCancel  = "clustersmith.v1.jobs.cancel"
)

// Subject patterns that the streams capture.
const (
	SubjectsJobs    = "clustersmith.v1.jobs.>"
	SubjectsEvents  = "clustersmith.v1.events.>"
	SubjectsResults = "clustersmith.v1.results.*"
	SubjectsDead    = "clustersmith.v1.dead.>"
)

// JobSubject is the subject that requests for a kind of job are published on.
func JobSubject(kind JobKind) string { return strings.TrimSuffix(SubjectsJobs, ">") + string(kind) }

// EventSubject is the subject that an event of a job is published on:
// clustersmith.v1.events.<cluster>.<job>.<type>.
func EventSubject(cluster, job string, t EventType) string {
	return "clustersmith.v1.events." + cluster + "." + job + "." + string(t)
}

// ClusterEvents is the pattern of every event about a cluster; an empty name
// means every cluster.
func ClusterEvents(cluster string) string {
	if cluster == "" {
		return SubjectsEvents
	}
	return "clustersmith.v1.events." + cluster + ".>"
}

// JobEvents is the pattern of every event of one job, whatever its cluster.
func JobEvents(job string) string { return "clustersmith.v1.events.*." + job + ".*" }

// ResultSubject is the subject of a job's terminal event in StreamResults.
func ResultSubject(job string) string { return "clustersmith.v1.results." + job }

// DeadSubject is the subject of a dead letter: the last token of the subject
// that the message came on (create, destroy, …), or "unknown".
func DeadSubject(kind string) string { return "clustersmith.v1.dead." + kind }

// JobCancelKey is the key in BucketJobs whose presence asks for a job's cancellation.
func JobCancelKey(job string) string { return job + ".cancel" }

// JobPlanKey is the key in BucketJobs of the plan that the holder of a fence made in an
// attempt at a job. The fence keeps a former owner from overwriting its successor's plan.
func JobPlanKey(job string, attempt int, fence uint64) string {
	return fmt.Sprintf("%s.plan.%d.%d", job, attempt, fence)
}

// LeaseKey is the key in BucketLeases of the Mesos subscription lease of a role.
// Bytes that a key cannot hold ('*', '/' …) are written as =XX (hexadecimal), so two
// roles never share a key.
func LeaseKey(role string) string {
	var b strings.Builder
	b.WriteString("mesos.")
	for i := range len(role) {
		switch c := role[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}
