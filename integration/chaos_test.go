package integration

import (
	"os"
	"strconv"
	"testing"

	"github.com/clustersmith/clustersmith/mesos/local"
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
