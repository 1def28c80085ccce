package executor

import (
	"bytes"

	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// ledger holds what the agent has not acknowledged: tasks of which it has acknowledged no
// update, and updates, per task in their order. It is a plain value without a lock.
type ledger struct {
	order []string // task IDs, in the order of their launch
	tasks map[string]*account
}

// account is one task's page. Updates go out one at a time, so that they arrive in order.
type account struct {
	task     mesos.TaskInfo
	taskOpen bool // no update of the task is acknowledged yet
	updates  []entry
}

type entry struct {
	update mesosexec.Call_Update
	state  entryState
}

type entryState int

const (
	unsent entryState = iota
	sending
	sent // the agent has it; it waits for ACKNOWLEDGED
)

func newLedger() *ledger { return &ledger{tasks: map[string]*account{}} }

// launched opens a task's page.
func (l *ledger) launched(t mesos.TaskInfo) {
	id := t.TaskID.Value
	l.order = append(l.order, id)
	l.tasks[id] = &account{task: t, taskOpen: true}
}

// add appends an update of a launched task.
func (l *ledger) add(s mesos.TaskStatus) {
	a := l.tasks[s.TaskID.Value]
	a.updates = append(a.updates, entry{update: mesosexec.Call_Update{Status: s}})
}

// acknowledged forgets an update, and reports whether it was there.
func (l *ledger) acknowledged(taskID string, uuid []byte) bool {
	a := l.tasks[taskID]
	if a == nil {
		return false
	}
	for i := range a.updates {
		if bytes.Equal(a.updates[i].update.Status.UUID, uuid) {
			a.updates = append(a.updates[:i], a.updates[i+1:]...)
			a.task, a.taskOpen = mesos.TaskInfo{}, false
			return true
		}
	}
	return false
}

// next finds an update to send and marks it as being sent; nil means that there is none now.
func (l *ledger) next() *mesosexec.Call_Update {
	for _, id := range l.order {
		for i := range l.tasks[id].updates {
			e := &l.tasks[id].updates[i]
			if e.state == sent {
				continue
			}
			if e.state == sending {
				break
			}
			e.state = sending
			return &mesosexec.Call_Update{Status: e.update.Status}
		}
	}
	return nil
}

// mark notes how sending an update went. It may be acknowledged, and so forgotten, already.
func (l *ledger) mark(s mesos.TaskStatus, to entryState) {
	for i := range l.tasks[s.TaskID.Value].updates {
		e := &l.tasks[s.TaskID.Value].updates[i]
		if bytes.Equal(e.update.Status.UUID, s.UUID) {
			e.state = to
		}
	}
}

// open lists what a new subscription has to tell, and marks the updates as sent with it; if it
// fails, the next one tells all of it again. Neither list is nil.
func (l *ledger) open() ([]mesos.TaskInfo, []mesosexec.Call_Update) {
	tasks, updates := []mesos.TaskInfo{}, []mesosexec.Call_Update{}
	for _, id := range l.order {
		a := l.tasks[id]
		if a.taskOpen {
			tasks = append(tasks, a.task)
		}
		for i := range a.updates {
			a.updates[i].state = sent
			updates = append(updates, a.updates[i].update)
		}
	}
	return tasks, updates
}

// unacknowledged counts updates.
func (l *ledger) unacknowledged() (n int) {
	for _, a := range l.tasks {
		n += len(a.updates)
	}
	return n
}
