package local_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the executor: agents run this very binary with an environment variable.
// And it is the process that a test kills to see its children die.
func TestMain(m *testing.M) {
	if os.Getenv("LOCAL_TEST_EXECUTOR") != "" {
		os.Exit(runTestExecutor(os.Args[1:]))
	}
	if dir := os.Getenv("LOCAL_TEST_PARENT"); dir != "" {
		os.Exit(runTestParent(dir))
	}
	goleak.VerifyTestMain(m,
		// The thread that forks all children lives as long as the process, by design.
		goleak.IgnoreTopFunction("github.com/clustersmith/clustersmith/internal/proc.fork"),
	)
}
