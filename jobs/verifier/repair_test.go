package verifier_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
