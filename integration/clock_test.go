package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// jumping is the program on a machine whose wall clock jumps by $CLUSTERSMITH_TEST_CLOCK_JUMP
// seconds and back, ten times a second. Only Go's own time package knows the wall clock, so the
// compiler is given one that lies; the monotonic clock is as ever.
var jumping = sync.OnceValues(func() (string, error) {
	source := filepath.Join(runtime.GOROOT(), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const now = "sec, nsec, mono := runtimeNow()\n"
	lying := bytes.Replace(text, []byte(now), []byte(now+"\tif mono/100e6%2 == 1 {\n\t\tsec += jump\n\t}\n"), 1)
	lying = bytes.Replace(lying, []byte("import (\n"), []byte("import (\n\t\"syscall\"\n"), 1)
	lying = append(lying, `
var jump = func() (n int64) {
	text, _ := syscall.Getenv("CLUSTERSMITH_TEST_CLOCK_JUMP")
	sign := int64(1)
	for _, c := range []byte(text) {
		if c == '-' {
			sign = -1
		} else {
			n = 10*n + int64(c-'0')
		}
	}
	return sign * n
}()
`...)
	if bytes.Count(lying, []byte("jump")) != 2 {
		return "", fmt.Errorf("%s is not as it was: mend this test", source)
	}
	changed := filepath.Join(os.TempDir(), "time.go")
	files, err := overlaid()
	var overlay []byte
	if err == nil {
		files[source] = changed
		overlay, err = json.Marshal(map[string]any{"Replace": files})
	}
	if err == nil {
		err = os.WriteFile(changed, lying, 0o600)
	}
	if err == nil {
		err = os.WriteFile(changed+".json", overlay, 0o600)
	}
	if err != nil {
		return "", err
	}
	program := filepath.Join(os.TempDir(), "jumping")
	out, err := exec.Command("go", "build", "-overlay", changed+".json", "-o", program, "../cmd/clustersmith").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build with a jumping clock: %w\n%s", err, out)
	}
	return program, err
})

// overlaid is what the go command compiles in place of other files already.
func overlaid() (map[string]string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	m := regexp.MustCompile(`-overlay=(\S+)`).FindStringSubmatch(os.Getenv("GOFLAGS"))
	if m == nil {
		return overlay.Replace, nil
	}
	text, err := os.ReadFile(m[1])
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &overlay)
	return overlay.Replace, err
}

// A worker whose wall clock jumps by an hour, forward or back, keeps every deadline and lease, and
// takes jobs over and hands them over like any other.
func TestClockJumps(t *testing.T) {
	if os.Getenv("CLUSTERSMITH_TEST_ALL") == "" {
		t.Skip("compiles Go's library anew, with a clock that lies: part of make matrix")
	}
	program, err := jumping()
	must(t, err)
	for _, jump := range []string{"3600", "-3600"} {
		t.Run(jump, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agents(4, 8, 8192), quick)
			steady := w.process("steady")
			cfg := w.config()
			cfg.Name = "jumping"
			unsteady := w.processOf(program, cfg, "CLUSTERSMITH_TEST_CLOCK_JUMP="+jump)
			// Each takes over from the other, in the middle of a create.
			for i, from := range []*process{steady, unsteady} {
				var reqs []contracts.CreateRequest
				for n := range 4 {
					reqs = append(reqs, request(fmt.Sprintf("c-%d-%d", i, n), 3, 0))
					w.publish(contracts.SubjectCreate, reqs[n])
				}
				for _, req := range reqs {
					w.at(req.ID, contracts.PhaseForming)
				}
				from.kill()
				for _, req := range reqs {
					h := w.await(req.ID)
					w.verified(h)
					if h.end().Data.Attempt != 1 {
						t.Errorf("%d attempts\n%s", h.end().Data.Attempt, h)
					}
				}
				if i == 0 {
					steady = w.process("steady-again")
				}
			}
			for i := range 2 {
				for n := range 4 {
					w.destroy(fmt.Sprintf("c-%d-%d", i, n))
				}
			}
			// Deadlines too: one that cannot be met ends the job, neither at once nor an hour later.
			steady.kill()
			cfg.Name = "jumping-again"
			w.processOf(program, cfg, "CLUSTERSMITH_TEST_CLOCK_JUMP="+jump)
			late := request("late", 3, 1)
			late.Node.MemoryMB, late.Deadline = 65536, contracts.Duration(8e9)
			h := w.create(late)
			w.failed(h, contracts.ReasonInsufficientResources)
			if ms := h.end().Data.ElapsedMS; ms < 6000 || ms > 30000 {
				t.Errorf("a deadline of 8 s was over after %d ms", ms)
			}
			w.emptied()
			w.jumped("jumping", "jumping-again")
		})
	}
}

// jumped checks by workers' own logs that their clock did jump.
func (w *world) jumped(workers ...string) {
	w.t.Helper()
	var least, most time.Time
	for _, worker := range workers {
		text, err := os.ReadFile(filepath.Join(w.dir, "worker-"+worker+".log"))
		must(w.t, err)
		for _, stamp := range regexp.MustCompile(`(?m)^time=(\S+)`).FindAllStringSubmatch(string(text), -1) {
			at, err := time.Parse(time.RFC3339, stamp[1])
			must(w.t, err)
			if least.IsZero() || at.Before(least) {
				least = at
			}
			if at.After(most) {
				most = at
			}
		}
	}
	if most.Sub(least) < 50*time.Minute {
		w.t.Errorf("the clock of %v did not jump: it told of %v to %v", workers, least, most)
	}
}
