package local_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the executor: agents run this very binary with an environment variable.
func TestMain(m *testing.M) {
	if os.Getenv("LOCAL_TEST_EXECUTOR") != "" {
		os.Exit(runTestExecutor(os.Args[1:]))
	}
	goleak.VerifyTestMain(m,
		// The thread that forks all children lives as long as the process, by design.
		goleak.IgnoreTopFunction("github.com/clustersmith/clustersmith/internal/proc.fork"),
	)
}
