package chunkdist_test

import (
	"errors"
	"fmt"

	"github.com/clustersmith/clustersmith/chunkdist"
)

func hosts(n int) []chunkdist.Host {
	var out []chunkdist.Host
	for i := range n {
		out = append(out, chunkdist.Host{
			Name: fmt.Sprintf("10.0.0.%d", i+1),
			Agents: []chunkdist.Agent{{
				ID: fmt.Sprintf("agent-%d", i+1), CPUs: 4, MemoryMB: 8192,
				Ports: []chunkdist.PortRange{{Begin: 31000, End: 31999}},
			}},
		})
	}
	return out
}

// Four masters with a replica each become two chunks: two hosts that hold each other's replica.
func ExamplePlace() {
	plan, err := chunkdist.Place(chunkdist.Spec{
		Cluster: "orders", UID: "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11",
		Masters: 4, Replicas: 1,
		Node:     chunkdist.Resources{CPUs: 0.5, MemoryMB: 1024},
		Overhead: chunkdist.Resources{CPUs: 0.1, MemoryMB: 32},
	}, hosts(4))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range plan.Nodes {
		fmt.Println(n.Index, n.Role, n.Host, n.Port, n.BusPort, n.Slots)
	}
	// Output:
	// 0 master 10.0.0.1 31000 31001 [[0 4095]]
	// 1 master 10.0.0.2 31000 31001 [[4096 8191]]
	// 2 master 10.0.0.3 31000 31001 [[8192 12287]]
	// 3 master 10.0.0.4 31000 31001 [[12288 16383]]
	// 4 replica 10.0.0.2 31002 31003 []
	// 5 replica 10.0.0.1 31002 31003 []
	// 6 replica 10.0.0.4 31002 31003 []
	// 7 replica 10.0.0.3 31002 31003 []
}

// A request without a plan says why, and what would be possible.
func ExampleInfeasible() {
	_, err := chunkdist.Place(chunkdist.Spec{
		Cluster: "orders", Masters: 4, Replicas: 1, Node: chunkdist.Resources{CPUs: 0.5, MemoryMB: 1024},
	}, hosts(3))
	var no *chunkdist.Infeasible
	if errors.As(err, &no) {
		fmt.Println(no.Rule, no.Have, "of", no.Need)
		fmt.Println(no.Nearest)
	}
	// Output:
	// majority 3 of 4
	// 3 masters instead of 4, or 1 more host like 10.0.0.1
}
