package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/heldport"
	"github.com/clustersmith/clustersmith/internal/history"
	"github.com/clustersmith/clustersmith/mesos/local"
)

const (
	workers = 3
	agents  = 5
)

// world is everything that a run is made of.
type world struct {
	options
	natsPort heldport.Port // held while NATS is down
	nats     *natsProcess  // replaced by the faults' goroutine only
	between  *relay        // from the workers to NATS
	nc       *nats.Conn
	js       jetstream.JetStream
	mesos    *local.Mesos
	crew     *crew
	tail     *tail
	mesosLog *os.File
	actions  *os.File
	begun    time.Time

	mu       sync.Mutex
	requests []history.Request
	samples  []history.Sample
	harmed   map[string]bool
	hits     map[string]int // by kind of fault
	troubles []string       // what went wrong and is in no stream
}

func start(ctx context.Context, o options) (w *world, err error) {
	w = &world{options: o, begun: time.Now(), harmed: map[string]bool{}, hits: map[string]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
			w = nil
		}
	}()
	if w.actions, err = os.Create(filepath.Join(o.dir, "actions.log")); err != nil {
		return w, err
	}
	if w.natsPort, err = heldport.Hold(netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		return w, err
	}
	if w.nats, err = startNATS(o.dir, w.natsPort.Addr().Port()); err != nil {
		return w, err
	}
	if w.between, err = newRelay(strings.TrimPrefix(w.nats.url, "nats://")); err != nil {
		return w, err
	}
	if w.nc, err = nats.Connect(w.nats.url, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond)); err != nil {
		return w, err
	}
	if w.js, err = jetstream.New(w.nc); err != nil {
		return w, err
	}
	if err = w.startMesos(ctx); err != nil {
		return w, err
	}
	w.crew = &crew{w: w, places: make([]*workerProcess, workers), runs: make([]int, workers)}
	for i := range workers {
		if err = w.crew.start(i); err != nil {
			return w, err
		}
	}
	w.tail = newTail(w.js)
	return w, nil
}

// startMesos starts a Mesos that notices within seconds what else takes it minutes.
func (w *world) startMesos(ctx context.Context) (err error) {
	if w.mesosLog, err = os.Create(filepath.Join(w.dir, "mesos.log")); err != nil {
		return err
	}
	list := make([]local.AgentConfig, agents)
	for i := range list {
		list[i] = local.AgentConfig{ // addresses that no test uses
			IP: fmt.Sprintf("127.%d.250.%d", 64+os.Getpid()%128, i+2), CPUs: 1.5, MemMB: 8192, DiskMB: 10240,
			Ports: []chunkdist.PortRange{{Begin: 20000, End: 20199}},
		}
	}
	w.mesos, err = local.Start(ctx, local.Config{
		Agents: list, Dir: filepath.Join(w.dir, "mesos"), Logger: slog.New(slog.NewTextHandler(w.mesosLog, nil)),
		HeartbeatInterval: 500 * time.Millisecond, AgentPingTimeout: 500 * time.Millisecond, AgentMaxPings: 4,
	})
	return err
}

// close ends everything that start started.
func (w *world) close() error {
	var errs []error
	if w.crew != nil {
		w.crew.end()
	}
	if w.mesos != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		errs = append(errs, w.mesos.Close(ctx))
		left, err := history.Processes(filepath.Join(w.dir, "mesos"))
		errs = append(errs, err)
		for _, p := range left {
			errs = append(errs, fmt.Errorf("process %d is left behind: %s", p.PID, p.Command))
		}
	}
	if w.tail != nil {
		w.tail.end()
	}
	if w.nc != nil {
		w.nc.Close()
	}
	if w.between != nil {
		w.between.end()
	}
	if w.nats != nil {
		w.nats.kill()
	}
	w.natsPort.Release()
	for _, f := range []*os.File{w.mesosLog, w.actions} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// act notes an action.
func (w *world) act(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.actions, "%8.3f %s\n", time.Since(w.begun).Seconds(), fmt.Sprintf(format, args...)) //nolint:errcheck // it is for people
}

// trouble notes something that is wrong and that no stream tells of.
func (w *world) trouble(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles = append(w.troubles, fmt.Sprintf(format, args...))
}

// harm notes that the run itself is going to kill processes of a framework.
func (w *world) harm(framework string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.harmed[framework] = true
}

// publish puts a message on a subject, for as long as it takes; the message ID makes the stream
// drop what it has already.
func (w *world) publish(ctx context.Context, messageID string, r history.Request) error {
	msg := &nats.Msg{Subject: "clustersmith.v1.jobs." + r.Kind, Data: r.Body}
	for {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		ack, err := w.js.PublishMsg(once, msg, jetstream.WithMsgID(messageID), jetstream.WithExpectStream("CLUSTERSMITH_JOBS"), jetstream.WithRetryAttempts(0))
		cancel()
		if err == nil {
			r.Seq = ack.Sequence
			w.mu.Lock()
			w.requests = append(w.requests, r)
			w.mu.Unlock()
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
