package verifier_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// TestForm waits for a node that never starts until the deadline, and says which.
func TestForm(t *testing.T) {
	t.Parallel()
	c := redistest.Boot(t, redistest.Plan(t, 3, 0, 3), redistest.Options{Skip: []int{1}})
	v := newVerifier(t, c.Plan, verifier.Options{})
	most := 0
	report, err := v.Form(deadline(t, 4*time.Second), func(done, total int) {
		if done < most || total != 3 {
			t.Errorf("progress went from %d to %d of %d", most, done, total)
		}
		most = done
	})
	if err != nil || report.OK || most != 2 || len(report.Checks) != 3 {
		t.Errorf("%v, %d formed, %+v", err, most, report)
	}
	if len(report.Differences) != 1 || report.Differences[0].Node != 1 || report.Differences[0].Check != verifier.CheckAnswers {
		t.Errorf("%+v", report.Differences)
	}
	if ready, err := v.Quick(t.Context()); err != nil || ready != 2 {
		t.Errorf("%d are ready, %v", ready, err)
	}
	c.Start(1)
	if report, err := v.Form(deadline(t, time.Minute), nil); err != nil || !report.OK {
		t.Errorf("%v %+v", err, report)
	}
	mustVerify(t, v)
}

// TestHangingNodes: however many nodes accept and never answer, a pass takes as long as one
// exchange may, and a deadline is kept.
func TestHangingNodes(t *testing.T) {
	t.Parallel()
	c := redistest.Boot(t, redistest.Plan(t, 3, 1, 3), redistest.Options{})
	patient := newVerifier(t, c.Plan, verifier.Options{Timeout: time.Minute})
	mustVerify(t, patient)
	for i := range c.Plan.Nodes {
		c.Signal(i, syscall.SIGSTOP)
	}
	const slack = 2 * time.Second // for a busy machine
	start := time.Now()
	report, err := newVerifier(t, c.Plan, verifier.Options{Timeout: 300 * time.Millisecond}).Pass(t.Context())
	if took := time.Since(start); err != nil || report.OK || len(report.Differences) != 6 || took > 300*time.Millisecond+slack {
		t.Errorf("%v after %v: %+v", err, took, report)
	}
	start = time.Now()
	report = verify(t, patient, 500*time.Millisecond)
	if took := time.Since(start); report.OK || len(report.Differences) != 6 || took > 500*time.Millisecond+slack {
		t.Errorf("after %v: %+v", took, report)
	}
	if got := report.Differences[0].Got; got != "none before the time was over" {
		t.Errorf("got %q", got)
	}
}

// TestConfirm: what goes away by itself is no difference, what stays is one before long, and
// nothing is written.
func TestConfirm(t *testing.T) {
	t.Parallel()
	s, _ := newScript(t, 3)
	defer s.wg.Wait()
	s.down.Store(2)
	var told []int
	v := newVerifier(t, s.plan, verifier.Options{Dial: s.dial})
	report, err := v.Confirm(deadline(t, time.Minute), time.Minute, func(done, _ int) { told = append(told, done) })
	if err != nil || !report.OK || report.Passes != 2 || !slices.Equal(told, []int{5, 6}) {
		t.Errorf("%v, told %v: %+v", err, told, report)
	}
	s.down.Store(1 << 30)
	report, err = v.Confirm(deadline(t, time.Minute), 50*time.Millisecond, nil)
	if err != nil || report.OK || len(report.Differences) != 1 || report.Differences[0].Check != verifier.CheckState {
		t.Errorf("%v: %+v", err, report)
	}
	// What one node said when it was asked alone, and half a pass, are no pass.
	s.down.Store(2)
	ctx, cancel := context.WithCancel(t.Context())
	report, err = v.Confirm(ctx, time.Minute, func(done, total int) {
		if done == total {
			cancel()
		}
	})
	if err == nil || report.OK || len(report.Differences) != 1 || report.Differences[0].Check != verifier.CheckState {
		t.Errorf("cut short: %v: %+v", err, report)
	}
	if s.wrote.Load() {
		t.Error("it writes")
	}
	v.Close()
}

// TestDeadlineBetweenAnswers: nodes that answer cheap questions only, or no write, differ; that the
// time was over is not the only thing that a report says.
func TestDeadlineBetweenAnswers(t *testing.T) {
	t.Parallel()
	for silent, differences := range map[string]int{"CLUSTER NODES": 6, "SET": 3} {
		s, _ := newScript(t, 3)
		s.silent = silent
		v := newVerifier(t, s.plan, verifier.Options{Dial: s.dial, Timeout: time.Minute})
		report := verify(t, v, 300*time.Millisecond)
		if report.OK || len(report.Differences) != differences || report.Differences[0].Got != "none before the time was over" {
			t.Errorf("%s: %+v", silent, report)
		}
		v.Close()
		s.wg.Wait()
	}
}

// TestCancelled: a caller that gives up gets its own reason, not a verdict.
func TestCancelled(t *testing.T) {
	t.Parallel()
	c := redistest.Boot(t, redistest.Plan(t, 3, 0, 3), redistest.Options{Skip: []int{1}})
	v := newVerifier(t, c.Plan, verifier.Options{})
	reason := errors.New("the worker shuts down")
	ctx, cancel := context.WithCancelCause(t.Context())
	if report, err := v.Form(ctx, func(int, int) { cancel(reason) }); !errors.Is(err, reason) {
		t.Errorf("the error is %v: %+v", err, report)
	}
	for _, call := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := v.Verify(ctx, nil); return err },
		func(ctx context.Context) error { _, err := v.Pass(ctx); return err },
		func(ctx context.Context) error { _, err := v.Quick(ctx); return err },
		func(ctx context.Context) error { _, err := v.Form(ctx, nil); return err },
	} {
		if err := call(ctx); !errors.Is(err, reason) {
			t.Errorf("the error is %v", err)
		}
	}
}

// TestDribble: a peer that answers a byte at a time cannot stretch its time.
func TestDribble(t *testing.T) {
	t.Parallel()
	s, d := newScript(t, 3)
	v, err := verifier.New(s.plan, d, verifier.Options{
		Timeout: 300 * time.Millisecond,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			s.wg.Go(func() {
				defer server.Close()
				s.wg.Go(func() { _, _ = server.Read(make([]byte, 4096)) })
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for range tick.C {
					if _, err := server.Write([]byte("+")); err != nil {
						return
					}
				}
			})
			return client, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	report, err := v.Pass(t.Context())
	if took := time.Since(start); err != nil || report.OK || took > 3*time.Second || len(failing(report)) != 1 {
		t.Errorf("%v after %v: %+v", err, took, report)
	}
	v.Close()
	s.wg.Wait()
}

// TestManyDifferences: a report lists twenty and counts the rest.
func TestManyDifferences(t *testing.T) {
	t.Parallel()
	s, d := newScript(t, 30)
	plan := s.plan
	plan.Nodes = append([]chunkdist.Node(nil), plan.Nodes...)
	for i := range 10 {
		plan.Nodes[i].BusPort++ // sixty nodes differ about ten each
	}
	v, err := verifier.New(plan, d, verifier.Options{Dial: s.dial})
	if err != nil {
		t.Fatal(err)
	}
	report, err := v.Pass(t.Context())
	v.Close()
	s.wg.Wait()
	if err != nil || report.OK || len(report.Differences) != 20 || report.Omitted != 60*10-20 {
		t.Errorf("%v, %d differences, %d omitted", err, len(report.Differences), report.Omitted)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	s, d := newScript(t, 3)
	double := s.plan
	double.Nodes = append([]chunkdist.Node(nil), double.Nodes...)
	double.Nodes[1].ID = double.Nodes[0].ID
	for _, c := range []struct {
		plan    chunkdist.Plan
		dialect nodesconf.Dialect
		want    string
	}{
		{chunkdist.Plan{}, d, "a plan with nodes"}, {s.plan, nodesconf.Dialect{}, "a dialect"}, {double, d, "two nodes have the ID"},
	} {
		if _, err := verifier.New(c.plan, c.dialect, verifier.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected %q", err, c.want)
		}
	}
}
