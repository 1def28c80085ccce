// Package chunkdist decides which host holds which node of a Redis Cluster. Hosts in, plan
// out: it is pure, so the same plan serves the dry run, the record, the launch and the
// verification, and the same input gives the same plan, byte for byte.
//
// # The laws of a plan
//
// Check enforces them on every plan that Place, Append and Replace return, in production too.
//
//   - No two copies of a shard are on one host, nor in one fault domain where domains are
//     required.
//   - Losing any one host (or required domain) leaves more than half of the masters alive.
//   - A host holds fewer than half of all nodes.
//   - No agent holds more than it offered: CPU, memory, the overhead once per agent, and two
//     ports per node, each used once per host.
//   - Every slot has exactly one master.
//
// A request that has a plan under these laws gets one: feasibility is exact, and does not
// depend on luck with a greedy order.
//
// # Words
//
//   - A shard is a master and its replicas; each of them is a copy.
//   - A site is a host as the planner counts it: so much room, so many masters at most.
//   - A group is the sites that no two copies of a shard may share: a fault domain, or one host.
//   - A chunk is replicas+1 sites that hold each other's replicas: with one replica, host A
//     has master a and b's replica, host B has master b and a's replica.
//   - A seat is an agent of a host and two ports there: room for one node.
//
// # From offers to nodes
//
// In the order in which Place calls them, each in a file of its own:
//
//	input.go     is the input sound?
//	capacity.go  how many nodes has each host room for? (ports.go, overlap.go)
//	problem.go   the question in whole numbers; does it have an answer?
//	counts.go    how many masters and replicas does each site get? As level as can be
//	links.go     which site holds which copy? (chunks.go, tally.go, circle.go)
//	untangle.go  spread the links evenly
//	assemble.go  indices, IDs, agents and ports
//	risk.go      what would the worst losses take?
//	check.go     are all laws kept? (validate.go: those that need no hosts)
//
// Where there is no answer, diagnose.go says which rule stood in the way and what each host
// was short of, and nearest.go what would be possible. Append grows a plan; Replace moves the
// nodes of lost hosts (search.go, flow.go). Draw and DrawInfeasible are for people.
//
// docs/placement.md explains why all this is right and what it costs.
package chunkdist
