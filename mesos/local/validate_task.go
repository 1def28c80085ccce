package local

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gogo/protobuf/proto"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// validateTask returns what a task (and its executor, where that is new) takes from rest, or
// what is wrong with it in Mesos' words.
func (m *master) validateTask(f *framework, a *masterAgent, rest pool, info mesos.TaskInfo) (pool, string) {
	if problem := idProblem(info.TaskID.Value); problem != "" {
		return nil, problem
	}
	if f.tasks[info.TaskID.Value] != nil {
		return nil, "Task has duplicate ID: " + info.TaskID.Value
	}
	if info.AgentID.Value != a.id {
		return nil, fmt.Sprintf("Task uses invalid agent %s while agent %s is expected", info.AgentID.Value, a.id)
	}
	if (info.Executor == nil) == (info.Command == nil) {
		return nil, "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
	}
	if info.Container != nil || info.Executor != nil && info.Executor.Container != nil && imageOf(*info.Executor) == nil {
		return nil, "Containers are not supported by this local Mesos"
	}
	need, err := poolOf(info.Resources)
	if err != nil {
		return nil, err.Error()
	}
	if len(need) == 0 && len(info.Resources) == 0 {
		return nil, "Task uses no resources"
	}
	if info.Executor != nil {
		of, problem := m.validateExecutor(f, a, *info.Executor)
		if problem != "" {
			return nil, problem
		}
		need = need.plus(of)
	}
	if !rest.contains(need) {
		return nil, fmt.Sprintf("Total resources %s required by task and its executor is more than available %s", need, rest)
	}
	return need, ""
}

// imageOf is the image of an executor in a Mesos container; nil where there is none.
func imageOf(e mesos.ExecutorInfo) *mesos.Image {
	if c := e.Container; c != nil && c.Type != nil && *c.Type == mesos.ContainerInfo_MESOS && c.Mesos != nil {
		return c.Mesos.Image
	}
	return nil
}

// validateExecutor returns what a new executor takes; a known one takes nothing more.
func (m *master) validateExecutor(f *framework, a *masterAgent, e mesos.ExecutorInfo) (pool, string) {
	if problem := idProblem(e.ExecutorID.Value); problem != "" {
		return nil, problem
	}
	if e.FrameworkID.Value != f.id {
		return nil, fmt.Sprintf("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", e.FrameworkID.Value, f.id)
	}
	if e.Type == mesos.ExecutorInfo_DEFAULT {
		return nil, "DEFAULT executors are not supported by this local Mesos"
	}
	if e.Command == nil {
		return nil, "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
	}
	if known := a.executors[executorKey{f.id, e.ExecutorID.Value}]; known != nil {
		if !sameExecutor(known.info, e) {
			const line = "------------------------------------------------------------"
			return nil, fmt.Sprintf("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n%s\nExisting ExecutorInfo:\n%s\n%s\nExecutorInfo:\n%s\n%s\n",
				line, textOf(&known.info), line, textOf(&e), line)
		}
		return nil, ""
	}
	p, err := poolOf(e.Resources)
	if err != nil {
		return nil, err.Error()
	}
	return p, ""
}

var closing = regexp.MustCompile(`(?m)^(\s*)>$`)

// textOf writes a message in the text format, with the brackets that Mesos uses.
func textOf(m proto.Message) string {
	return closing.ReplaceAllString(strings.ReplaceAll(proto.MarshalTextString(m), ": <\n", " {\n"), "$1}")
}

// sameExecutor compares as Mesos does: everything but the order of the resources.
func sameExecutor(a, b mesos.ExecutorInfo) bool {
	p, errA := poolOf(a.Resources)
	q, errB := poolOf(b.Resources)
	if errA != nil || errB != nil || !p.contains(q) || !q.contains(p) {
		return false
	}
	a.Resources, b.Resources = nil, nil
	return a.Equal(&b)
}

func idProblem(id string) string {
	switch {
	case id == "":
		return "ID must not be empty"
	case len(id) > 255:
		return "ID must not be greater than 255 characters"
	case id == "." || id == "..":
		return fmt.Sprintf("'%s' is disallowed", id)
	case strings.ContainsFunc(id, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '/' || r == '\\' }):
		return fmt.Sprintf("'%s' contains invalid characters", id)
	}
	return ""
}
