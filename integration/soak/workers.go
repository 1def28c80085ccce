package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
)

const (
	ackWait  = 4 * time.Second
	leaseTTL = 3 * time.Second
	// drainPatience is how long a worker may take to end after SIGTERM: its grace and more.
	drainPatience = 60 * time.Second
)

// workerProcess is a worker as its users start it.
type workerProcess struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// crew is the workers, each in its place; a place that was emptied is filled again. One
// goroutine, that of the faults, changes it.
type crew struct {
	w      *world
	places []*workerProcess
	runs   []int // of each place
}

func (c *crew) start(place int) error {
	return c.startAs(place, filepath.Join(c.w.bin, "clustersmith"))
}

// startAs starts a program in a place, with more environment.
func (c *crew) startAs(place int, program string, env ...string) error {
	c.runs[place]++
	name := fmt.Sprintf("soak-%d-%d", place+1, c.runs[place])
	log, err := os.Create(filepath.Join(c.w.dir, "worker-"+name+".log"))
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(program, "worker")
	cmd.Stdout, cmd.Stderr = log, log
	set := func(key string, value any) { cmd.Env = append(cmd.Env, fmt.Sprintf("CLUSTERSMITH_%s=%v", key, value)) }
	cmd.Env = append(os.Environ(), env...)
	set("WORKER", name)
	set("NATS_URL", "nats://"+c.w.between.Addr().String())
	set("MESOS_MASTERS", c.w.mesos.URL())
	set("EXECUTOR", filepath.Join(c.w.bin, "clustersmith-executor"))
	set("ACK_WAIT", ackWait)
	set("LEASE_TTL", leaseTTL)
	set("CREATE_FAILOVER_TIMEOUT", 20*time.Second)
	set("DRAIN_GRACE", 3*time.Second)
	set("LOG_LEVEL", "debug")
	if err := proc.Start(cmd); err != nil {
		return err
	}
	p := &workerProcess{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait() //nolint:errcheck // how it ended is asked where it matters
	}()
	c.places[place] = p
	return nil
}

// signal sends a signal to the worker in a place. One that has ended by itself, for example because
// NATS was away when it started, is started again.
func (c *crew) signal(place int, s syscall.Signal) error {
	select {
	case <-c.places[place].done:
		return c.start(place)
	default:
	}
	if err := c.places[place].cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// kill ends the worker in a place and waits for its end.
func (c *crew) kill(place int) error {
	p := c.places[place]
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// drain stops the worker in a place as an operator does; it must end by itself, with status 0.
func (c *crew) drain(place int) error {
	p := c.places[place]
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(drainPatience):
		return fmt.Errorf("worker %d has not ended %v after SIGTERM", place+1, drainPatience)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("worker %d ended with status %d after SIGTERM", place+1, code)
	}
	return nil
}

// revive fills places whose worker has ended; all others are continued.
func (c *crew) revive() error {
	var errs []error
	for i := range c.places {
		errs = append(errs, c.signal(i, syscall.SIGCONT))
	}
	return errors.Join(errs...)
}

func (c *crew) end() {
	for _, p := range c.places {
		if p != nil {
			p.cmd.Process.Kill() //nolint:errcheck // it may have ended
			<-p.done
		}
	}
}
