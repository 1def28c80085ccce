package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// running is a process as the process table had it.
type running struct {
	pid     int
	command string
}

func (p running) String() string { return fmt.Sprintf("%d %s", p.pid, p.command) }

// processesIn lists the processes that work in a directory or below it.
func processesIn(dir string) ([]running, error) {
	table, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer table.Close()
	names, err := table.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var found []running
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue // not a process
		}
		cwd, err := os.Readlink(filepath.Join("/proc", name, "cwd"))
		if err != nil || !strings.HasPrefix(cwd, dir+"/") {
			continue // one that has ended meanwhile, a zombie too, has no directory
		}
		if command, err := os.ReadFile(filepath.Join("/proc", name, "cmdline")); err == nil {
			found = append(found, running{pid, strings.ReplaceAll(string(command), "\x00", " ")})
		}
	}
	return found, nil
}

// awaitEnd waits until a process, of whomever it is a child, has ended or the deadline is over.
func awaitEnd(pid int, deadline time.Time) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		left := max(0, int(time.Until(deadline).Milliseconds()))
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, left)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// noProcessLeft checks that no process has its working directory in the world's sandboxes, or that they end soon.
func (w *world) noProcessLeft() {
	w.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		left, err := processesIn(w.dir)
		must(w.t, err)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("processes left behind: %v", left)
			return
		}
		for _, p := range left {
			must(w.t, awaitEnd(p.pid, deadline))
		}
	}
}
