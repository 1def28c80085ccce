package verifier_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
)

// failedOver boots a cluster in which the replicas of some masters have taken over, and
// waits until every node knows.
func failedOver(t *testing.T, masters, replicas int, promoted ...int) *redistest.Cluster {
	t.Helper()
	c := redistest.Boot(t, redistest.Plan(t, masters, replicas, 3), redistest.Options{
		Config: map[string]string{"cluster-node-timeout": "2000"},
	})
	mustVerify(t, newVerifier(t, c.Plan, verifier.Options{}))
	for _, i := range promoted {
		do(t, c, i, "CLUSTER", "FAILOVER")
		await(t, func() bool { return bytes.Contains(do(t, c, i, "INFO", "replication").([]byte), []byte("role:master")) })
	}
	awaitFailing(t, newVerifier(t, c.Plan, verifier.Options{}), fault{want: []string{verifier.CheckRoles}})
	return c
}

// TestRepair makes planned masters the masters again, and says so.
func TestRepair(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct {
		name     string
		replicas int
		promoted []int
	}{
		{"one", 1, []int{3}},
		{"two of three", 1, []int{3, 5}},
		{"with a second replica", 2, []int{7}},
	} {
		t.Run(shape.name, func(t *testing.T) {
			t.Parallel()
			c := failedOver(t, 3, shape.replicas, shape.promoted...)
			v := newVerifier(t, c.Plan, verifier.Options{Repair: true})
			report := mustVerify(t, v)
			if len(report.Repaired) != len(shape.promoted) || !strings.Contains(report.Repaired[0], "is master again") {
				t.Errorf("repaired: %q", report.Repaired)
			}
			// The config epochs are above the plan's now, and only they.
			strict, err := newVerifier(t, c.Plan, verifier.Options{}).Pass(deadline(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if got := failing(strict); !slices.Equal(got, []string{verifier.CheckEpochs}) {
				t.Errorf("failing are %v: %+v", got, strict)
			}
			aged, err := newVerifier(t, c.Plan, verifier.Options{AgedEpochs: true}).Pass(deadline(t, time.Minute))
			if err != nil || !aged.OK {
				t.Errorf("%v %+v", err, aged)
			}
		})
	}
}

// TestRepairWhoseReplyIsLost: the failover has taken place, so its epochs are expected.
func TestRepairWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	c := failedOver(t, 3, 1, 3)
	var lost atomic.Bool
	v := newVerifier(t, c.Plan, verifier.Options{Repair: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &forgetful{Conn: conn, lost: &lost}, err
	}})
	report := mustVerify(t, v)
	if !lost.Load() || len(report.Repaired) != 1 {
		t.Errorf("the reply is lost: %v, repaired: %q", lost.Load(), report.Repaired)
	}
}

// forgetful loses its connection once a failover has been taken.
type forgetful struct {
	net.Conn
	lost  *atomic.Bool
	asked bool
}

func (c *forgetful) Write(b []byte) (int, error) {
	c.asked = bytes.Contains(b, []byte("FAILOVER"))
	return c.Conn.Write(b)
}

func (c *forgetful) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.asked && c.lost.CompareAndSwap(false, true) {
		c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// swap is a scripted cluster whose first master has been failed over, and whose servers hold no
// further election for a while.
type swap struct {
	until time.Time // no election before

	mu    sync.Mutex
	asked []time.Time
	back  bool
}

func (s *swap) swapped() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.back
}

func (s *swap) ask() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Now())
	s.back = s.back || !time.Now().Before(s.until)
	return "OK"
}

// view is what CLUSTER NODES says of the plan's first shard now.
func (s *swap) view(plan chunkdist.Plan, planned []byte) []byte {
	if s == nil {
		return planned
	}
	first, other := plan.Nodes[0], plan.Nodes[plan.Masters]
	var view []byte
	for line := range bytes.Lines(planned) {
		f := strings.Fields(string(line))
		switch back := !s.swapped(); {
		case f[0] == first.ID && back:
			f[6] = "5"
		case f[0] == first.ID:
			f = append(f[:2], strings.Replace(f[2], "master", "slave", 1), other.ID, f[4], f[5], "4", f[7])
		case f[0] == other.ID && !back:
			f = append(f[:2], strings.Replace(f[2], "slave", "master", 1), "-", f[4], f[5], "4", f[7],
				fmt.Sprintf("%d-%d", first.Slots[0][0], first.Slots[0][1]))
		}
		view = fmt.Appendln(view, strings.Join(f, " "))
	}
	return view
}

// TestRepairIsAskedAgain: servers hold no second election for a minute; a repair outlasts that.
func TestRepairIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := newScript(t, 3)
		defer s.wg.Wait()
		begun := time.Now()
		s.roles = &swap{until: begun.Add(time.Minute)}
		v := newVerifier(t, s.plan, verifier.Options{Repair: true, Dial: s.dial})
		defer v.Close()
		report := verify(t, v, 2*time.Minute)
		if !report.OK || len(report.Repaired) != 1 {
			t.Errorf("%+v", report)
		}
		// Each time the wait is twice as long, and what the polling adds.
		if len(s.roles.asked) != 5 {
			t.Fatalf("asked at %v", s.roles.asked)
		}
		for i, least := range []time.Duration{6, 12, 24, 48} {
			least *= time.Second
			if gap := s.roles.asked[i+1].Sub(s.roles.asked[i]); gap < least || gap > least+15*time.Second {
				t.Errorf("%v between tries %d and %d", gap, i, i+1)
			}
		}
	})
}

// TestNoRepair leaves a failed-over pair as it is if it was not asked to, or if anything else
// is wrong.
func TestNoRepair(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"not asked for", "something else is wrong"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := failedOver(t, 3, 1, 3)
			o := verifier.Options{}
			if kind != "not asked for" {
				o.Repair = true
				do(t, c, 2, "CONFIG", "SET", "requirepass", "secret")
			}
			report := verify(t, newVerifier(t, c.Plan, o), 2*time.Second)
			if report.OK || len(report.Repaired) != 0 {
				t.Errorf("%+v", report)
			}
			if info := do(t, c, 3, "INFO", "replication").([]byte); !bytes.Contains(info, []byte("role:master")) {
				t.Errorf("the pair was failed over: %s", info)
			}
		})
	}
}

// TestAgedEpochs refuses config epochs on which views differ, or that two masters share.
func TestAgedEpochs(t *testing.T) {
	t.Parallel()
	c := redistest.Boot(t, redistest.Plan(t, 3, 0, 3), redistest.Options{})
	v := newVerifier(t, c.Plan, verifier.Options{AgedEpochs: true})
	mustVerify(t, v)
	do(t, c, 0, "CLUSTER", "BUMPEPOCH")
	report := mustVerify(t, v)
	if len(report.Differences) != 0 {
		t.Errorf("%+v", report)
	}
}
