package verifier_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// fault is something that is wrong with a cluster, and exactly the checks that find it.
type fault struct {
	name              string
	masters, replicas int
	boot              redistest.Options
	options           verifier.Options
	dialect           func(nodesconf.Dialect) nodesconf.Dialect // the requested one, if not the servers'
	// arrange makes it wrong, on a verified cluster if verified is set, else right after the start.
	verified bool
	arrange  func(t *testing.T, c *redistest.Cluster)
	want     []string
	// text is part of a difference.
	text string
	// passing is set where the fault heals by itself: it is enough that one pass sees it so.
	passing bool
	// blind is set where redis-cli --cluster check finds nothing wrong.
	blind bool
}

var faults = []fault{
	{
		name: "two masters with one epoch", masters: 3,
		boot: redistest.Options{EditFiles: func(_ int, nodes, conf []byte) ([]byte, []byte) {
			return bytes.ReplaceAll(nodes, []byte(" 0 0 2 connected"), []byte(" 0 0 1 connected")), conf
		}},
		want: []string{verifier.CheckEpochs}, text: "config epoch", blind: true,
	},
	{
		name: "a slot owned by another", masters: 3, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			for _, i := range []int{2, 0, 1} {
				do(t, c, i, "CLUSTER", "SETSLOT", 0, "NODE", c.Plan.Nodes[2].ID)
			}
		},
		want: []string{verifier.CheckSlots}, text: "0 10922-16383", blind: true,
	},
	{
		name: "a slot on the move", masters: 3, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			do(t, c, 0, "CLUSTER", "SETSLOT", 7, "MIGRATING", c.Plan.Nodes[1].ID)
		},
		want: []string{verifier.CheckSlots}, text: "[7->-", blind: false,
	},
	{
		name: "a replica of the wrong master", masters: 3, replicas: 1, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			do(t, c, 3, "CLUSTER", "REPLICATE", c.Plan.Nodes[1].ID)
		},
		want: []string{verifier.CheckRoles}, text: "replica of node 1", blind: true,
	},
	{
		name: "a failed-over pair", masters: 3, replicas: 1, verified: true,
		boot:    redistest.Options{Config: map[string]string{"cluster-node-timeout": "2000"}}, // news travels sooner
		arrange: func(t *testing.T, c *redistest.Cluster) { do(t, c, 3, "CLUSTER", "FAILOVER") },
		want:    []string{verifier.CheckRoles}, text: "replica of node 3", blind: true,
	},
	{
		name: "a node that is not in the plan", masters: 3, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			other := redistest.Boot(t, redistest.Plan(t, 1, 0, 1), redistest.Options{EditFiles: func(_ int, _, conf []byte) ([]byte, []byte) {
				return nil, conf // without a nodes.conf it is an empty node with an ID of its own
			}})
			n := other.Plan.Nodes[0]
			do(t, c, 0, "CLUSTER", "MEET", n.Host, n.Port, n.BusPort)
		},
		want: []string{verifier.CheckCounts, verifier.CheckMembers}, text: "only planned nodes", blind: true,
	},
	{
		name: "a forgotten node", masters: 3, replicas: 1, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) { do(t, c, 1, "CLUSTER", "FORGET", c.Plan.Nodes[3].ID) },
		want:    []string{verifier.CheckCounts, verifier.CheckMembers}, text: "not known", blind: true,
	},
	{
		name: "a node at another address", masters: 3, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) { do(t, c, 2, "CONFIG", "SET", "cluster-announce-port", 1) },
		want:    []string{verifier.CheckAddresses}, text: ":1@",
	},
	{
		name: "a replica whose link is down", masters: 3, replicas: 1, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			do(t, c, 3, "CONFIG", "SET", "masterauth", "its master has no password")
			do(t, c, 0, "CLIENT", "KILL", "TYPE", "replica")
		},
		want: []string{verifier.CheckReplication}, text: "down", blind: true,
	},
	{
		name: "a node of another version", masters: 3,
		dialect: func(d nodesconf.Dialect) nodesconf.Dialect {
			other, err := nodesconf.LookupDialect(nodesconf.Redis, "7.4")
			if err != nil || other == d {
				panic("the test wants another version")
			}
			return other
		},
		want: []string{verifier.CheckVersion}, text: "not redis 7.4", blind: true,
	},
	{
		name: "state ok, but a peer never started", masters: 3,
		boot: redistest.Options{Skip: []int{2}},
		want: []string{verifier.CheckAnswers, verifier.CheckLinks}, text: "refused",
	},
	{
		name: "a node that hangs", masters: 3, verified: true,
		options: verifier.Options{Timeout: 200 * time.Millisecond},
		arrange: func(t *testing.T, c *redistest.Cluster) { c.Signal(2, syscall.SIGSTOP) },
		want:    []string{verifier.CheckAnswers}, text: "no answer within 200ms",
	},
	{
		name: "a node that hangs and is taken for failing", masters: 3, replicas: 1, verified: true,
		boot:    redistest.Options{Config: map[string]string{"cluster-node-timeout": "500"}},
		options: verifier.Options{Timeout: 200 * time.Millisecond},
		arrange: func(t *testing.T, c *redistest.Cluster) { c.Signal(3, syscall.SIGSTOP) },
		want:    []string{verifier.CheckAnswers, verifier.CheckFlags}, text: "slave,fail",
	},
	{
		name: "a node that needs a password", masters: 3, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) { do(t, c, 2, "CONFIG", "SET", "requirepass", "secret") },
		want:    []string{verifier.CheckAnswers}, text: "NOAUTH",
	},
	{
		name: "a stranger at a planned address", masters: 3, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			c.Kill(2)
			n := c.Plan.Nodes[2]
			moved := fmt.Sprintf("cluster-port \"%d\"", n.BusPort+blockHalf)
			conf := bytes.Replace(c.ReadFile(2, "redis.conf"), fmt.Appendf(nil, "cluster-port \"%d\"", n.BusPort), []byte(moved), 1)
			c.WriteFile(2, "redis.conf", conf)
			c.WriteFile(2, "nodes.conf", nil)
			c.Start(2)
		},
		want: []string{verifier.CheckIdentity, verifier.CheckLinks}, text: "a node that is not in the plan",
	},
	{
		name: "a master that has just started", masters: 3, verified: true, passing: true,
		arrange: func(t *testing.T, c *redistest.Cluster) {
			c.Kill(2)
			c.Start(2)
		},
		want: []string{verifier.CheckState, verifier.CheckCounts}, text: "cluster_state:fail",
	},
	{
		name: "a master that is back from a minority", masters: 3, verified: true, passing: true,
		boot: redistest.Options{Config: map[string]string{"cluster-node-timeout": "1500"}},
		arrange: func(t *testing.T, c *redistest.Cluster) {
			c.Signal(1, syscall.SIGSTOP)
			c.Signal(2, syscall.SIGSTOP)
			await(t, func() bool {
				return bytes.Contains(do(t, c, 0, "CLUSTER", "INFO").([]byte), []byte("cluster_state:fail"))
			})
			c.Signal(1, syscall.SIGCONT)
			c.Signal(2, syscall.SIGCONT)
		},
		want: []string{verifier.CheckState}, text: "cluster_state:fail",
	},
	{
		name: "a master that takes no writes", masters: 3, replicas: 1, verified: true,
		arrange: func(t *testing.T, c *redistest.Cluster) { do(t, c, 1, "CONFIG", "SET", "min-replicas-to-write", 2) },
		want:    []string{verifier.CheckWrite}, text: "NOREPLICAS", blind: true,
	},
}

// blockHalf is an offset within a test's block of ports that no planned node uses.
const blockHalf = 50

// TestFaults makes one thing wrong at a time on real servers and demands that exactly the
// checks find it that say so.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Boot(t, redistest.Plan(t, f.masters, f.replicas, 3), f.boot)
			if f.verified {
				mustVerify(t, newVerifier(t, c.Plan, verifier.Options{}))
			}
			if f.arrange != nil {
				f.arrange(t, c)
			}
			dialect := c.Server.Dialect
			if f.dialect != nil {
				dialect = f.dialect(dialect)
			}
			v, err := verifier.New(c.Plan, dialect, f.options)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			report := awaitFailing(t, v, f)
			if report.OK {
				t.Errorf("OK is set: %+v", report)
			}
			if !slices.ContainsFunc(report.Differences, func(d contracts.Difference) bool {
				return strings.Contains(d.Expected+" / "+d.Got, f.text)
			}) {
				t.Errorf("no difference says %q: %+v", f.text, report.Differences)
			}
			if !f.passing {
				await(t, func() bool { return clusterCheck(t, c) == f.blind })
			}
		})
	}
}

// awaitFailing verifies until exactly the wanted checks fail. A fault that stays is verified
// once more, to see that waiting does not make it good.
func awaitFailing(t *testing.T, v *verifier.Verifier, f fault) contracts.Report {
	t.Helper()
	var report contracts.Report
	writes := slices.Contains(f.want, verifier.CheckWrite)
	for end := time.Now().Add(20 * time.Second); ; {
		var err error
		if writes {
			report = verify(t, v, 500*time.Millisecond)
		} else if report, err = v.Pass(deadline(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(failing(report), f.want) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("failing are %v, expected %v: %+v", failing(report), f.want, report)
		}
	}
	if f.passing {
		return report
	}
	again := verify(t, v, time.Second)
	if again.Passes > 250 {
		t.Errorf("%d passes in a second", again.Passes)
	}
	if got := failing(again); again.OK || len(got) == 0 {
		t.Errorf("after waiting, failing are %v: %+v", got, again)
	}
	return report
}

// failing lists the checks that have differences, in the order of the report.
func failing(r contracts.Report) []string {
	var names []string
	for _, c := range r.Checks {
		if slices.ContainsFunc(r.Differences, func(d contracts.Difference) bool { return d.Check == c.Name }) {
			names = append(names, c.Name)
		}
	}
	return names
}

// clusterCheck reports whether redis-cli --cluster check finds nothing wrong.
func clusterCheck(t *testing.T, c *redistest.Cluster) bool {
	t.Helper()
	out, err := exec.CommandContext(deadline(t, 3*time.Second), "redis-cli", "--cluster", "check", c.Addr(0)).CombinedOutput()
	t.Logf("redis-cli --cluster check: %v\n%s", err, out)
	// Its exit status is 0 for some of what it complains about.
	return err == nil && !bytes.Contains(out, []byte("[ERR]")) && !bytes.Contains(out, []byte("[WARNING]")) &&
		!bytes.Contains(out, []byte("Could not connect"))
}

// await polls until a condition holds; the test fails if it does not within half a minute.
func await(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("what was awaited did not come about")
		}
	}
}
