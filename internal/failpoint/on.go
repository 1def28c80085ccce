//go:build failpoints

package failpoint

import (
	"os"
	"syscall"
)

var (
	chosen = Point(os.Getenv("CLUSTERSMITH_FAILPOINT"))
	armed  = os.Getenv("CLUSTERSMITH_FAILPOINT_ARM")
)

// Hit ends the process if p is the chosen point, and armed.
func Hit(p Point) {
	if p != chosen || armed != "" && os.Remove(armed) != nil {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // there is nobody to tell
	select {}
}
