package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what the processes of a cell have used. Groups are servers, executors, worker, tool
// (redis-cli) and bench: this program, which is the verifier and, for clustersmith, NATS and Mesos.
type usage struct {
	// CPU is in seconds, user and system.
	CPU map[string]float64 `json:"cpu_seconds"`
	// PeakMB sums the peak resident sizes (VmHWM) of a group's processes, MiB. Pages that
	// processes share count in each.
	PeakMB map[string]float64 `json:"peak_mb"`
}

func (u usage) cpu() (all float64) {
	for _, s := range u.CPU {
		all += s
	}
	return all
}

// tick is the unit of times in /proc/<pid>/stat: Linux shows 100 a second on every platform.
const tick = 0.01

// processesIn lists the processes that work in dir or below it.
func processesIn(dir string) (pids []int) {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return nil
	}
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && (cwd == dir || strings.HasPrefix(cwd, dir+"/")) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// usageIn measures the living processes of a cell, which work in dir or below.
func usageIn(dir string) usage {
	u := usage{CPU: map[string]float64{}, PeakMB: map[string]float64{}}
	for _, pid := range processesIn(dir) {
		name, cpu, err := processTimes(pid)
		if err != nil {
			continue // it has just ended
		}
		u.CPU[name] += cpu
		u.PeakMB[name] += peakMB(pid)
	}
	return u
}

// groups are the groups by the beginning of a process's name, the longest first.
var groups = []struct{ prefix, group string }{
	{"clustersmith-ex", "executors"}, {"clustersmith", "worker"}, {"redis-server", "servers"},
	{"valkey-server", "servers"}, {"redis-cli", "tool"}, {"", "other"},
}

func processTimes(pid int) (group string, cpu float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if open < 0 || end < open {
		return "", 0, fmt.Errorf("bench: /proc/%d/stat: %q", pid, text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 13 {
		return "", 0, fmt.Errorf("bench: /proc/%d/stat has %d fields", pid, len(fields))
	}
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return "", 0, err
		}
		cpu += n * tick
	}
	name := string(text[open+1 : end])
	for _, g := range groups {
		if strings.HasPrefix(name, g.prefix) {
			return g.group, cpu, nil
		}
	}
	return "other", cpu, nil
}

func peakMB(pid int) float64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			if err == nil {
				return kb / 1024
			}
		}
	}
	return 0
}

// ownCPU is the CPU time of this process so far, in seconds.
func ownCPU() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
}

// awaitNone waits until no process works in dir or below.
func awaitNone(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for {
		left := processesIn(dir)
		if len(left) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("bench: %d processes are left in %s", len(left), dir)
		}
		pause(ctx, 20*time.Millisecond) // the process table tells nobody when one ends
	}
}
