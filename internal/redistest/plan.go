package redistest

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/heldport"
)

// Blocks of ports: data ports 12000 … 19999, bus ports 10000 above them, as servers before
// Redis 7.0 want it. All are below the ports that Linux gives to outgoing connections.
const (
	firstPort = 12000
	blockSize = 100
	blocks    = 80
	busOffset = 10000
)

// HoldPort returns a free port of 127.0.0.1 for a server that goes and comes back: nobody else is
// given it by chance until the test ends.
func HoldPort(t testing.TB) int {
	t.Helper()
	p, err := heldport.Hold(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return int(p.Addr().Port())
}

// Plan makes a plan of masters and replicas over hosts 127.0.0.2 …, each replica on the
// host after its master's, with ports that are free and stay the test's until it ends.
func Plan(t testing.TB, masters, replicas, hosts int) chunkdist.Plan {
	t.Helper()
	if hosts <= replicas {
		t.Fatalf("%d hosts cannot keep %d copies of a shard apart", hosts, replicas+1)
	}
	nodes := masters * (1 + replicas)
	base := lockBlock(t, hosts, (nodes+hosts-1)/hosts+replicas+1)
	uid := rand.Text()
	p := chunkdist.Plan{Cluster: "test", UID: uid, Masters: masters, Replicas: replicas}
	used := make([]int, hosts)
	for i := range nodes {
		m, copy := i%masters, i/masters
		host := (m + copy) % hosts
		n := chunkdist.Node{
			Index: i, ID: chunkdist.NodeID(uid, i), Host: hostIP(host), Domain: hostIP(host),
			Port: base + used[host], BusPort: base + used[host] + busOffset,
			Role: chunkdist.Master, Slots: [][2]int{},
		}
		used[host]++
		if copy == 0 {
			n.Epoch, n.Slots = uint64(i+1), append(n.Slots, chunkdist.SlotRange(m, masters))
		} else {
			n.Role, n.Master = chunkdist.Replica, &m
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p
}

func hostIP(i int) string { return fmt.Sprintf("127.0.0.%d", 2+i) }

// lockBlock finds a block whose first ports are free on all hosts and returns its first
// port. The lock is a name in Linux' abstract socket space: it ends with its holder.
func lockBlock(t testing.TB, hosts, ports int) int {
	t.Helper()
	if ports > blockSize {
		t.Fatalf("%d nodes on one host are more than a block of %d ports", ports, blockSize)
	}
	for b := range blocks {
		lock, err := net.Listen("unix", "@clustersmith-test-ports-"+strconv.Itoa(b))
		if err != nil {
			continue // another test's
		}
		base := firstPort + b*blockSize
		if !allFree(hosts, ports, base) {
			lock.Close()
			continue
		}
		t.Cleanup(func() { lock.Close() })
		return base
	}
	t.Fatalf("none of %d blocks of ports is free", blocks)
	return 0
}

func allFree(hosts, ports, base int) bool {
	for h := range hosts {
		for p := base; p < base+ports; p++ {
			for _, port := range []int{p, p + busOffset} {
				l, err := net.Listen("tcp", net.JoinHostPort(hostIP(h), strconv.Itoa(port)))
				if err != nil {
					return false
				}
				l.Close()
			}
		}
	}
	return true
}
