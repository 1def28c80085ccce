package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// results are one run's.
type results struct {
	Made      time.Time `json:"made"`
	Command   string    `json:"command"`
	GoVersion string    `json:"go"`
	CPU       string    `json:"cpu"`
	Cores     int       `json:"cores"`
	Kernel    string    `json:"kernel"`
	Libraries []string  `json:"libraries"`
	Large     []*large  `json:"large"`
	Small     []*small  `json:"small"`
}

func newResults() *results {
	r := &results{
		Made: time.Now().UTC().Truncate(time.Second), Command: strings.Join(append([]string{"go run ./integration/control"}, os.Args[1:]...), " "),
		GoVersion: runtime.Version(), Cores: runtime.NumCPU(), CPU: "unknown", Kernel: "unknown",
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				r.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := exec.Command("uname", "-sr").Output(); err == nil {
		r.Kernel, _, _ = strings.Cut(strings.TrimSpace(string(text)), "-") // the rest names a build
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "github.com/mesos/mesos-go":
				r.Libraries = append(r.Libraries, d.Path+" "+d.Version)
			}
		}
	}
	return r
}

// The tables stand between these lines of the Markdown file.
const (
	beginMark = "<!-- begin: results (written by make bench-control) -->"
	endMark   = "<!-- end: results -->"
)

// write shows the tables on out, and puts JSON and tables where they are wanted.
func (r *results) write(out io.Writer, jsonPath, markdown string) error {
	tables := r.tables()
	if _, err := out.Write(tables); err != nil {
		return err
	}
	if jsonPath != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonPath, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if markdown == "" {
		return nil
	}
	text, err := os.ReadFile(markdown)
	if err != nil {
		return err
	}
	begin, end := bytes.Index(text, []byte(beginMark)), bytes.Index(text, []byte(endMark))
	if begin < 0 || end < begin {
		return fmt.Errorf("%s lacks the lines %q and %q", markdown, beginMark, endMark)
	}
	text = append(append(append(bytes.Clone(text[:begin+len(beginMark)]), '\n', '\n'), tables...), append([]byte{'\n'}, text[end:]...)...)
	return os.WriteFile(markdown, text, 0o644)
}

func (r *results) tables() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s, %d cores of %s, %s, %s, %s.\n\n`%s`\n\n", r.Made.Format("2006-01-02 15:04 UTC"), r.Cores, r.CPU, r.Kernel,
		r.GoVersion, strings.Join(r.Libraries, ", "), r.Command)
	fmt.Fprint(&b, "| nodes | agents | publish → all tasks running | → verified | worker's peak memory | largest in NATS | largest call to Mesos | largest event of Mesos | calls, events |\n")
	fmt.Fprint(&b, "|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range r.Large {
		fmt.Fprintf(&b, "| %d | %d | %.2f s (%s) | %.2f s | %.0f MiB | %.1f KiB (%s) | %.1f KiB (%s) | %.1f KiB (%s) | %d, %d |\n",
			l.Nodes, l.Agents, median(l.RunningS), spread(l.RunningS), median(l.VerifiedS), float64(l.PeakMemory)/(1<<20),
			l.NATS.kib(), l.NATS.Kind, l.Calls.kib(), l.Calls.Kind, l.Events.kib(), l.Events.Kind, l.Calls.Count, l.Events.Count)
	}
	fmt.Fprint(&b, "\n| workers | jobs at a time, each | nodes | creates | creates/s | events/s | lease held | lease waited for | lease's limit | median create |\n")
	fmt.Fprint(&b, "|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.Small {
		fmt.Fprintf(&b, "| %d | %d | %s | %d | %.2f | %.0f | %.1f ms | %.1f ms | %.0f/s | %.0f ms |\n", s.Workers, s.Slots, s.Nodes, s.Creates,
			s.PerSecond, s.EventsPerSecond, s.LeaseHeldMS, s.LeaseWaitMS, 1000/s.LeaseHeldMS, s.MedianMS)
	}
	return b.Bytes()
}

func (l *largest) kib() float64 { return float64(l.Bytes) / 1024 }

// spread is the least and the most.
func spread(values []float64) string {
	least, most := values[0], values[0]
	for _, v := range values {
		least, most = min(least, v), max(most, v)
	}
	return fmt.Sprintf("%.2f–%.2f", least, most)
}
