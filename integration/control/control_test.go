package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestSmoke makes every measurement once, small: the program works, and what it says is there.
func TestSmoke(t *testing.T) {
	t.Parallel()
	r, err := measure(t.Context(), plan{large: "30:6", workers: "2", turns: 1, small: 3})
	if err != nil {
		t.Fatal(err)
	}
	l := r.Large[0]
	if l.RunningS[0] <= 0 || l.VerifiedS[0] < l.RunningS[0] || l.PeakMemory < 1<<20 {
		t.Errorf("implausible: %+v", l)
	}
	if l.NATS.Bytes < 1000 || l.Calls.Kind != "ACCEPT" || l.Events.Kind != "OFFERS" {
		t.Errorf("largest messages: NATS %v, calls %v, events %v", l.NATS, l.Calls, l.Events)
	}
	for _, s := range r.Small {
		if s.Creates != 6 || s.PerSecond <= 0 || s.EventsPerSecond < s.PerSecond || s.LeaseHeldMS <= 0 {
			t.Errorf("implausible: %+v", s)
		}
	}
	if fast, slow := r.Small[0], r.Small[1]; slow.MedianMS < 2000 || slow.MedianMS < fast.MedianMS {
		t.Errorf("nodes that form after 2 s are created in %v ms, others in %v ms", slow.MedianMS, fast.MedianMS)
	}

	md := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(md, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.write(&out, filepath.Join(t.TempDir(), "doc.json"), md); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(md)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(text, []byte("before\n"+beginMark)) || !bytes.HasSuffix(text, []byte(endMark+"\nafter\n")) ||
		!bytes.Contains(text, []byte("| 30 | 6 |")) || bytes.Contains(text, []byte("old")) {
		t.Errorf("the tables are not where they belong:\n%s", text)
	}
}
