package verifier_test

import (
	"context"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"go.uber.org/goleak"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
)

func TestMain(m *testing.M) {
	// What forks child processes lives as long as the process, by design.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/clustersmith/clustersmith/internal/proc.fork"))
}

// newVerifier makes a Verifier of a plan whose servers are the installed ones.
func newVerifier(t *testing.T, plan chunkdist.Plan, o verifier.Options) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(plan, redistest.Installed(t).Dialect, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// do sends one command to a node and returns its answer.
func do(t *testing.T, c *redistest.Cluster, node int, command string, args ...any) any {
	t.Helper()
	const patience = 30 * time.Second
	conn, err := redis.Dial("tcp", c.Addr(node), redis.DialConnectTimeout(patience),
		redis.DialReadTimeout(patience), redis.DialWriteTimeout(patience))
	if err != nil {
		t.Fatalf("node %d: %v", node, err)
	}
	defer conn.Close()
	reply, err := conn.Do(command, args...)
	if err != nil {
		t.Fatalf("node %d: %s %v: %v", node, command, args, err)
	}
	return reply
}

// deadline is a context that ends after d or with the test.
func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// verify makes a Verify and fails the test if that cannot be decided.
func verify(t *testing.T, v *verifier.Verifier, d time.Duration) contracts.Report {
	t.Helper()
	report, err := v.Verify(deadline(t, d), nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// mustVerify demands a good report.
func mustVerify(t *testing.T, v *verifier.Verifier) contracts.Report {
	t.Helper()
	report := verify(t, v, time.Minute)
	if !report.OK {
		t.Fatalf("not verified: %+v", report)
	}
	return report
}

func TestVerified(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct {
		name                     string
		masters, replicas, hosts int
	}{
		{"3x1", 3, 1, 3}, {"3x0", 3, 0, 3}, {"4x2", 4, 2, 4},
	} {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			c := redistest.Boot(t, redistest.Plan(t, shape.masters, shape.replicas, shape.hosts), redistest.Options{})
			v := newVerifier(t, c.Plan, verifier.Options{})
			var steps []int
			report, err := v.Verify(deadline(t, time.Minute), func(done, total int) {
				if total != len(c.Plan.Nodes) {
					t.Errorf("total is %d", total)
				}
				steps = append(steps, done)
			})
			if err != nil || !report.OK {
				t.Fatalf("%v %+v", err, report)
			}
			for _, check := range report.Checks {
				want := len(c.Plan.Nodes)
				if check.Name == verifier.CheckWrite {
					want = shape.masters
				}
				if check.Passed != want || check.Total != want {
					t.Errorf("%+v, expected %d", check, want)
				}
			}
			if len(report.Checks) != len(verifier.Checks()) || report.Nodes != len(c.Plan.Nodes) || steps[len(steps)-1] != report.Nodes {
				t.Errorf("%+v after progress %v", report, steps)
			}
			for i := range c.Plan.Nodes {
				await(t, func() bool { return do(t, c, i, "DBSIZE") == int64(0) }) // no key is left behind
			}
			if !clusterCheck(t, c) {
				t.Error("redis-cli --cluster check does not agree")
			}
			if again := mustVerify(t, v); again.Passes != 1 {
				t.Errorf("verified again in %d passes", again.Passes)
			}
		})
	}
}
