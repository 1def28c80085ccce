package local_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recorded is one line of a recording.
type recorded struct {
	T    float64 // seconds since the scenario's start
	Dir  string
	Who  string
	HTTP struct {
		Method  string
		Path    string
		Status  int
		Headers map[string]string
	}
	Body   json.RawMessage
	Stream int // of the client's event streams, from 1; 0 is its only one
}

// trace reads the recordings whose names begin with a prefix.
func trace(t *testing.T, prefix string) []recorded {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "traces", prefix+"*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recording %s (%v)", prefix, err)
	}
	var out []recorded
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r recorded
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, r)
		}
		f.Close()
		if err := lines.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return out
}

// What differs between two runs of the same thing, and what takes its place.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "U"},
	{regexp.MustCompile(`U-([OS])\d+`), "U-$1"},
	{regexp.MustCompile(`U-\d{4}`), "U-F"},
	{regexp.MustCompile(`"(timestamp|nanoseconds|executor_pid|port|heartbeat_interval_seconds)":[0-9.]+`), `"$1":0`},
	{regexp.MustCompile(`"capabilities":\[\{"type":"AGENT_UPDATE"[^\]]*\]`), `"capabilities":"of the master"`},
	{regexp.MustCompile(`"uuid":"[^"]*"`), `"uuid":""`},
	{regexp.MustCompile(`127\.0\.0\.\d+(:\d+)?`), "IP"},
	{regexp.MustCompile(`"(task_id|executor_id|framework_id|id)":\{"value":"[^"]*"\}`), `"$1":""`},
	{regexp.MustCompile(`"scalar":\{"value":[0-9.]+\}`), `"scalar":0`},
	{regexp.MustCompile(`\{"begin":\d+,"end":\d+\}(,\{"begin":\d+,"end":\d+\})*`), "range"},
	{regexp.MustCompile(`"text":\{"value":"r\d"\}`), `"text":""`},
	{regexp.MustCompile(`"executor_ids":\[[^\]]*\]`), `"executor_ids":[]`},
	{regexp.MustCompile(`(golden\):|; |by task and its executor is more than available )[0-9.]+`), "${1}N"},
	{regexp.MustCompile(`\[\d+-\d+(, \d+-\d+)*\]`), "[ranges]"},
	{regexp.MustCompile(`("status":)-?[0-9]+`), "${1}0"},
	{regexp.MustCompile(`("type":"MESSAGE".*"data":)"[^"]*"`), `$1""`},
	{regexp.MustCompile(`Offer \S+ `), "Offer O "},
	{regexp.MustCompile(`("ip":)\d+`), "${1}0"},
	{regexp.MustCompile(`Task has duplicate ID: \w+`), "Task has duplicate ID: T"},
}

// normal is an event without what differs between two runs. OFFERS become one text an offer.
func normal(raw string) []string {
	var offers struct {
		Offers struct{ Offers []json.RawMessage }
	}
	if strings.HasPrefix(raw, `{"type":"OFFERS"`) && json.Unmarshal([]byte(raw), &offers) == nil {
		var out []string
		for _, o := range offers.Offers.Offers {
			out = append(out, "OFFER "+normalText(string(o)))
		}
		return out
	}
	return []string{normalText(raw)}
}

func normalText(s string) string {
	for _, v := range volatile {
		s = v.pattern.ReplaceAllString(s, v.with)
	}
	return s
}

// recording is the set of the events of one recorded scenario, without what is volatile.
type recording struct {
	t      *testing.T
	prefix string
	known  map[string]bool
}

func recordingOf(t *testing.T, prefixes ...string) *recording {
	t.Helper()
	r := &recording{t: t, prefix: strings.Join(prefixes, ", "), known: map[string]bool{}}
	for _, prefix := range prefixes {
		for _, line := range trace(t, prefix) {
			for _, n := range normal(string(line.Body)) {
				r.known[n] = true
			}
		}
	}
	return r
}

// has fails unless the recorded Mesos said just the same, identifiers and times apart.
func (r *recording) has(e event) {
	r.t.Helper()
	for _, n := range normal(e.raw) {
		if r.known[n] {
			continue
		}
		nearest := ""
		for k := range r.known {
			if common(k, n) > common(nearest, n) {
				nearest = k
			}
		}
		r.t.Errorf("not in recording %s:\n  %s\nthe nearest there is:\n  %s", r.prefix, n, nearest)
	}
}

// common is the length of the common beginning.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// all checks every event that a scheduler got.
func (r *recording) all(s *scheduler) {
	r.t.Helper()
	s.mu.Lock()
	events := append([]event(nil), s.events...)
	s.mu.Unlock()
	for _, e := range events {
		r.has(e)
	}
}
