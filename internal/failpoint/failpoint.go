// Package failpoint ends the process at a named point of its work, for tests of what a crash
// there leaves behind.
//
// # Laws
//
//   - Only a program that is built with the tag failpoints can end like that; in every other one
//     Hit is empty, and the environment is not looked at.
//   - A process ends by SIGKILL of itself: nothing is flushed, closed or told. With
//     CLUSTERSMITH_FAILPOINT_FREEZE it is stopped there instead, and goes on at SIGCONT.
//   - All is the closed list of points, in the order in which a job comes to them.
//
// CLUSTERSMITH_FAILPOINT is a point's name, or name:N for the N-th time that the process comes to
// it. With CLUSTERSMITH_FAILPOINT_ARM, the path of a file, a process ends there only if it can
// remove that file: of many processes that share it, one does, once for each time that somebody
// makes the file. Only times after the file was made count.
package failpoint

import "github.com/clustersmith/clustersmith/contracts"

// Point is a place between two effects that a worker has on the world.
type Point string

// The points, each named by what was done last. Saved and Told make one for each phase.
const (
	Received     Point = "received"          // a message was taken, nothing was written
	Claimed      Point = "claimed"           // the record names its owner
	Reserved     Point = "reserved"          // the cluster's name is the job's
	Chosen       Point = "framework-chosen"  // the record names a framework ID
	Leased       Point = "leased"            // the role's lease is held
	Subscribed   Point = "subscribed"        // Mesos knows the framework
	PlanStored   Point = "plan-stored"       // the plan has a key, which the record does not name
	AcceptedOne  Point = "one-accepted"      // the first ACCEPT was answered
	Launched     Point = "launched"          // all were, and what was left over is given back
	Released     Point = "lease-released"    // the next job may receive offers
	Gone         Point = "nodes-gone"        // no node of a torn-down framework answers
	GoSent       Point = "go-sent"           // the barrier is being released
	Verified     Point = "verified"          // the nodes are as planned, which nobody knows yet
	Raised       Point = "timeout-raised"    // Mesos keeps the framework for years
	Kept         Point = "kept"              // the cluster's record says that it is there
	Abandoned    Point = "abandoned"         // the record says that the attempt is to be cleaned up
	TornDown     Point = "torn-down"         // Mesos has removed the framework
	Cleaned      Point = "attempt-cleaned"   // the record says that nothing of the attempt is left
	Freed        Point = "name-freed"        // the cluster's name is free
	Destroying   Point = "marked-destroying" // the cluster's record says that it is to go
	Removed      Point = "record-removed"    // the cluster has no record any more
	HandedBack   Point = "handed-back"       // the record is free, its message is not yet
	CancelAsked  Point = "cancel-recorded"   // the key that asks for the cancellation is there
	Buried       Point = "buried"            // the dead letter is stored, its original is queued
	Ended        Point = "ended"             // the record has the terminal event
	ResultStored Point = "result-stored"     // the results have it too
	EventStored  Point = "event-stored"      // and the events
	Acknowledged Point = "acknowledged"      // the queue has forgotten the message
)

// Saved is the point at which the record has an event of a phase that nobody was told of.
func Saved(phase contracts.Phase) Point { return Point("saved-" + phase) }

// Told is the point at which everybody was told of a phase.
func Told(phase contracts.Phase) Point { return Point("told-" + phase) }

// All is the list of points.
var All = []Point{
	Received, Claimed,
	Saved(contracts.PhaseAccepted), Told(contracts.PhaseAccepted), Reserved, Chosen, Leased, Subscribed,
	Saved(contracts.PhaseWaitingResources), Told(contracts.PhaseWaitingResources), HandedBack,
	PlanStored, Saved(contracts.PhasePlanned), Told(contracts.PhasePlanned), AcceptedOne, Launched, Released,
	Saved(contracts.PhaseLaunching), Told(contracts.PhaseLaunching), GoSent,
	Saved(contracts.PhaseStarting), Told(contracts.PhaseStarting),
	Saved(contracts.PhaseForming), Told(contracts.PhaseForming),
	Saved(contracts.PhaseVerifying), Told(contracts.PhaseVerifying),
	Verified, Raised, Kept,
	CancelAsked, Abandoned, TornDown, Gone, Cleaned, Freed,
	Destroying, Saved(contracts.PhaseDestroying), Told(contracts.PhaseDestroying), Removed,
	Buried, Ended, ResultStored, EventStored, Acknowledged,
}
