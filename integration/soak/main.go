// Command soak runs random faults against a stream of creates, cancels, duplicates, conflicts,
// destroys and verifications, and then lets internal/history judge everything that is left.
//
//	make soak MINUTES=30 SEED=7
//
// NATS is a process of its own on a file store, so are the three workers; a local Mesos runs in this
// process, because its faults are made by calls, and its executors and redis-servers are processes.
//
// Laws:
//   - The seed, printed first, decides what is done: every request with its ID, every fault with its
//     kind, its length and whom it hits, in this order (actions.log in the data folder). What is not
//     reproducible is time: which request a fault meets in which phase, and which worker has it.
//   - Faults are dealt from a shuffled deck, so that each kind is met before any is met twice.
//   - Whatever ends this program ends everything that it started. A clean run removes its data; a run
//     with a breach keeps it, says where, and ends with status 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options say what to run.
type options struct {
	seed   uint64
	length time.Duration
	lanes  int           // streams of requests beside each other
	pause  time.Duration // at most, between two faults
	hurry  bool          // deal a third of the faults only
	bin    string        // folder of the binaries under test
	mortal string        // clustersmith with fail points
	dir    string        // for all data; made, and removed after a clean run
	out    io.Writer
}

func main() {
	if os.Getenv(natsRole) != "" {
		os.Exit(beNATS())
	}
	minutes := flag.Float64("minutes", 3, "how long requests and faults go on")
	seed := flag.Uint64("seed", 0, "what to do; 0 takes one at random")
	bin := flag.String("bin", "bin", "folder of clustersmith and clustersmith-executor")
	mortal := flag.String("mortal", "work/bin/clustersmith-mortal", "clustersmith, built with the tag failpoints")
	dir := flag.String("dir", "", "folder for all data; empty takes a temporary one")
	flag.Parse()
	o := options{seed: *seed, length: time.Duration(*minutes * float64(time.Minute)), lanes: 3, pause: 6 * time.Second, dir: *dir, out: os.Stdout}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1 << 32)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if o.bin, err = filepath.Abs(*bin); err == nil {
		if o.mortal, err = filepath.Abs(*mortal); err == nil {
			err = soak(ctx, o)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

// errBreach is a run whose history broke a law.
var errBreach = errors.New("the history breaks its laws")

// soak runs everything, reports, and returns errBreach, what went wrong else, or nil.
func soak(ctx context.Context, o options) (err error) {
	fmt.Fprintf(o.out, "soak: SEED=%d, %v\n", o.seed, o.length)
	for _, path := range []string{filepath.Join(o.bin, "clustersmith"), filepath.Join(o.bin, "clustersmith-executor"), o.mortal} {
		if _, err := exec.LookPath(path); err != nil {
			return fmt.Errorf("%w; make soak builds it", err)
		}
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "clustersmith-soak-"); err != nil {
			return err
		}
	} else if err = os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	w, err := start(ctx, o)
	if err == nil {
		err = w.run(ctx)
	}
	if w != nil {
		err = errors.Join(err, w.close())
	}
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, os.RemoveAll(o.dir))
	}
	fmt.Fprintf(o.out, "soak: all data is kept in %s\n", o.dir)
	return err
}
