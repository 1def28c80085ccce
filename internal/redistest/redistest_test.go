package redistest_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/clustersmith/clustersmith/internal/redistest"
)

// TestNothingIsLeft: when a test is over, its servers are gone, also the stopped ones.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	var pids []int
	t.Run("boot", func(t *testing.T) {
		c := redistest.Boot(t, redistest.Plan(t, 3, 0, 3), redistest.Options{})
		c.Signal(1, syscall.SIGSTOP)
		c.Kill(2)
		c.Start(2)
		for i := range c.Plan.Nodes {
			pids = append(pids, c.Pid(i))
		}
	})
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

// TestPlansShareNoPort: plans that are held at the same time have ports of their own.
func TestPlansShareNoPort(t *testing.T) {
	t.Parallel()
	taken := make(map[string]bool)
	for range 3 {
		for _, n := range redistest.Plan(t, 4, 2, 3).Nodes {
			for _, port := range []int{n.Port, n.BusPort} {
				address := fmt.Sprintf("%s:%d", n.Host, port)
				if taken[address] {
					t.Errorf("%s is planned twice", address)
				}
				taken[address] = true
			}
		}
	}
}
