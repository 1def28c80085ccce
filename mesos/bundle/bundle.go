// Package bundle is what the worker hands to the executors: everything that a host needs
// to run its nodes of one cluster, as one compact value in ExecutorInfo.data.
//
// Duty: small and complete. The value is repeated in SUBSCRIBED and in every LAUNCH event,
// so it carries the plan without what can be derived (node IDs, slots, epochs, domains) and
// is compressed; each host renders its own nodes.conf files from it.
//
// Law: Decode(Encode(b)) equals b, and equal bundles encode to equal bytes, because Mesos
// refuses a second ExecutorInfo that differs from the first.
package bundle

import "github.com/clustersmith/clustersmith/chunkdist"

// Bundle is one cluster as its executors see it.
type Bundle struct {
	Plan chunkdist.Plan
	// Job and Attempt name the try that the tasks belong to (for logs).
	Job     string
	Attempt int
	// Flavor ("redis", "valkey") and Version (major.minor) of the server; Persistence and
	// Config as in the request.
	Flavor      string
	Version     string
	Persistence string
	Config      map[string]string
	// MemoryMB is the Mesos memory of one node, in MiB.
	MemoryMB int
}
