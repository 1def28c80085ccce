package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A history of a lease has two operations: one takes it, from the call to the return of
// acquireLease; one gives it up, at the moment at which its holder stopped to trust it.
type leaseOp struct {
	take   bool
	holder int // another one for each acquisition
}

// leaseModel is a register that holds the holder, or 0.
var leaseModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		op := input.(leaseOp)
		if op.take {
			return state == 0, op.holder
		}
		return state == op.holder, 0
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

// leaseTTL leaves its holder 400 ms to notice that it is over, which a busy machine needs.
const leaseTTL = 2 * time.Second

// The history of a lease that several workers take, keep, lose and give back, while answers are
// lost and holders are cut off, is one of a register: never do two hold it at once.
func TestLeaseIsLinearizable(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			t.Parallel()
			cluster := newCluster(t, replicas)
			unrest, calm := context.WithCancel(t.Context())
			var leaders sync.WaitGroup
			if replicas > 1 {
				leaders.Go(func() { stepDownNowAndThen(unrest, cluster[0]) })
			}
			history := leaseHistory(t, cluster, func(kv jetstream.KeyValue, rng *rand.Rand) jetstream.KeyValue {
				return &unreliable{KeyValue: kv, rng: rng}
			})
			calm()
			leaders.Wait()
			if result := porcupine.CheckOperationsTimeout(leaseModel, history, time.Minute); result != porcupine.Ok {
				t.Errorf("the history of the lease is %s:\n%v", result, history)
			}
		})
	}
}

// A lease without compare-and-set is found out.
func TestBrokenLeaseIsNotLinearizable(t *testing.T) {
	t.Parallel()
	history := leaseHistory(t, newCluster(t, 1), func(kv jetstream.KeyValue, _ *rand.Rand) jetstream.KeyValue {
		return blind{kv}
	})
	if result := porcupine.CheckOperationsTimeout(leaseModel, history, time.Minute); result != porcupine.Illegal {
		t.Errorf("the history of a lease that anybody can take is %s", result)
	}
}

// leaseHistory lets four workers use a lease, each through a bucket of its own making.
func leaseHistory(t *testing.T, cluster []*server.Server, through func(jetstream.KeyValue, *rand.Rand) jetstream.KeyValue) []porcupine.Operation {
	t.Helper()
	begin := time.Now()
	now := func() int64 { return int64(time.Since(begin)) }
	var holders atomic.Int64
	var mu sync.Mutex
	var history []porcupine.Operation
	var all sync.WaitGroup
	for client := range 4 {
		s := storeOn(t, cluster)
		rng := rand.New(rand.NewPCG(7, uint64(client)))
		kv := through(s.leases, rng)
		s.leases = kv
		all.Go(func() {
			for range 6 {
				holder := int(holders.Add(1))
				call := now()
				held, l, err := acquireLease(within(t, 90*time.Second), s, "*", fmt.Sprint(client), fmt.Sprint(holder), leaseTTL, quiet())
				if err != nil {
					t.Error(err)
					return
				}
				got := now()
				u, _ := kv.(*unreliable)
				if u != nil && holder%4 == 0 {
					u.frozen.Store(true)
					<-held.Done()
				} else {
					_ = sleep(held, 5*time.Millisecond) // a use of the lease; it may be lost meanwhile
				}
				lost := now()
				mu.Lock()
				history = append(history,
					porcupine.Operation{ClientId: 2 * holder, Input: leaseOp{take: true, holder: holder}, Call: call, Return: got},
					porcupine.Operation{ClientId: 2*holder + 1, Input: leaseOp{holder: holder}, Call: lost, Return: lost + 1})
				mu.Unlock()
				l.release()
				if u != nil {
					u.frozen.Store(false)
				}
			}
		})
	}
	all.Wait()
	return history
}

// unreliable is a bucket on the other side of a bad network.
type unreliable struct {
	jetstream.KeyValue
	frozen atomic.Bool // nothing arrives

	mu  sync.Mutex
	rng *rand.Rand
}

// passes decides about a write: it arrives, or not; its answer arrives, or not.
func (u *unreliable) passes() (there, back bool) {
	if u.frozen.Load() {
		return false, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.rng.IntN(10)
	return n != 0, n > 1
}

var errLostOnTheWay = errors.New("lost on the way")

func (u *unreliable) Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error) {
	there, back := u.passes()
	if !there {
		return 0, errLostOnTheWay
	}
	rev, err := u.KeyValue.Create(ctx, key, value, opts...)
	if !back {
		return 0, errLostOnTheWay
	}
	return rev, err
}

func (u *unreliable) Update(ctx context.Context, key string, value []byte, rev uint64) (uint64, error) {
	there, back := u.passes()
	if !there {
		return 0, errLostOnTheWay
	}
	rev, err := u.KeyValue.Update(ctx, key, value, rev)
	if !back {
		return 0, errLostOnTheWay
	}
	return rev, err
}

func (u *unreliable) Delete(ctx context.Context, key string, opts ...jetstream.KVDeleteOpt) error {
	there, back := u.passes()
	if !there {
		return errLostOnTheWay
	}
	err := u.KeyValue.Delete(ctx, key, opts...)
	if !back {
		return errLostOnTheWay
	}
	return err
}

// blind is a bucket whose writes look at no revision.
type blind struct{ jetstream.KeyValue }

func (b blind) Create(ctx context.Context, key string, value []byte, _ ...jetstream.KVCreateOpt) (uint64, error) {
	return b.Put(ctx, key, value)
}

func (b blind) Update(ctx context.Context, key string, value []byte, _ uint64) (uint64, error) {
	return b.Put(ctx, key, value)
}

// newCluster is one NATS server, or a cluster of several with as many replicas of everything.
func newCluster(t *testing.T, n int) (all []*server.Server) {
	t.Helper()
	dir := t.TempDir()
	var routes []string
	for i := range n {
		opts := &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
			JetStream: true, StoreDir: filepath.Join(dir, fmt.Sprint(i)),
		}
		if n > 1 {
			opts.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: server.RANDOM_PORT}
			opts.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}
		s, err := server.NewServer(opts)
		must(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(30 * time.Second) {
			t.Fatal("a NATS server does not come up")
		}
		if n > 1 {
			routes = append(routes, "nats-route://"+s.ClusterAddr().String())
		}
		all = append(all, s)
	}
	return all
}

// storeOn is a store with a connection of its own.
func storeOn(t *testing.T, cluster []*server.Server) *store {
	t.Helper()
	urls := make([]string, len(cluster))
	for i, s := range cluster {
		urls[i] = s.ClientURL()
	}
	nc, err := Connect(Config{NATSURL: strings.Join(urls, ","), Name: "test"}, quiet())
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	ctx := within(t, time.Minute)
	for n := 0; ; n++ {
		try, cancel := context.WithTimeout(ctx, 5*time.Second) // a leader that is just being elected may never answer
		err = EnsureTopology(try, js, Topology{Replicas: len(cluster), AckWait: time.Second})
		cancel()
		if err == nil {
			break
		}
		must(t, sleep(ctx, pause(n, 50*time.Millisecond, time.Second)))
	}
	s, err := openStore(ctx, nc, js, quiet())
	must(t, err)
	return s
}

// stepDownNowAndThen makes the leader of the leases give way, again and again.
func stepDownNowAndThen(ctx context.Context, s *server.Server) {
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		return
	}
	defer nc.Close()
	for sleep(ctx, pause(0, time.Second, time.Second)) == nil {
		nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.KV_"+contracts.BucketLeases, nil, time.Second) //nolint:errcheck // there may be no leader just now
	}
}
