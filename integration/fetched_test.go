package integration

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/worker"
)

// Agents fetch the executor over HTTP and check it against the SHA-256 in its name; one that is
// another is not run, and the failed event says so and where to look.
func TestFetchedExecutor(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(filepath.Join(binDir, "clustersmith-executor"))
	must(t, err)
	sum := fmt.Sprintf("%x", sha256.Sum256(program))
	other := fmt.Sprintf("%x", sha256.Sum256(nil))
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/clustersmith-executor") {
			_, _ = w.Write(program) // whoever goes away needs no more
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(files.Close)
	for name, c := range map[string]struct {
		path string
		says string // empty: verified
	}{
		"no checksum":    {"/clustersmith-executor", ""},
		"checksum":       {"/clustersmith-executor-" + sum, ""},
		"other checksum": {"/clustersmith-executor-" + other, "SHA-256"},
		"not there":      {"/nothing-" + sum, "fetch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(3, 4, 4096))
			w.worker(oneAttempt, func(cfg *worker.Config) { cfg.Executor = files.URL + c.path })
			h := w.create(request("fetched", 3, 0))
			if c.says == "" {
				w.verified(h)
				return
			}
			end := w.failed(h, contracts.ReasonLaunchFailed)
			if takenByChaos(end) {
				return
			}
			if end.Data.Details == nil || len(end.Data.Details.Tasks) == 0 {
				t.Fatalf("no failed tasks in the details: %+v", end.Data)
			}
			for _, task := range end.Data.Details.Tasks {
				if !strings.Contains(task.Message, c.says) {
					t.Errorf("%s does not speak of %q: %s", task.Task, c.says, task.Message)
				}
				prefix, want := w.masters+"/#/agents/"+task.Agent+"/frameworks/", "/executors/clustersmith-fetched/browse"
				if !strings.HasPrefix(task.Sandbox, prefix) || !strings.HasSuffix(task.Sandbox, want) {
					t.Errorf("the sandbox of %s is at %q", task.Task, task.Sandbox)
				}
			}
		})
	}
}
