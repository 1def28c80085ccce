package nodesconf

import (
	"fmt"
	"strconv"
	"strings"
)

const mib = 1 << 20

// minDataMB is the least maxmemory that is worth a node.
const minDataMB = 8

// BusMB is the memory, in MiB, of an empty server in a cluster of a number of nodes: the
// program, and for each peer two bus links whose buffers hold gossip about a tenth of the
// cluster, so it grows with the square. Measured on Redis 7.0: 16 MB among 300 nodes, 44 MB
// among 600; the formula gives 18 and 48.
func BusMB(nodes int) int { return 8 + (nodes*nodes+8999)/9000 }

// MaxMemory derives maxmemory, in bytes, for a node that has memoryMB in a cluster of a
// number of nodes. BusMB comes off first. Of the rest, 15 % is left for fragmentation and the
// buffers of clients; a server that forks (for a replica's sync, for RDB or AOF) leaves a further
// 20 % for the pages that are written while the child lives.
func MaxMemory(memoryMB, nodes int, forks bool) (int64, error) {
	if least := LeastMB(nodes, forks); memoryMB < least {
		return 0, fmt.Errorf("%d MB is too little for a node of a cluster of %d: at least %d MB", memoryMB, nodes, least)
	}
	return int64(memoryMB-BusMB(nodes)) * percentOfData(forks) / 100 * mib, nil
}

// LeastMB is the least memory, in MiB, that MaxMemory finds enough.
func LeastMB(nodes int, forks bool) int {
	percent := percentOfData(forks)
	return BusMB(nodes) + int((minDataMB*100+percent-1)/percent)
}

func percentOfData(forks bool) int64 {
	if forks {
		return 65
	}
	return 85
}

// parseBytes reads an amount of memory as redis.conf writes it: 100, 1k, 1kb, 5m, 5mb, 1g, 1gb.
func parseBytes(s string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"kb", 1 << 10}, {"mb", mib}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}, {"", 1}}
	lower := strings.ToLower(s)
	for _, u := range units {
		digits, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 62)
		if err != nil || int64(n) > (1<<62)/u.factor {
			break
		}
		return int64(n) * u.factor, nil
	}
	return 0, fmt.Errorf("%q is not an amount of memory such as 512mb", s)
}
