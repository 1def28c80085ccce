package integration

import (
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// chaos is how the local Mesos of every test misbehaves: CLUSTERSMITH_TEST_CHAOS is a seed.
func chaos(t testing.TB) *local.Chaos {
	t.Helper()
	text := os.Getenv("CLUSTERSMITH_TEST_CHAOS")
	if text == "" {
		return nil
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("CLUSTERSMITH_TEST_CHAOS is no seed: %v", err)
	}
	return local.NewChaos(seed)
}

// underChaos says that attempts may be lost to what the test did not do itself.
func underChaos() bool { return os.Getenv("CLUSTERSMITH_TEST_CHAOS") != "" }

// takenByChaos says that a job ended with an attempt that was lost to what the test did not do itself.
func takenByChaos(end contracts.Event) bool {
	d := end.Data
	return underChaos() && slices.Contains([]contracts.Reason{contracts.ReasonLaunchFailed, contracts.ReasonStartFailed}, d.Reason) && d.Details != nil &&
		slices.ContainsFunc(d.Details.Tasks, func(f contracts.TaskFailure) bool {
			return slices.Contains([]string{"TASK_UNREACHABLE", "TASK_DROPPED", "TASK_GONE"}, f.State)
		})
}

// oneAttempt is for tests in which more are no better, unless chaos takes one.
func oneAttempt(cfg *worker.Config) {
	if !underChaos() {
		cfg.MaxAttempts = 1
	}
}

// sliced skips a test that is not of the slice of the suite that CLUSTERSMITH_TEST_SLICE asks for:
// k/n is the k-th of n, from 0. Tests are dealt out by their names.
func sliced(t testing.TB) {
	t.Helper()
	text := os.Getenv("CLUSTERSMITH_TEST_SLICE")
	if text == "" {
		return
	}
	var k, n uint32
	if _, err := fmt.Sscanf(text, "%d/%d", &k, &n); err != nil || k >= n {
		t.Fatalf("CLUSTERSMITH_TEST_SLICE is not k/n with k below n: %q", text)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name())) // never fails
	if h.Sum32()%n != k {
		t.Skip("of another slice")
	}
}
