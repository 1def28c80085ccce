package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// insideEnv tells a run of this program that it has a network namespace of its own.
const insideEnv = "CLUSTERSMITH_BENCH_NAMESPACE"

// errNoNamespace means that this user may not have a network namespace on this kernel.
var errNoNamespace = errors.New("no network namespace")

// inNamespace runs this program again, with the same arguments, in a network namespace of its
// own, until it ends; ctx's end is passed on as SIGINT.
func inNamespace(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := proc.Start(cmd); err != nil {
		return fmt.Errorf("%w: %w", errNoNamespace, err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(os.Interrupt) }) //nolint:errcheck // it may have ended
	defer stop()
	// A terminal's Ctrl-C reaches the child as well; twice is no harm.
	return cmd.Wait()
}

// interrupted is a context that ends with SIGINT or SIGTERM.
func interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// raiseLoopback brings the loopback interface of a new namespace up.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bench: socket: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bench: lo: %w", err)
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bench: bring lo up: %w", err)
	}
	return nil
}

// refusedSoFar is the number of connection attempts that were refused in this network namespace
// (AttemptFails of its TCP), or -1 where the namespace is not this run's own.
func refusedSoFar() int64 {
	if os.Getenv(insideEnv) == "" {
		return -1
	}
	text, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		return -1
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "AttemptFails" && i < len(fields) {
				if n, err := strconv.ParseInt(fields[i], 10, 64); err == nil {
					return n
				}
			}
		}
	}
	return -1
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
