package verifier

import (
	"slices"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// The checks, by the names that reports give them.
const (
	CheckAnswers     = "answers"
	CheckVersion     = "version"
	CheckIdentity    = "identity"
	CheckState       = "cluster_state"
	CheckCounts      = "cluster_counts"
	CheckMembers     = "members"
	CheckAddresses   = "addresses"
	CheckRoles       = "roles"
	CheckSlots       = "slots"
	CheckEpochs      = "epochs"
	CheckFlags       = "flags"
	CheckLinks       = "links"
	CheckReplication = "replication"
	CheckWrite       = "write"
)

// CheckInfo names a check and says in one line what it means.
type CheckInfo struct{ Name, Meaning string }

var checks = []CheckInfo{
	{CheckAnswers, "the node answers PING and every question in time, without a password"},
	{CheckVersion, "the server is of the requested flavor and major.minor version"},
	{CheckIdentity, "the node at the planned address is the planned node, by its ID"},
	{CheckState, "the node says cluster_state:ok"},
	{CheckCounts, "the node counts as many nodes and masters as planned, and all 16384 slots ok"},
	{CheckMembers, "the node knows every planned node once, and no other"},
	{CheckAddresses, "the node knows every planned node at its ip:port@bus"},
	{CheckRoles, "the node knows every planned node in its role, every replica under its master"},
	{CheckSlots, "the node knows every master with exactly its slots, none of them on the move"},
	{CheckEpochs, "the node knows every master with its config epoch: no collision and no failover took place"},
	{CheckFlags, "the node takes no other for failing, failed, in handshake or without an address"},
	{CheckLinks, "the node is connected to every other and has had a pong from it"},
	{CheckReplication, "a replica's link to its planned master is up; a master has exactly its planned replicas online"},
	{CheckWrite, "the master takes a write, a replica acknowledges it, it is read back and deleted"},
}

// Checks lists all checks in the order in which they are reported.
func Checks() []CheckInfo { return slices.Clone(checks) }

// checkSet is a set of checks, a bit each, in the order of Checks.
type checkSet uint32

func setOf(names ...string) checkSet {
	var s checkSet
	for _, name := range names {
		s |= 1 << slices.IndexFunc(checks, func(c CheckInfo) bool { return c.Name == name })
	}
	return s
}

var (
	allChecks   = checkSet(1)<<len(checks) - 1
	quickChecks = setOf(CheckAnswers, CheckState, CheckCounts)
	writeChecks = setOf(CheckWrite)
	passChecks  = allChecks &^ writeChecks
	viewChecks  = setOf(CheckIdentity, CheckMembers, CheckAddresses, CheckRoles, CheckSlots, CheckEpochs, CheckFlags, CheckLinks)
)

// checkOf is the check that finds a kind of difference.
func checkOf(kind nodesconf.Kind) string {
	switch kind {
	case nodesconf.Identity:
		return CheckIdentity
	case nodesconf.Address:
		return CheckAddresses
	case nodesconf.Role:
		return CheckRoles
	case nodesconf.SlotSet:
		return CheckSlots
	case nodesconf.Epoch:
		return CheckEpochs
	case nodesconf.Flag:
		return CheckFlags
	case nodesconf.Link:
		return CheckLinks
	default: // Unreadable, Unplanned, Missing
		return CheckMembers
	}
}
