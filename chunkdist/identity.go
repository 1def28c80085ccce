package chunkdist

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// NodeID derives the Redis Cluster node ID of the node with an index in the cluster with a
// UID: 160 bits of SHA-256, as 40 lowercase hexadecimal digits. Deriving it keeps the plan
// small and lets a resumed job render the same files; the UID keeps two clusters (and two
// attempts at one) from ever sharing an ID.
func NodeID(uid string, index int) string {
	sum := sha256.Sum256([]byte("clustersmith/node/" + uid + "/" + strconv.Itoa(index)))
	return hex.EncodeToString(sum[:20])
}

// SlotRange is the range of slots, both ends included, of a master among masters:
// boundaries at floor(i·16384/masters).
func SlotRange(master, masters int) [2]int {
	return [2]int{master * Slots / masters, (master+1)*Slots/masters - 1}
}
