package verifier_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// script plays the servers of a plan that is too large for one machine: it answers the
// verifier's questions as servers do whose cluster is as planned.
type script struct {
	plan     chunkdist.Plan
	renderer *nodesconf.Renderer
	index    map[string]int // by address
	miscount int            // what node 0 adds to cluster_known_nodes
	down     atomic.Int32   // how often node 0 still says that the cluster is down
	silent   string         // the command that is never answered
	wrote    atomic.Bool
	roles    *swap // nil: as planned
	wg       sync.WaitGroup
}

func newScript(t testing.TB, masters int) (*script, nodesconf.Dialect) {
	t.Helper()
	d, err := nodesconf.LookupDialect(nodesconf.Redis, "7.0")
	if err != nil {
		t.Fatal(err)
	}
	const hosts = 100
	s := &script{plan: chunkdist.Plan{Cluster: "large", UID: "large", Masters: masters, Replicas: 1}, index: make(map[string]int)}
	for i := range 2 * masters {
		m := i % masters
		n := chunkdist.Node{
			Index: i, ID: chunkdist.NodeID("large", i), Host: fmt.Sprintf("10.0.0.%d", (m+i/masters)%hosts),
			Port: 7000 + i, BusPort: 17000 + i, Role: chunkdist.Master, Epoch: uint64(i + 1), Slots: [][2]int{},
		}
		if i < masters {
			n.Slots = append(n.Slots, chunkdist.SlotRange(m, masters))
		} else {
			n.Role, n.Master, n.Epoch = chunkdist.Replica, &m, 0
		}
		s.plan.Nodes = append(s.plan.Nodes, n)
		s.index[net.JoinHostPort(n.Host, strconv.Itoa(n.Port))] = i
	}
	if s.renderer, err = d.Renderer(s.plan); err != nil {
		t.Fatal(err)
	}
	return s, d
}

func (s *script) dial(_ context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	s.wg.Go(func() {
		defer server.Close()
		s.serve(server, s.index[address])
	})
	return client, nil
}

// serve answers commands until the connection ends.
func (s *script) serve(conn net.Conn, self int) {
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		switch reply := s.answer(words, self).(type) {
		case int:
			fmt.Fprintf(out, ":%d\r\n", reply)
		case string:
			fmt.Fprintf(out, "+%s\r\n", reply)
		case []byte:
			fmt.Fprintf(out, "$%d\r\n%s\r\n", len(reply), reply)
		}
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

func (s *script) answer(words []string, self int) any {
	n := s.plan.Nodes[self]
	if words[0] == s.silent || strings.Join(words, " ") == s.silent {
		return nil
	}
	switch strings.Join(words[:min(2, len(words))], " ") {
	case "PING":
		return "PONG"
	case "INFO server":
		return []byte("# Server\r\nredis_version:7.0.15\r\n")
	case "CLUSTER INFO":
		state := "ok"
		if self == 0 && s.down.Add(-1) >= 0 {
			state = "fail"
		}
		return fmt.Appendf(nil, "cluster_state:"+state+"\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\n",
			s.known(self), s.plan.Masters)
	case "CLUSTER NODES":
		view, err := s.renderer.AppendNodesConf(nil, self)
		if err != nil {
			return "none"
		}
		view = view[:bytes.LastIndex(view, []byte("vars "))]
		return s.roles.view(s.plan, bytes.ReplaceAll(view, []byte(" 0 0 "), []byte(" 0 9 ")))
	case "CLUSTER FAILOVER":
		return s.roles.ask()
	case "INFO replication":
		if n.Index == 0 && s.roles.swapped() {
			m := s.plan.Nodes[s.plan.Masters]
			return fmt.Appendf(nil, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:up\r\n", m.Host, m.Port)
		}
		if n.Master != nil {
			m := s.plan.Nodes[*n.Master]
			return fmt.Appendf(nil, "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:up\r\n", m.Host, m.Port)
		}
		r := s.plan.Nodes[self+s.plan.Masters]
		return fmt.Appendf(nil, "role:master\r\nconnected_slaves:1\r\nslave0:ip=%s,port=%d,state=online,offset=1,lag=0\r\n", r.Host, r.Port)
	}
	switch words[0] {
	case "SET":
		s.wrote.Store(true)
		return "OK"
	case "GET":
		return []byte(s.plan.UID)
	}
	return 1 // WAIT, DEL
}

// known is how many nodes a node says that it knows.
func (s *script) known(self int) int {
	if self == 0 {
		return len(s.plan.Nodes) + s.miscount
	}
	return len(s.plan.Nodes)
}

func readCommand(in *bufio.Reader) ([]string, error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	if err != nil {
		return nil, err
	}
	words := make([]string, n)
	for i := range words {
		size, err := number()
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		words[i] = string(word[:size])
	}
	return words, nil
}

// TestTwoThousandNodes verifies 2,000 nodes, whose views are half a gigabyte in all, and never
// holds more than a fraction of that.
func TestTwoThousandNodes(t *testing.T) {
	masters := 1000
	if raceDetector || testing.Short() {
		masters = 200
	}
	s, d := newScript(t, masters)
	v, err := verifier.New(s.plan, d, verifier.Options{Dial: s.dial, Timeout: time.Minute}) // a busy machine is not the subject
	if err != nil {
		t.Fatal(err)
	}
	peak, stop := watchHeap()
	start := time.Now()
	report, err := v.Verify(deadline(t, 2*time.Minute), nil)
	took := time.Since(start)
	stop()
	v.Close()
	s.wg.Wait()
	if err != nil || !report.OK || report.Passes != 1 {
		t.Fatalf("%v %+v", err, report)
	}
	t.Logf("%v, at most %d MB of heap", took, *peak>>20)
	if *peak > 300<<20 {
		t.Errorf("%d MB of heap at a time", *peak>>20)
	}
}

// watchHeap samples the bytes of heap objects until it is stopped.
func watchHeap() (peak *uint64, stop func()) {
	peak = new(uint64)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(sample)
			*peak = max(*peak, sample[0].Value.Uint64())
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return peak, func() {
		close(quit)
		<-done
	}
}
