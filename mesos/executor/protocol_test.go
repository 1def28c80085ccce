package executor

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// unknownTask is a task that fails at once, with one update.
const unknownTask = "node-9999"

func TestUpdateIsToldUntilItIsAcknowledged(t *testing.T) {
	for _, encoding := range []string{Protobuf, JSON} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			x := runExecutor(t, func(c *Config) { c.Encoding = encoding })
			plan := redistest.Plan(t, 3, 0, 3)
			s := x.agent.subscription()
			if u := s.call.Subscribe; len(u.UnacknowledgedTasks)+len(u.UnacknowledgedUpdates) != 0 {
				t.Errorf("the first SUBSCRIBE tells %v", u)
			}
			s.subscribed(data(t, plan, nil))
			s.launch(unknownTask)
			first := x.agent.update()
			close(s.end)
			s = x.agent.subscription()
			again := s.call.Subscribe
			if len(again.UnacknowledgedTasks) != 1 || again.UnacknowledgedTasks[0].TaskID.Value != unknownTask {
				t.Errorf("unacknowledged tasks: %v", again.UnacknowledgedTasks)
			}
			if len(again.UnacknowledgedUpdates) != 1 || !bytes.Equal(again.UnacknowledgedUpdates[0].Status.UUID, first.UUID) {
				t.Errorf("unacknowledged updates: %v", again.UnacknowledgedUpdates)
			}
			s.subscribed(data(t, plan, nil))
			s.acknowledge(first)
			s.acknowledge(first) // twice is harmless
			close(s.end)
			s = x.agent.subscription()
			if u := s.call.Subscribe; len(u.UnacknowledgedTasks)+len(u.UnacknowledgedUpdates) != 0 {
				t.Errorf("after ACKNOWLEDGED, SUBSCRIBE tells %v", u)
			}
			close(s.end)
		})
	}
}

func TestUpdateIsSentAgainWhenTheAgentIsBusy(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, nil)
	s := x.agent.subscription()
	s.subscribed(data(t, redistest.Plan(t, 3, 0, 3), nil))
	var refused atomic.Int32
	x.agent.answerWith(func(c *mesosexec.Call) int {
		if c.Type == mesosexec.Call_UPDATE && refused.Add(1) <= 3 {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	s.launch(unknownTask)
	s.next(mesos.TASK_FAILED)
	if n := refused.Load(); n != 4 {
		t.Errorf("%d attempts, not 4", n)
	}
}

// An agent that comes up answers 404, then 503.
func TestSubscribesUntilTheAgentIsReady(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	x := runExecutorWith(t, nil, func(a *scriptedAgent) {
		a.answerWith(func(*mesosexec.Call) int {
			switch calls.Add(1) {
			case 1:
				return http.StatusNotFound
			case 2:
				return http.StatusServiceUnavailable
			}
			return 0
		})
	})
	x.agent.subscription()
	if n := calls.Load(); n != 3 {
		t.Errorf("%d attempts, not 3", n)
	}
}

func TestAgentThatRefusesTheExecutor(t *testing.T) {
	t.Parallel()
	x := runExecutorWith(t, nil, func(a *scriptedAgent) {
		a.answerWith(func(*mesosexec.Call) int { return http.StatusBadRequest })
	})
	if err := x.wait(); err == nil || err.Error() != "executor: SUBSCRIBE: the agent answers 400 scripted" {
		t.Error(err)
	}
}

// A new executor whose token is not accepted ends and says so. One with nodes to lose tries again.
func TestTokenThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		x := runExecutorWith(t, nil, func(a *scriptedAgent) {
			a.answerWith(func(*mesosexec.Call) int { return status })
		})
		if err := x.wait(); err == nil || !strings.Contains(err.Error(), "MESOS_EXECUTOR_AUTHENTICATION_TOKEN is not accepted") {
			t.Errorf("%d: %v", status, err)
		}
	}
	x := runExecutor(t, nil)
	s := x.agent.subscription()
	var asked atomic.Int32
	x.agent.answerWith(func(c *mesosexec.Call) int {
		if c.Type == mesosexec.Call_SUBSCRIBE && asked.Add(1) <= 2 {
			return http.StatusUnauthorized
		}
		return 0
	})
	plan := redistest.Plan(t, 3, 0, 3)
	s.subscribed(data(t, plan, nil))
	close(s.end)
	x.agent.subscription()
	if n := asked.Load(); n != 3 {
		t.Errorf("%d attempts, not 3", n)
	}
}

// With a checkpoint, servers live through an agent's restart; orders given meanwhile are obeyed.
func TestAgentRestarts(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, nil)
	plan := redistest.Plan(t, 3, 0, 3)
	s := x.boot(plan, data(t, plan, nil))
	s.message(bundle.MessageGo)
	s.all(3, mesos.TASK_RUNNING)
	before := serverPIDs(t, x, plan)
	x.agent.stop()
	<-s.gone
	x.agent.start()
	s = x.agent.subscription()
	s.subscribed(data(t, plan, nil))
	s.launch(bundle.TaskID(0)) // an agent that lost its memory says so again
	s.kill(bundle.TaskID(1), 0)
	if u := s.next(mesos.TASK_KILLED); u.TaskID.Value != bundle.TaskID(1) {
		t.Errorf("%s is killed", u.TaskID.Value)
	}
	after := serverPIDs(t, x, plan)
	if before[0] != after[0] || before[2] != after[2] || after[1] != 0 {
		t.Errorf("servers before %v, after %v", before, after)
	}
}

func TestAgentIsGoneForTooLong(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, func(c *Config) { c.RecoveryTimeout = 300 * time.Millisecond })
	plan := redistest.Plan(t, 3, 0, 3)
	s := x.boot(plan, data(t, plan, nil))
	s.message(bundle.MessageGo)
	s.all(3, mesos.TASK_RUNNING)
	x.agent.stop()
	if err := x.wait(); err == nil {
		t.Error("no error")
	}
	if pids := serverPIDs(t, x, plan); pids != [3]int{} {
		t.Errorf("servers are left: %v", pids)
	}
}

func TestAgentIsGoneWithoutCheckpoint(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, func(c *Config) { c.Checkpoint = false })
	plan := redistest.Plan(t, 3, 0, 3)
	x.boot(plan, data(t, plan, nil))
	x.agent.stop()
	if err := x.wait(); err == nil {
		t.Error("no error")
	}
	if pids := serverPIDs(t, x, plan); pids != [3]int{} {
		t.Errorf("servers are left: %v", pids)
	}
}

func TestNoAgentAtAll(t *testing.T) {
	t.Parallel()
	x := runExecutorWith(t, nil, func(a *scriptedAgent) { a.stop() })
	x.stop() // as by SIGTERM: it must not wait for an agent that never was
	if err := x.wait(); err != nil {
		t.Error(err)
	}
}

func TestIdleExecutorEnds(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, func(c *Config) { c.IdleTimeout = 100 * time.Millisecond })
	s := x.agent.subscription()
	s.subscribed(data(t, redistest.Plan(t, 3, 0, 3), nil))
	s.launch(unknownTask)
	s.next(mesos.TASK_FAILED)
	if err := x.wait(); err != nil {
		t.Error(err)
	}
}
