package executor

import (
	"bytes"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/nodesconf"
)

const base, most = 500 * time.Millisecond, 30 * time.Second

func TestRestartsAreBounded(t *testing.T) {
	t.Parallel()
	var r restarts
	now := time.Unix(0, 0)
	for i, want := range []time.Duration{0, 500, 1000, 2000, 4000} {
		wait, tooMany := r.next(now, base, most, 0.5)
		if tooMany || wait != want*time.Millisecond {
			t.Errorf("restart %d: after %s, %v; want %d ms", i+1, wait, tooMany, want)
		}
		now = now.Add(time.Minute)
	}
	for range 100 {
		if wait, tooMany := r.next(now, base, most, 0.5); !tooMany || wait != most || len(r.at) > maxRestarts {
			t.Errorf("one more within ten minutes: after %s, %v; %d are remembered", wait, tooMany, len(r.at))
		}
	}
	now = now.Add(restartWindow - 1)
	if wait, tooMany := r.next(now, base, most, 0.5); !tooMany || wait != most {
		t.Errorf("not quite ten minutes after the last: after %s, %v", wait, tooMany)
	}
	now = now.Add(time.Minute)
	if wait, tooMany := r.next(now, base, most, 0.5); tooMany || wait != base {
		t.Errorf("when all but one are over: after %s, %v", wait, tooMany)
	}
	if wait, tooMany := r.next(now.Add(time.Hour), base, most, 0); tooMany || wait != 0 {
		t.Errorf("an hour later: after %s, %v", wait, tooMany)
	}
}

func TestJitterStaysAroundTheWait(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 0.999} {
		var r restarts
		r.next(time.Unix(0, 0), base, most, jitter)
		if wait, _ := r.next(time.Unix(0, 0), base, most, jitter); wait < 250*time.Millisecond || wait >= 750*time.Millisecond {
			t.Errorf("jitter %v: %s", jitter, wait)
		}
	}
}

func TestFailoverWait(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 1, 3)
	dialect, err := nodesconf.LookupDialect("redis", "7.0")
	if err != nil {
		t.Fatal(err)
	}
	view := func(self int) []byte {
		text, err := dialect.NodesConf(plan, self)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	alone := redistest.Plan(t, 3, 0, 3)
	lonely, err := dialect.NodesConf(alone, 0)
	if err != nil {
		t.Fatal(err)
	}
	const timeout, up = 15 * time.Second, time.Hour
	for _, c := range []struct {
		name        string
		persistence string
		view        []byte
		served      time.Duration
		want        time.Duration
	}{
		{"a master with a replica", "none", view(0), up, 2*timeout + electionTime},
		{"the same with snapshots, which are older than what it held", "rdb", view(0), up, 2*timeout + electionTime},
		{"the same with an append-only file", "aof", view(0), up, 0},
		{"a replica", "none", view(3), up, 0},
		{"a master whose replica has failed", "none", bytes.Replace(view(0), []byte(" slave "+plan.Nodes[0].ID), []byte(" slave,fail "+plan.Nodes[0].ID), 1), up, 0},
		{"a master without a replica", "none", lonely, up, 0},
		{"a master that was not writable yet", "none", view(0), writableDelay - 1, 0},
		{"a view that is no view", "none", []byte("?\n"), up, 2*timeout + electionTime},
		{"a view that is empty", "none", nil, up, 2*timeout + electionTime},
		{"a view without myself", "none", []byte("vars currentEpoch 3 lastVoteEpoch 0\n"), up, 2*timeout + electionTime},
	} {
		if got := failoverWait(c.persistence, c.view, c.served, timeout); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNodeTimeout(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]time.Duration{"": 15 * time.Second, "1000": time.Second, "x": 15 * time.Second} {
		if got := nodeTimeout(map[string]string{"cluster-node-timeout": config}); got != want {
			t.Errorf("%q: %s, want %s", config, got, want)
		}
	}
}

func TestBackoffStaysBelowTheAgentsPatience(t *testing.T) {
	t.Parallel()
	for attempts := range 100 {
		if d := backoff(attempts, 2*time.Second); d < 10*time.Millisecond || d > 500*time.Millisecond {
			t.Errorf("attempt %d: %s", attempts, d)
		}
	}
}
