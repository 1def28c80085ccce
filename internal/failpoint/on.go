//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	chosen, nth = parse(os.Getenv("CLUSTERSMITH_FAILPOINT"))
	armed       = os.Getenv("CLUSTERSMITH_FAILPOINT_ARM")
	freezes     = os.Getenv("CLUSTERSMITH_FAILPOINT_FREEZE") != ""
	passed      atomic.Int64
)

// parse reads name or name:N. A point that there is not would make a test of nothing.
func parse(text string) (Point, int64) {
	if text == "" {
		return "", 0
	}
	name, times, found := strings.Cut(text, ":")
	n, err := int64(1), error(nil)
	if found {
		n, err = strconv.ParseInt(times, 10, 64)
	}
	if err != nil || n < 1 || !slices.Contains(All, Point(name)) {
		panic(fmt.Sprintf("CLUSTERSMITH_FAILPOINT: %q is neither a point nor point:N", text))
	}
	return Point(name), n
}

// Hit ends or freezes the process if p is the chosen point, armed, and this the time.
func Hit(p Point) {
	if p != chosen || armed != "" && !there(armed) {
		return
	}
	if passed.Add(1) < nth || armed != "" && os.Remove(armed) != nil {
		return
	}
	if freezes {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP) //nolint:errcheck // it goes on where SIGCONT finds it
		time.Sleep(50 * time.Millisecond)          // it takes effect a moment later
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // there is nobody to tell
	select {}
}

func there(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
