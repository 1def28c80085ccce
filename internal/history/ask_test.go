package history_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/history"
	"github.com/clustersmith/clustersmith/internal/redistest"
)

// A real cluster, asked: it is as planned; with one node more, or another slot, in the plan, it is
// not; and a node that hangs does not answer.
func TestARealClusterIsAsked(t *testing.T) {
	t.Parallel()
	booted := redistest.Boot(t, redistest.Plan(t, 3, 1, 3), redistest.Options{})
	p := &history.Plan{Cluster: "kept", UID: maker}
	for _, n := range booted.Plan.Nodes {
		one := history.Node{Index: n.Index, ID: n.ID, Host: n.Host, Port: n.Port, BusPort: n.BusPort, Role: "master", Master: n.Master}
		if n.Master != nil {
			one.Role = "replica"
		}
		for _, s := range n.Slots {
			one.Slots = append(one.Slots, [2]int(s))
		}
		p.Nodes = append(p.Nodes, one)
	}
	judge := func() (text string) {
		r := clean()
		r.at(maker, 3).Data.Plan = p
		r.cluster(func(c *history.Cluster) { c.Plan = p })
		for i := range p.Nodes {
			r.Views[booted.Addr(i)] = history.Ask(t.Context(), booted.Addr(i))
		}
		for _, b := range history.Judge(r.Snapshot) {
			if strings.Contains(b.Text, "node ") { // tasks and processes are not of this cluster
				text += b.String() + "\n"
			}
		}
		return text
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) { // nobody tells when it is formed
		text := judge()
		if text == "" {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("never as planned:\n%s", text)
		}
	}

	p.Nodes[0].Slots[0][1]--
	if text := judge(); strings.Count(text, "it sees the slots") != len(p.Nodes) {
		t.Errorf("each node should see one slot too many:\n%s", text)
	}
	p.Nodes[0].Slots[0][1]++
	last := len(p.Nodes) - 1
	p.Nodes[last].Role = "master"
	if text := judge(); strings.Count(text, fmt.Sprintf("it sees node %d as", last)) != len(p.Nodes) {
		t.Errorf("each node should see a replica where a master was planned:\n%s", text)
	}
	p.Nodes[last].Role = "replica"
	booted.Signal(0, syscall.SIGSTOP)
	if v := history.Ask(t.Context(), booted.Addr(0)); v.State != "" || v.Err == "" {
		t.Errorf("a node that hangs answered: %+v", v)
	}
	booted.Signal(0, syscall.SIGCONT)
}
