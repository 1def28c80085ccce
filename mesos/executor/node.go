package executor

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// defaultKillGrace is the time from SIGTERM to SIGKILL where no kill policy says it.
const defaultKillGrace = 3 * time.Second

// nodeState is where a node stands.
type nodeState int

const (
	starting nodeState = iota // a goroutine starts its server
	held                      // bound and stopped at the barrier
	resumed                   // runs, has not answered yet
	running                   // answers
	waiting                   // crashed, is started again later
	leaving                   // is to end
	ended                     // no process is left and the terminal update is recorded
)

// node is one task and its server. It belongs to the owner goroutine.
type node struct {
	id    string
	index int
	state nodeState
	grace time.Duration // of a KILL that says none

	server *server // nil unless a process lives
	// cancel ends the goroutine that starts or asks a server, or waits for the next start.
	cancel   context.CancelCauseFunc
	restarts restarts
	bound    bool // TASK_STARTING has been told
	answered bool // TASK_RUNNING has been told
	// since is when it answered for the first time; unhealthy is what was told of it last.
	since     time.Time
	unhealthy bool

	// What the terminal update will say, when leaving.
	last     mesos.TaskState
	lastText string
}

// launch takes a task.
func (r *run) launch(task mesos.TaskInfo) {
	id := task.TaskID.Value
	if r.nodes[id] != nil {
		r.log.Warn("launched twice", "task", id)
		return
	}
	n := &node{id: id, grace: graceOf(task.KillPolicy, defaultKillGrace)}
	r.nodes[id] = n
	r.order = append(r.order, n)
	if e := task.Executor; e != nil && bytes.Equal(e.Data, r.data) {
		e.Data = r.data // every task brings a copy
	}
	r.ledger.launched(task)
	switch err := r.identify(n); {
	case err != nil:
		r.finish(n, mesos.TASK_FAILED, err.Error())
	case r.barrier.expired:
		r.finish(n, mesos.TASK_FAILED, r.barrierExpired().Error())
	case r.ending:
		r.finish(n, mesos.TASK_KILLED, "the executor is shutting down")
	default:
		r.armBarrier()
		r.start(n)
	}
}

// identify finds the node of the plan that a task stands for.
func (r *run) identify(n *node) error {
	if r.clusterErr != nil {
		return fmt.Errorf("the executor's data is no cluster: %w", r.clusterErr)
	}
	if r.cluster == nil {
		return fmt.Errorf("LAUNCH came before SUBSCRIBED")
	}
	index, err := bundle.NodeIndex(n.id)
	if err != nil {
		return err
	}
	if nodes := len(r.cluster.bundle.Plan.Nodes); index >= nodes {
		return fmt.Errorf("the plan has %d nodes, none with index %d", nodes, index)
	}
	n.index = index
	return nil
}

// start starts a node's server in a goroutine.
func (r *run) start(n *node) {
	n.state = starting
	ctx, cancel := context.WithCancelCause(r.ctx)
	n.cancel = cancel
	hold := !r.barrier.released
	r.spawn(func(context.Context) message {
		defer cancel(nil)
		select {
		case r.starts <- struct{}{}:
			defer func() { <-r.starts }()
		case <-ctx.Done():
			return started{n, nil, context.Cause(ctx)}
		}
		program, err := r.cluster.program.current(ctx)
		if err != nil {
			return started{n, nil, err}
		}
		ctx, done := context.WithTimeoutCause(ctx, r.cfg.StartTimeout,
			fmt.Errorf("not within %s", r.cfg.StartTimeout))
		defer done()
		s, err := r.cluster.startServer(ctx, program, n.index, hold)
		return started{n, s, err}
	})
}

// started says that a node's server is bound, or why it is not.
type started struct {
	node   *node
	server *server
	err    error
}

func (m started) apply(r *run) {
	n := m.node
	if m.err != nil {
		r.startFailed(n, m.err)
		return
	}
	n.server = m.server
	r.spawn(func(context.Context) message {
		<-m.server.ended
		return exited{n, m.server}
	})
	if n.state == leaving {
		r.terminate(n, 0) // it holds no data
		return
	}
	if !n.bound {
		n.bound = true
		r.update(n.id, mesos.TASK_STARTING, "", nil)
	}
	n.state = held
	if r.barrier.released {
		r.resume(n)
	} else if !m.server.began.IsZero() {
		r.log.Warn("stopped late: this kernel does not let the executor trace its servers, so this one may have met closed ports",
			"task", n.id)
	}
}

func (r *run) startFailed(n *node, err error) {
	switch {
	case n.state == leaving:
		r.finish(n, n.last, n.lastText)
	case !n.bound:
		r.finish(n, mesos.TASK_FAILED, err.Error())
	default:
		r.startAgain(n, err.Error(), 0, true)
	}
}

// resume lets a bound server run and asks it until it answers.
func (r *run) resume(n *node) {
	n.state = resumed
	n.server.resume()
	ctx, cancel := context.WithCancelCause(r.ctx)
	n.cancel = cancel
	s := n.server
	r.spawn(func(context.Context) message {
		defer cancel(nil)
		return answered{n, s, awaitAnswer(ctx, s.addr.String())}
	})
}

// answered says that a server answers, or that nobody waits for it any more.
type answered struct {
	node   *node
	server *server
	err    error
}

func (m answered) apply(r *run) {
	n := m.node
	if m.err != nil || n.server != m.server || n.state != resumed {
		return
	}
	n.state = running
	if !n.answered {
		n.answered, n.since = true, time.Now()
		r.update(n.id, mesos.TASK_RUNNING, "", nil)
		return
	}
	if n.restarts.many(time.Now()) { // it may end again soon, and every update is kept until somebody reads it
		r.after(restartWindow, steady{n, m.server})
		return
	}
	r.healthy(n)
}

// steady says that a server which had been restarted too often may have run for long enough.
type steady struct {
	node   *node
	server *server
}

func (m steady) apply(r *run) {
	if m.node.server == m.server && m.node.state == running {
		r.healthy(m.node)
	}
}

func (r *run) healthy(n *node) {
	if !n.unhealthy {
		return
	}
	n.unhealthy = false
	healthy := true
	r.update(n.id, mesos.TASK_RUNNING, "restarted in place", &healthy)
}

// exited says that a server's process is gone.
type exited struct {
	node   *node
	server *server
}

func (m exited) apply(r *run) {
	n := m.node
	if n.server != m.server {
		return
	}
	n.server = nil
	n.cancel(nil)
	if n.state == leaving {
		r.finish(n, n.last, n.lastText)
		return
	}
	var served time.Duration
	if n.state != held {
		served = time.Since(m.server.began)
	}
	text := fmt.Sprintf("the server ended (%s): %s", m.server.status, strings.Join(lastLines(m.server.log, 5), "\n"))
	r.startAgain(n, text, served, false)
}

// startAgain plans a restart in place, or gives the node up: one that has never answered, or soon after
// it first did, while its cluster is being made and somebody may make another. Later nobody would start
// it again, and its data would go with it. An obstacle, which is not the server's own fault, is waited out
// in any case: a full disk, a stranger at the port, no memory.
func (r *run) startAgain(n *node, why string, served time.Duration, obstacle bool) {
	wait, tooMany := n.restarts.next(time.Now(), r.cfg.RestartWait, r.cfg.RestartWaitMax, rand.Float64())
	if lasts := n.answered && (obstacle || time.Since(n.since) >= restartWindow); tooMany && !lasts {
		r.finish(n, mesos.TASK_FAILED, fmt.Sprintf("more than %d restarts in %s: %s", maxRestarts, restartWindow, why))
		return
	}
	b := r.cluster.bundle
	timeout := nodeTimeout(b.Config)
	// One that cannot be read counts as that of a master with replicas.
	conf, _ := os.ReadFile(filepath.Join(r.cluster.dir(n.index), nodesConf))
	election := failoverWait(b.Persistence, conf, served, timeout)
	wait = max(wait, election)
	n.state = waiting
	ctx, cancel := context.WithCancelCause(r.ctx)
	n.cancel = cancel
	r.spawn(func(context.Context) message {
		defer cancel(nil)
		if sleep(ctx, wait) && election > 0 {
			awaitTakeover(ctx, conf, timeout)
		}
		return restartDue{n, ctx.Err()}
	})
	r.log.Warn("restarting in place", "task", n.id, "in", wait, "why", why)
	if n.answered && !n.unhealthy {
		n.unhealthy = true
		healthy := false
		r.update(n.id, mesos.TASK_RUNNING, fmt.Sprintf("restarts in %s: %s", wait.Round(time.Millisecond), why), &healthy)
	}
}

// restartDue says that a crashed node may be started again, or that nobody wants it any more.
type restartDue struct {
	node *node
	err  error
}

func (m restartDue) apply(r *run) {
	if m.err == nil && m.node.state == waiting {
		r.start(m.node)
	}
}

// kill obeys a KILL.
func (r *run) kill(k *mesosexec.Event_Kill) {
	n := r.nodes[k.GetTaskID().Value]
	if n == nil {
		r.log.Warn("KILL of an unknown task", "task", k.GetTaskID().Value)
		return
	}
	r.end(n, mesos.TASK_KILLED, "killed on request", graceOf(k.GetKillPolicy(), n.grace))
}

func graceOf(p *mesos.KillPolicy, absent time.Duration) time.Duration {
	if g := p.GetGracePeriod(); g != nil {
		return time.Duration(g.Nanoseconds)
	}
	return absent
}

// end brings a node to its end; state and text will be its terminal update once no process is
// left. Of several calls the first decides what is told, and the shortest grace counts.
func (r *run) end(n *node, state mesos.TaskState, text string, grace time.Duration) {
	switch n.state {
	case ended:
		return
	case leaving:
		if n.server != nil {
			r.terminate(n, grace)
		}
		return
	}
	before := n.state
	n.state, n.last, n.lastText = leaving, state, text
	if n.cancel != nil {
		n.cancel(fmt.Errorf("%s", text))
	}
	switch {
	case n.server != nil:
		r.terminate(n, grace)
	case before == waiting:
		r.finish(n, state, text)
	}
	// A server that is just being started is ended by its goroutine.
}

// terminate ends a node's process: at once, or with a grace.
func (r *run) terminate(n *node, grace time.Duration) {
	if grace <= 0 {
		n.server.kill()
		return
	}
	n.server.terminate()
	r.after(grace, graceOver{n.server})
}

type graceOver struct{ server *server }

func (m graceOver) apply(*run) { m.server.kill() }

// finish records the terminal update of a node without a process.
func (r *run) finish(n *node, state mesos.TaskState, text string) {
	n.state = ended
	r.update(n.id, state, text, nil)
}
