package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/clustersmith/clustersmith/worker"
	"github.com/google/uuid"
)

// A request that kills every worker that works on it is given up: three workers end, the next one
// buries it. It can be looked at, and replayed, and does no harm to other jobs.
func TestRequestThatKillsWorkers(t *testing.T) {
	t.Parallel()
	mortalProgram(t)
	w := newWorld(t, agents(4, 4, 4096), quick)
	req := request("deadly", 3, 0)
	w.publish(contracts.SubjectCreate, req)
	w.killed(func(*workerConfig) {}, failpoint.Chosen, failpoint.Told(contracts.PhaseLaunching), failpoint.Claimed)

	cfg := w.config()
	cfg.Name, cfg.HTTPAddr = "careful", w.ownAddress()+":9464"
	w.processWith(cfg)
	h := w.await(req.ID)
	if end := w.failed(h, contracts.ReasonInternal); !strings.Contains(end.Data.Message, "3 workers ended") {
		t.Errorf("the failed event says %q", end.Data.Message)
	}
	w.settled()
	w.silentSince(h)
	w.emptied()

	var letters []struct {
		Sequence uint64          `json:"sequence"`
		Reason   string          `json:"reason"`
		Error    string          `json:"error"`
		Body     json.RawMessage `json:"body"`
	}
	must(t, json.Unmarshal(w.clustersmith("dead", "list", "-o", "json"), &letters))
	if len(letters) != 1 || letters[0].Reason != string(contracts.ReasonInternal) || !strings.Contains(letters[0].Error, "3 workers") {
		t.Fatalf("dead letters: %+v", letters)
	}
	if got := w.metric("careful", cfg.HTTPAddr, `clustersmith_jobs_total{kind="create",reason="internal",result="failed"}`); got != "1" {
		t.Errorf("the failed job is counted %s times", got)
	}
	if got := w.metric("careful", cfg.HTTPAddr, `clustersmith_dead_letters_total{kind="create",reason="internal"}`); got != "1" {
		t.Errorf("the dead letter is counted %s times", got)
	}
	for name, want := range map[string]string{
		"clustersmith_owner_crashes_total": "1", "clustersmith_redeliveries_total": "1", "clustersmith_queue_dead_letters": "1",
		"clustersmith_jobs_in_flight": "0", "clustersmith_queue_up": "1", "clustersmith_queue_waiting_messages": "0",
	} {
		if got := w.metric("careful", cfg.HTTPAddr, name); got != want {
			t.Errorf("%s is %s instead of %s", name, got, want)
		}
	}

	// The id's job has ended, so that the request comes back under a new one; and this time works.
	var again struct{ ID string }
	must(t, json.Unmarshal(w.clustersmith("dead", "replay", fmt.Sprint(letters[0].Sequence), "--new-id", "-o", "json"), &again))
	h = w.await(again.ID)
	w.allWell(h)
	if got := w.metric("careful", cfg.HTTPAddr, `clustersmith_jobs_total{kind="create",reason="",result="verified"}`); got != "1" {
		t.Errorf("the verified job is counted %s times", got)
	}
	if left := w.clustersmith("dead", "list"); !strings.Contains(string(left), "no dead letter") {
		t.Errorf("after the replay there is still:\n%s", left)
	}
	w.emptied()
}

// A job whose clean-up kills workers ends too: what it left is Mesos' to remove, also where a
// worker had asked Mesos to keep it.
func TestCleanUpThatKillsWorkers(t *testing.T) {
	t.Parallel()
	t.Run("failed", func(t *testing.T) { cleanUpKills(t, true, failpoint.Abandoned, failpoint.Claimed) })
	t.Run("kept", func(t *testing.T) { cleanUpKills(t, false, failpoint.Raised, failpoint.Abandoned) })
}

// cleanUpKills lets a create that fails or succeeds kill a worker at each point.
func cleanUpKills(t *testing.T, fails bool, points ...failpoint.Point) {
	t.Parallel()
	mortalProgram(t)
	w := newWorld(t, agents(4, 4, 4096), quick)
	w.alone()
	once := func(cfg *workerConfig) {
		cfg.MaxCrashes, cfg.CreateFailover = 1, 5*time.Second
		oneAttempt(cfg)
		if fails {
			cfg.MaxAttempts = 1
			cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] && exec redis-server --version; exit 1`)
		}
	}
	req := request("sticky", 3, 0)
	w.publish(contracts.SubjectCreate, req)
	w.killed(once, points...)
	w.worker(once, named("careful"))
	h := w.await(req.ID)
	if end := w.failed(h, contracts.ReasonInternal); !strings.Contains(end.Data.Message, "cleaned up") {
		t.Errorf("the failed event says %q", end.Data.Message)
	}
	w.settled()
	w.silentSince(h)
	w.framed()
	w.emptied()
}

// killed starts a worker for each point, which ends there before the next one starts.
func (w *world) killed(change func(*workerConfig), points ...failpoint.Point) {
	w.t.Helper()
	for i, point := range points {
		cfg := w.config()
		change(&cfg)
		cfg.Name = fmt.Sprintf("victim-%d", i)
		died := make(chan *process, 1)
		w.mortalProcess(cfg, point, 1, "").tell(died)
		select {
		case p := <-died:
			if !killedByItself(p) {
				w.t.Fatalf("worker %d did not end at %s but so: %s", i, point, p.cmd.ProcessState)
			}
		case <-time.After(awaitLimit):
			w.t.Fatalf("worker %d did not come to %s", i, point)
		}
		w.unasked()
	}
}

// unasked waits until NATS knows that no worker asks for messages any more: what is published before
// may still be sent to one that is dead, and then waits for its ack wait.
func (w *world) unasked() {
	w.t.Helper()
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(5 * time.Millisecond) { // nobody tells
		consumer, err := w.js.Consumer(w.t.Context(), contracts.StreamJobs, worker.ConsumerName)
		must(w.t, err)
		if consumer.CachedInfo().NumWaiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("somebody still asks for messages")
		}
	}
}

// clustersmith runs the command line of an operator and returns what it prints.
func (w *world) clustersmith(args ...string) []byte {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(binDir, "clustersmith"), args...)
	cmd.Env = append(cmd.Environ(), "CLUSTERSMITH_NATS_URL="+w.natsURL)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("clustersmith %s: %v\n%s%s", strings.Join(args, " "), err, out, &said)
	}
	return out
}

// ownAddress is one on this machine that no other test uses.
func (w *world) ownAddress() string {
	return fmt.Sprintf("127.%d.%d.250", network(), networks.Add(1)%256)
}

// metric reads one of a worker's metrics, by its name and labels; absent is the empty string.
func (w *world) metric(worker, addr, name string) string {
	w.t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		w.t.Fatalf("metrics of %s: %v", worker, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A cluster's record says that it is verified a moment before the job that made it has ended. If
// the worker dies in between, others must not take the cluster for one that is there: a destroy
// would be undone by the job's next owner, and a create of the same cluster be told of one that may
// yet be torn down.
func TestWorkerEndsBetweenClusterAndJob(t *testing.T) {
	t.Parallel()
	mortalProgram(t)
	t.Run("destroy", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, agents(4, 4, 4096), quick)
		req := request("early", 3, 0)
		w.publish(contracts.SubjectCreate, req)
		w.killed(func(*workerConfig) {}, failpoint.Kept)
		down := contracts.DestroyRequest{ID: uuid.NewString(), Cluster: "early"}
		w.publish(contracts.SubjectDestroy, down)
		w.worker() // which has the destroy before the create, whose ack wait has to end
		if gone := w.await(down.ID); gone.kind(gone.end()) != contracts.EventDestroyed {
			t.Errorf("%s instead of destroyed: %s", gone.end().Type, gone.end().Data.Message)
		}
		if h := w.await(req.ID); h.kind(h.end()) != contracts.EventCancelled {
			t.Errorf("%s instead of cancelled\n%s", h.end().Type, h)
		}
		w.settled()
		w.nothingLeft("early")
		w.emptied()
	})
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, agents(4, 4, 4096), quick)
		first, same := request("early", 3, 0), request("early", 3, 0)
		w.publish(contracts.SubjectCreate, first)
		w.killed(func(*workerConfig) {}, failpoint.Kept)
		w.publish(contracts.SubjectCreate, same)
		w.publish(contracts.SubjectCancel, contracts.CancelRequest{ID: "8b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Job: first.ID})
		w.worker() // which has both before the first, whose ack wait has to end
		if h := w.await(first.ID); h.kind(h.end()) != contracts.EventCancelled {
			t.Errorf("%s instead of cancelled\n%s", h.end().Type, h)
		}
		w.allWell(w.await(same.ID))
		w.emptied()
	})
}
