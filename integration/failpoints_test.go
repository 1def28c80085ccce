package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
)

// mortal is the program whose workers end at fail points.
var mortal = sync.OnceValues(func() (string, error) {
	program := filepath.Join(binDir, "mortal")
	if os.Getenv(testBin) != "" {
		return program, nil
	}
	out, err := exec.Command("go", "build", "-tags", "failpoints", "-o", program, "../cmd/clustersmith").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build with fail points: %w\n%s", err, out)
	}
	return program, err
})

// mortalProgram is its path. A job's time must not run while it is being built: tests that publish before they
// start such a worker ask for it first.
func mortalProgram(t testing.TB) string {
	t.Helper()
	program, err := mortal()
	must(t, err)
	return program
}

// crashes is a course of events in which a worker ends at each of some points.
type crashes struct {
	name    string
	points  []failpoint.Point
	passing int // the worker ends when it comes to the point this many times; 0 is the first
	config  func(w *world, cfg *workerConfig)
	// begin makes the request of the job that is hit; from arm on a worker ends at the point.
	begin func(w *world, arm func()) (job string)
	// mend is called once the worker has ended.
	mend func(w *world)
	// judge checks what became of the job.
	judge func(w *world, h history)
}

var courses = []crashes{
	{
		name: "create",
		points: []failpoint.Point{
			failpoint.Received, failpoint.Claimed, failpoint.Saved(contracts.PhaseAccepted), failpoint.Told(contracts.PhaseAccepted),
			failpoint.Reserved, failpoint.Chosen, failpoint.Leased, failpoint.Subscribed, failpoint.PlanStored,
			failpoint.Saved(contracts.PhasePlanned), failpoint.Told(contracts.PhasePlanned), failpoint.AcceptedOne, failpoint.Launched,
			failpoint.Released, failpoint.Saved(contracts.PhaseLaunching), failpoint.Told(contracts.PhaseLaunching), failpoint.GoSent,
			failpoint.Saved(contracts.PhaseStarting), failpoint.Told(contracts.PhaseStarting),
			failpoint.Saved(contracts.PhaseForming), failpoint.Told(contracts.PhaseForming),
			failpoint.Saved(contracts.PhaseVerifying), failpoint.Told(contracts.PhaseVerifying),
			failpoint.Verified, failpoint.Raised, failpoint.Kept,
			failpoint.Ended, failpoint.ResultStored, failpoint.EventStored, failpoint.Acknowledged,
		},
		begin: func(w *world, arm func()) string {
			req := request("mortal", 3, 0)
			arm()
			w.publish(contracts.SubjectCreate, req)
			return req.ID
		},
		judge: (*world).allWell,
	},
	{
		name: "create that has to wait",
		points: []failpoint.Point{
			failpoint.Saved(contracts.PhaseWaitingResources), failpoint.Told(contracts.PhaseWaitingResources), failpoint.HandedBack,
		},
		begin: func(w *world, arm func()) string {
			w.twoHosts()
			req := request("mortal", 3, 1)
			arm()
			w.publish(contracts.SubjectCreate, req)
			return req.ID
		},
		mend:  (*world).allHosts,
		judge: (*world).allWell,
	},
	{
		name: "create that fails",
		points: []failpoint.Point{
			failpoint.Abandoned, failpoint.TornDown, failpoint.Gone, failpoint.Cleaned, failpoint.Freed,
			failpoint.Ended, failpoint.ResultStored, failpoint.EventStored,
		},
		config: broken(func(w *world, cfg *workerConfig) {
			cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] && exec redis-server --version; exit 1`)
		}),
		begin: func(w *world, arm func()) string {
			req := request("mortal", 3, 0)
			arm()
			w.publish(contracts.SubjectCreate, req)
			return req.ID
		},
		judge: func(w *world, h history) { w.failed(h, contracts.ReasonStartFailed) },
	},
	{
		name: "cancel",
		points: []failpoint.Point{
			failpoint.CancelAsked, failpoint.Abandoned, failpoint.TornDown, failpoint.Gone, failpoint.Cleaned, failpoint.Freed,
			failpoint.Ended, failpoint.ResultStored, failpoint.EventStored, failpoint.Acknowledged,
		},
		begin: func(w *world, arm func()) string {
			req := request("mortal", 3, 0)
			w.publish(contracts.SubjectCreate, req)
			w.at(req.ID, contracts.PhaseLaunching)
			arm()
			w.publish(contracts.SubjectCancel, contracts.CancelRequest{ID: "3b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Job: req.ID})
			return req.ID
		},
		judge: func(w *world, h history) {
			if kind := h.kind(h.end()); kind != contracts.EventCancelled {
				w.t.Errorf("%s instead of cancelled\n%s", kind, h)
			}
		},
	},
	{
		name: "destroy",
		points: []failpoint.Point{
			failpoint.Received, failpoint.Claimed, failpoint.Destroying,
			failpoint.Saved(contracts.PhaseDestroying), failpoint.Told(contracts.PhaseDestroying),
			failpoint.TornDown, failpoint.Gone, failpoint.Removed,
			failpoint.Ended, failpoint.ResultStored, failpoint.EventStored, failpoint.Acknowledged,
		},
		begin: func(w *world, arm func()) string {
			w.verified(w.create(request("mortal", 3, 0)))
			w.settled()
			arm()
			req := contracts.DestroyRequest{ID: "4b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "mortal"}
			w.publish(contracts.SubjectDestroy, req)
			return req.ID
		},
		judge: func(w *world, h history) {
			if kind := h.kind(h.end()); kind != contracts.EventDestroyed {
				w.t.Errorf("%s instead of destroyed\n%s", kind, h)
			}
		},
	},
	{
		name:    "create that fails thrice",
		passing: 2,
		points: []failpoint.Point{
			failpoint.Chosen, failpoint.Leased, failpoint.Subscribed, failpoint.PlanStored, failpoint.Saved(contracts.PhasePlanned),
			failpoint.Launched, failpoint.Saved(contracts.PhaseLaunching), failpoint.Abandoned, failpoint.TornDown, failpoint.Cleaned,
		},
		config: func(w *world, cfg *workerConfig) {
			cfg.RedisServer = w.script(0o755, `[ "$1" = --version ] && exec redis-server --version; exit 1`)
		},
		begin: func(w *world, arm func()) string {
			req := request("mortal", 3, 0)
			arm()
			w.publish(contracts.SubjectCreate, req)
			return req.ID
		},
		judge: func(w *world, h history) { w.failed(h, contracts.ReasonStartFailed) },
	},
	{
		name: "verify",
		points: []failpoint.Point{
			failpoint.Received, failpoint.Claimed, failpoint.Saved(contracts.PhaseVerifying), failpoint.Told(contracts.PhaseVerifying),
			failpoint.Ended, failpoint.ResultStored, failpoint.EventStored, failpoint.Acknowledged,
		},
		begin: func(w *world, arm func()) string {
			w.verified(w.create(request("mortal", 3, 0)))
			w.settled()
			arm()
			req := contracts.VerifyRequest{ID: "5b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "mortal"}
			w.publish(contracts.SubjectVerify, req)
			return req.ID
		},
		judge: (*world).allWell,
	},
	{
		name:   "destroy during create",
		points: []failpoint.Point{failpoint.HandedBack, failpoint.Abandoned, failpoint.TornDown, failpoint.Freed, failpoint.Ended},
		begin: func(w *world, arm func()) string {
			create := request("mortal", 3, 0)
			w.publish(contracts.SubjectCreate, create)
			w.at(create.ID, contracts.PhaseLaunching)
			arm()
			req := contracts.DestroyRequest{ID: "4b0e6b6e-58c1-4f3a-a9a5-8f6c0f1d2a3b", Cluster: "mortal"}
			w.publish(contracts.SubjectDestroy, req)
			return req.ID
		},
		judge: func(w *world, h history) {
			if kind := h.kind(h.end()); kind != contracts.EventDestroyed {
				w.t.Errorf("%s instead of destroyed\n%s", kind, h)
			}
		},
	},
	{
		name:   "refusal",
		points: []failpoint.Point{failpoint.Ended, failpoint.ResultStored, failpoint.EventStored, failpoint.Buried},
		begin: func(w *world, arm func()) string {
			req := request("mortal", 3, 0)
			req.Masters = -1
			arm()
			w.publish(contracts.SubjectCreate, req)
			return req.ID
		},
		judge: func(w *world, h history) {
			w.failed(h, contracts.ReasonInvalidRequest)
			w.settled()
			dead, err := w.js.Stream(w.t.Context(), contracts.StreamDead)
			must(w.t, err)
			if n := dead.CachedInfo().State.Msgs; n != 1 {
				w.t.Errorf("%d dead letters instead of one", n)
			}
		},
	},
}

// TestCrashAtEveryPoint kills a worker at every point between two of its effects: the only
// worker, which is then replaced, or one of two. Unless CLUSTERSMITH_TEST_ALL is set, each point
// is tried in one of the two ways.
func TestCrashAtEveryPoint(t *testing.T) {
	t.Parallel()
	tried := map[failpoint.Point]bool{}
	for _, c := range courses {
		for i, point := range c.points {
			tried[point] = true
			for workers := 1; workers <= 2; workers++ {
				if os.Getenv("CLUSTERSMITH_TEST_ALL") == "" && i%2 != workers-1 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%d", c.name, point, workers), func(t *testing.T) {
					t.Parallel()
					c.run(t, point, workers)
				})
			}
		}
	}
	for _, point := range failpoint.All {
		if !tried[point] {
			t.Errorf("no course of events ends a worker at %s", point)
		}
	}
}

func (c crashes) run(t *testing.T, point failpoint.Point, workers int) {
	w := newWorld(t, agents(4, 4, 4096), quick)
	if c.mend != nil {
		w.needsOperator()
	}
	cfg := w.config()
	if c.config != nil {
		c.config(w, &cfg)
	}
	armed := filepath.Join(w.dir, "armed")
	died := make(chan *process, workers)
	for i := range workers {
		cfg.Name = fmt.Sprintf("mortal-%d", i)
		w.mortalProcess(cfg, point, max(c.passing, 1), armed).tell(died)
	}
	job := c.begin(w, func() { must(t, os.WriteFile(armed, nil, 0o600)) })
	select {
	case p := <-died:
		if !killedByItself(p) {
			t.Fatalf("the worker did not end at %s but so: %s", point, p.cmd.ProcessState)
		}
	case <-time.After(awaitLimit):
		t.Fatalf("no worker came to %s", point)
	}
	if c.passing > 1 && w.remote == nil { // where no job waits: it comes to the point once in an attempt
		if rec := w.record(job); rec.Frameworks != c.passing {
			t.Errorf("the worker ended with framework %d of the job instead of %d", rec.Frameworks, c.passing)
		}
	}
	if c.mend != nil {
		c.mend(w)
	}
	if workers == 1 {
		cfg.Name = "successor"
		w.processWith(cfg)
	}
	h := w.await(job)
	c.judge(w, h)
	w.settled()
	w.silentSince(h)
	w.emptied()
}

// mortalProcess starts a worker that ends when it comes to a point for the n-th time since armed exists.
func (w *world) mortalProcess(cfg workerConfig, point failpoint.Point, n int, armed string) *process {
	w.t.Helper()
	return w.processOf(mortalProgram(w.t), cfg, fmt.Sprintf("CLUSTERSMITH_FAILPOINT=%s:%d", point, n), "CLUSTERSMITH_FAILPOINT_ARM="+armed)
}

// tell says when the process has ended.
func (p *process) tell(died chan<- *process) {
	go func() { <-p.done; died <- p }()
}

func killedByItself(p *process) bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Every point has its row in the document that says what a crash there leaves behind, every row is
// a point's, and they stand in one order.
func TestEveryPointIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/reliability.md")
	must(t, err)
	_, rest, found := strings.Cut(string(text), "\n## A crash between any two effects\n")
	section, _, closed := strings.Cut(rest, "\n## ")
	if !found || !closed {
		t.Fatal("docs/reliability.md has no table of crashes")
	}
	var rows []failpoint.Point
	for line := range strings.Lines(section) {
		if name, found := strings.CutPrefix(line, "| `"); found {
			name, _, _ = strings.Cut(name, "`")
			rows = append(rows, failpoint.Point(name))
		}
	}
	if !slices.Equal(rows, failpoint.All) {
		t.Errorf("docs/reliability.md has rows for\n%s\ninstead of\n%s", rows, failpoint.All)
	}
}
