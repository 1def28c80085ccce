package worker

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

func TestLeaseIsExclusive(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var holders atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := string(rune('a' + i))
			for range 5 {
				_, l, err := acquireLease(within(t, 30*time.Second), s, "*", name, "job", time.Second, quiet())
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d holders at once", n)
				}
				holders.Add(-1)
				l.release()
			}
		})
	}
	all.Wait()
}

func TestReleasedLeaseIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	// With a TTL of an hour, only the release can let the second one in.
	_, first, err := acquireLease(within(t, 10*time.Second), s, "team/a", "a", "1", time.Hour, quiet())
	must(t, err)
	got := make(chan error, 1)
	go func() {
		_, second, err := acquireLease(within(t, 20*time.Second), s, "team/a", "b", "2", time.Hour, quiet())
		if err == nil {
			second.release()
		}
		got <- err
	}()
	first.release()
	must(t, <-got)
}

func TestSilentHolderLosesTheLease(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	value, err := json.Marshal(contracts.LeaseRecord{Worker: "dead", TTL: contracts.Duration(300 * time.Millisecond)})
	must(t, err)
	_, err = s.leases.Create(t.Context(), contracts.LeaseKey("*"), value)
	must(t, err)
	begin := time.Now()
	_, l, err := acquireLease(within(t, 20*time.Second), s, "*", "b", "2", time.Second, quiet())
	must(t, err)
	defer l.release()
	if waited := time.Since(begin); waited < 300*time.Millisecond {
		t.Errorf("the lease was taken after %v, before its TTL was over", waited)
	}
}

func TestRenewedLeaseIsKept(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	held, l, err := acquireLease(within(t, 20*time.Second), s, "*", "a", "1", time.Second, quiet())
	must(t, err)
	defer l.release()
	_, _, err = acquireLease(within(t, 2500*time.Millisecond), s, "*", "b", "2", time.Second, quiet())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("another got a lease that is renewed: %v", err)
	}
	if held.Err() != nil {
		t.Errorf("the holder lost it: %v", context.Cause(held))
	}
}

// A holder whose lease moved while it was frozen learns of it and touches nothing.
func TestHolderLearnsOfItsLoss(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	held, l, err := acquireLease(within(t, 20*time.Second), s, "*", "a", "1", time.Second, quiet())
	must(t, err)
	other, err := json.Marshal(contracts.LeaseRecord{Worker: "b", Job: "2", TTL: contracts.Duration(time.Hour)})
	must(t, err)
	_, err = s.leases.Put(t.Context(), contracts.LeaseKey("*"), other)
	must(t, err)
	select {
	case <-held.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the holder did not learn that its lease is gone")
	}
	if !errors.Is(context.Cause(held), errLeaseLost) {
		t.Errorf("the cause is %v", context.Cause(held))
	}
	l.release()
	e, err := s.leases.Get(t.Context(), contracts.LeaseKey("*"))
	must(t, err)
	if string(e.Value()) != string(other) {
		t.Errorf("the former holder changed its successor's lease to %s", e.Value())
	}
}

// A holder whose renewals all fail stops before another could have the lease: it trusts it for
// less than its TTL.
func TestHolderStopsBeforeItsLeaseExpires(t *testing.T) {
	t.Parallel()
	srv, nc, js := newNATS(t)
	s, err := openStore(t.Context(), nc, js, quiet())
	must(t, err)
	const ttl = 6 * time.Second
	begin := time.Now()
	held, l, err := acquireLease(within(t, 20*time.Second), s, "*", "a", "1", ttl, quiet())
	must(t, err)
	start := stop(t, srv)
	select {
	case <-held.Done():
	case <-time.After(ttl + 10*time.Second):
		t.Fatal("the holder trusts a lease that it cannot renew")
	}
	if trusted := time.Since(begin); trusted >= ttl {
		t.Errorf("the holder trusted its lease for %v, another may have it after %v", trusted, ttl)
	}
	start()
	l.release()
}

// A lease whose answer was lost is known to be the holder's own: nobody waits for its TTL.
func TestLostAnswerIsOnesOwnLease(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	lost := &lostAnswers{KeyValue: s.leases, left: 2}
	s.leases = lost
	givenBack(t, s, &lost.left)
}

// givenBack takes a lease, gives it back and finds it gone, in spite of all that was to go wrong.
func givenBack(t *testing.T, s *store, left *int) {
	t.Helper()
	_, l, err := acquireLease(within(t, 20*time.Second), s, "*", "a", "1", time.Hour, quiet())
	must(t, err)
	l.release()
	if *left != 0 {
		t.Fatalf("%d times nothing went wrong", *left)
	}
	if _, err := s.leases.Get(t.Context(), contracts.LeaseKey("*")); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("the lease was not given back: %v", err)
	}
}

// lostAnswers carries out its first Creates and does not say so.
type lostAnswers struct {
	jetstream.KeyValue
	left int
}

func (l *lostAnswers) Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error) {
	rev, err := l.KeyValue.Create(ctx, key, value, opts...)
	if l.left > 0 {
		l.left--
		return 0, context.DeadlineExceeded
	}
	return rev, err
}

// A lease is given back also where renewals that release cut short arrive one after the other.
func TestLateRenewalsKeepNoLease(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	late := &lateRenewals{KeyValue: s.leases, left: 3}
	s.leases = late
	givenBack(t, s, &late.left)
}

// lateRenewals lets a renewal arrive before each of the first Deletes.
type lateRenewals struct {
	jetstream.KeyValue
	left int
}

func (l *lateRenewals) Delete(ctx context.Context, key string, opts ...jetstream.KVDeleteOpt) error {
	if l.left > 0 {
		l.left--
		e, err := l.Get(ctx, key)
		if err != nil {
			return err
		}
		if _, err := l.Update(ctx, key, e.Value(), e.Revision()); err != nil {
			return err
		}
	}
	return l.KeyValue.Delete(ctx, key, opts...)
}

// A TTL that observers would not believe is refused.
func TestLeaseTTLIsBounded(t *testing.T) {
	t.Parallel()
	for ttl, fine := range map[time.Duration]bool{
		time.Second - 1: false, time.Second: true, maxLeaseTTL: true, maxLeaseTTL + 1: false,
	} {
		err := Config{NATSURL: "nats://127.0.0.1:4222", LeaseTTL: ttl}.WithDefaults().Validate()
		if fine != (err == nil) || err != nil && !strings.Contains(err.Error(), "CLUSTERSMITH_LEASE_TTL") {
			t.Errorf("%v: %v", ttl, err)
		}
	}
}

// Within two TTLs of a silent holder's last sign of life another one has the lease, by the
// server's clock.
func TestTakeoverWithinTwoTTLs(t *testing.T) {
	t.Parallel()
	cluster := newCluster(t, 1)
	first, second := storeOn(t, cluster), storeOn(t, cluster)
	watch, err := second.leases.Watch(within(t, time.Minute), contracts.LeaseKey("*"))
	must(t, err)
	kv := &unreliable{KeyValue: first.leases, rng: rand.New(rand.NewPCG(1, 1))}
	first.leases = kv
	held, l, err := acquireLease(within(t, time.Minute), first, "*", "a", "1", leaseTTL, quiet())
	must(t, err)
	defer l.release()
	got := make(chan *lease, 1)
	go func() {
		_, l, err := acquireLease(within(t, time.Minute), second, "*", "b", "2", leaseTTL, quiet())
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	time.AfterFunc(leaseTTL, func() { kv.frozen.Store(true) }) // after some renewals
	next := <-got
	if next == nil {
		return
	}
	defer next.release()
	if held.Err() == nil {
		t.Error("the silent holder still trusts its lease")
	}
	var last, taken time.Time
	for taken.IsZero() {
		e := <-watch.Updates()
		if e == nil {
			continue // the initial values are over
		}
		var r contracts.LeaseRecord
		must(t, json.Unmarshal(e.Value(), &r))
		if r.Worker == "a" {
			last = e.Created()
		} else {
			taken = e.Created()
		}
	}
	if took := taken.Sub(last); took < leaseTTL || took > 2*leaseTTL {
		t.Errorf("a lease with the TTL %v was taken over %v after its last renewal", leaseTTL, took)
	}
}
