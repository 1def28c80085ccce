package executor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
	"pgregory.net/rapid"
)

func taskInfo(id string) mesos.TaskInfo { return mesos.TaskInfo{TaskID: mesos.TaskID{Value: id}} }

func status(task, uuid string) mesos.TaskStatus {
	return mesos.TaskStatus{TaskID: mesos.TaskID{Value: task}, UUID: []byte(uuid)}
}

func names(tasks []mesos.TaskInfo, updates []mesosexec.Call_Update) string {
	var s []string
	for _, t := range tasks {
		s = append(s, t.TaskID.Value)
	}
	for _, u := range updates {
		s = append(s, string(u.Status.UUID))
	}
	return strings.Join(s, " ")
}

func TestLedgerTellsWhatIsOpen(t *testing.T) {
	t.Parallel()
	l := newLedger()
	l.launched(taskInfo("a"))
	l.launched(taskInfo("b"))
	l.add(status("a", "a1"))
	l.add(status("a", "a2"))
	l.add(status("b", "b1"))
	for _, step := range []struct {
		task, uuid string
		known      bool
		open       string
	}{
		{"b", "x", false, "a b a1 a2 b1"},
		{"x", "a1", false, "a b a1 a2 b1"},
		{"a", "a1", true, "b a2 b1"},
		{"a", "a1", false, "b a2 b1"},
		{"b", "b1", true, "a2"},
		{"a", "a2", true, ""},
	} {
		if got := l.acknowledged(step.task, []byte(step.uuid)); got != step.known {
			t.Errorf("%s of %s acknowledged: %v", step.uuid, step.task, got)
		}
		if got := names(l.open()); got != step.open {
			t.Errorf("after %s of %s: open %q, want %q", step.uuid, step.task, got, step.open)
		}
	}
}

// Whatever happens on the way, the updates of a task are first sent in their order, none while
// another of the task is on its way, and none is lost.
func TestLedgerKeepsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger()
		onTheWay := map[string]string{} // by task
		next := map[string]int{}        // by task: the number of the newest update
		first := map[string]int{}       // by task: the highest number ever sent
		open := map[string][]string{}   // by task: the model
		for _, id := range []string{"a", "b", "c"} {
			l.launched(taskInfo(id))
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "task")
				next[id]++
				uuid := fmt.Sprintf("%s%03d", id, next[id])
				l.add(status(id, uuid))
				open[id] = append(open[id], uuid)
			},
			"send": func(t *rapid.T) {
				u := l.next()
				if u == nil {
					t.Skip("nothing to send")
				}
				id, uuid := u.Status.TaskID.Value, string(u.Status.UUID)
				if onTheWay[id] != "" {
					t.Fatalf("%s is sent while %s is on its way", uuid, onTheWay[id])
				}
				var n int
				fmt.Sscanf(uuid[1:], "%d", &n)
				if n > first[id]+1 {
					t.Fatalf("%s is sent, and %d was the last", uuid, first[id])
				}
				first[id] = max(first[id], n)
				onTheWay[id] = uuid
			},
			"answered": func(t *rapid.T) {
				id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "task")
				if onTheWay[id] == "" {
					t.Skip("nothing on its way")
				}
				l.mark(status(id, onTheWay[id]), rapid.SampledFrom([]entryState{sent, unsent}).Draw(t, "state"))
				onTheWay[id] = ""
			},
			"acknowledged": func(t *rapid.T) {
				id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "task")
				if len(open[id]) == 0 || onTheWay[id] != "" || first[id] == 0 {
					t.Skip("nothing to acknowledge")
				}
				uuid := open[id][0]
				var n int
				if fmt.Sscanf(uuid[1:], "%d", &n); n > first[id] {
					t.Skip("not sent")
				}
				if !l.acknowledged(id, []byte(uuid)) {
					t.Fatalf("%s is not known", uuid)
				}
				open[id] = open[id][1:]
			},
			"subscribe": func(t *rapid.T) {
				if len(onTheWay["a"]+onTheWay["b"]+onTheWay["c"]) > 0 {
					t.Skip("the old connection is not done")
				}
				_, updates := l.open()
				var got []string
				for _, u := range updates {
					got = append(got, string(u.Status.UUID))
				}
				want := slices.Concat(open["a"], open["b"], open["c"])
				if !slices.Equal(got, want) {
					t.Fatalf("open %v, want %v", got, want)
				}
				for id := range open {
					first[id] = next[id]
				}
			},
		})
	})
}
