package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// machine says what was measured on.
func machine() map[string]string {
	m := map[string]string{"cores": fmt.Sprint(runtime.NumCPU()), "arch": runtime.GOARCH, "CPU": "unknown"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m["CPU"] = strings.TrimSpace(value)
				break
			}
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		release, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-") // the rest names a build
		m["kernel"] = unix.ByteSliceToString(u.Sysname[:]) + " " + release
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m["memory"] = fmt.Sprintf("%.0f GiB", float64(info.Totalram)*float64(info.Unit)/(1<<30))
	}
	return m
}

// versions says which programs took part.
func versions(redis string) map[string]string {
	v := map[string]string{"go": runtime.Version()}
	if out, err := exec.Command(redis, "--version").Output(); err == nil {
		v["redis-server"] = "unknown"
		for _, word := range strings.Fields(string(out)) {
			if version, ok := strings.CutPrefix(word, "v="); ok {
				v["redis-server"] = version
			}
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/nats-io/nats-server/v2" {
				v["nats-server"] = strings.TrimPrefix(dep.Version, "v")
			}
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["clustersmith"] = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return v
}
