package verifier_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
)

// TestLinkDownOneWay cuts the link from node 0 to node 2 and leaves the one from 2 to 0. Every
// node says ok, no node takes another for failing, and all of them know the same layout.
func TestLinkDownOneWay(t *testing.T) {
	t.Parallel()
	if server := redistest.Installed(t); server.Dialect.BusOffset() != 0 {
		t.Skipf("%s cannot listen elsewhere than on the bus port that it announces", server.Dialect)
	}
	plan := redistest.Plan(t, 3, 0, 3)
	n := plan.Nodes[2]
	behind := n.BusPort + blockHalf
	filterBus(t, net.JoinHostPort(n.Host, strconv.Itoa(n.BusPort)), net.JoinHostPort(n.Host, strconv.Itoa(behind)), plan.Nodes[0].ID)
	c := redistest.Boot(t, plan, redistest.Options{EditFiles: func(i int, nodes, conf []byte) ([]byte, []byte) {
		if i == 2 {
			conf = bytes.Replace(conf, fmt.Appendf(nil, "cluster-port \"%d\"", n.BusPort), fmt.Appendf(nil, "cluster-port \"%d\"", behind), 1)
		}
		return nodes, conf
	}})
	f := fault{want: []string{verifier.CheckLinks}}
	report := awaitFailing(t, newVerifier(t, plan, verifier.Options{}), f)
	for _, d := range report.Differences {
		if d.Node != 0 || d.Expected != "node 2 connected and heard from" {
			t.Errorf("a difference besides node 0's link to node 2: %+v", d)
		}
	}
	if !clusterCheck(t, c) {
		t.Error("redis-cli --cluster check sees it: the documentation says that it does not")
	}
}

// filterBus forwards a node's bus port to where the node really listens, except for the
// connections of one sender, which it closes.
func filterBus(t *testing.T, from, to, refused string) {
	t.Helper()
	l, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { forward(in, to, refused) })
		}
	})
	// The servers must be gone before their connections are waited for; they are, because
	// they are started, and so cleaned up, after this.
}

// forward reads the start of the first message, which holds its sender's ID, and decides.
func forward(in net.Conn, to, refused string) {
	defer in.Close()
	const senderAt, headerLen = 40, 80
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(in, head); err != nil || string(head[senderAt:headerLen]) == refused {
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	if _, err := out.Write(head); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(in, out) // until either end closes
		in.Close()
	}()
	_, _ = io.Copy(out, in)
	out.Close()
	<-done
}
