package nodesconf_test

import (
	"fmt"
	"strings"

	"github.com/clustersmith/clustersmith/nodesconf"
)

// The file that node 1 of three masters boots from.
func ExampleDialect_NodesConf() {
	dialect, err := nodesconf.LookupDialect("redis", "7.0")
	if err != nil {
		panic(err)
	}
	file, err := dialect.NodesConf(ring(3, 0, 3), 1)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(file))
	// Output:
	// 836911992dc5e58a1b1984a64bd0aa8deb9ff376 10.0.0.1:20000@30000 master - 0 0 1 connected 0-5460
	// 82251b2aa7bade2012446721dacac758a10640b3 10.0.0.2:20001@30001 myself,master - 0 0 2 connected 5461-10921
	// e0a3e2b65c27057111c81caff1f3b67da9be6c36 10.0.0.3:20002@30002 master - 0 0 3 connected 10922-16383
	// vars currentEpoch 3 lastVoteEpoch 0
}

// What node 0 says after the replica of node 1 has taken over from it.
func ExampleComparer_Compare() {
	plan := ring(3, 1, 3)
	layout, err := nodesconf.NewLayout(plan)
	if err != nil {
		panic(err)
	}
	view := `
836911992dc5e58a1b1984a64bd0aa8deb9ff376 10.0.0.1:20000@30000 myself,master - 0 0 1 connected 0-5460
82251b2aa7bade2012446721dacac758a10640b3 10.0.0.2:20001@30001 slave 24bb2ea6ce808c52420d43afa2a2f33a0727f5b7 0 1426238317239 4 connected
e0a3e2b65c27057111c81caff1f3b67da9be6c36 10.0.0.3:20002@30002 master - 0 1426238317239 3 connected 10922-16383
c1f2a7c8d07aba315b60c1080c6b8ca488c58ba7 10.0.0.2:20003@30003 slave 836911992dc5e58a1b1984a64bd0aa8deb9ff376 0 1426238317239 1 connected
24bb2ea6ce808c52420d43afa2a2f33a0727f5b7 10.0.0.3:20004@30004 master - 0 1426238317239 4 connected 5461-10921
bdfcfc465ae73d62b045860e7e48d046351b6386 10.0.0.1:20005@30005 slave e0a3e2b65c27057111c81caff1f3b67da9be6c36 0 1426238317239 3 connected
`
	layout.Comparer().Compare([]byte(strings.TrimSpace(view)), 0, func(d nodesconf.Difference) bool {
		fmt.Printf("%s: expected %s, got %s\n", d.Kind, d.Expected(), d.Got())
		return true
	})
	// Output:
	// role: expected node 1 master, got replica of node 4
	// role: expected node 4 replica of node 1, got master
}
