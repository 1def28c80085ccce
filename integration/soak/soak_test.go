package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/clustersmith/clustersmith/internal/history"
)

// TestMain also plays the NATS server, as the program itself does.
func TestMain(m *testing.M) {
	if os.Getenv(natsRole) != "" {
		os.Exit(beNATS())
	}
	status := m.Run()
	if status == 0 {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/clustersmith/clustersmith/internal/proc.fork")); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind by the tests:", err)
			status = 1
		}
	}
	os.Exit(status)
}

func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "../../cmd/clustersmith", "../../cmd/clustersmith-executor").CombinedOutput()
	if err != nil {
		t.Fatalf("build the binaries under test: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), "go", "build", "-tags", "failpoints", "-o", filepath.Join(dir, "mortal"), "../../cmd/clustersmith").CombinedOutput()
	if err != nil {
		t.Fatalf("build with fail points: %v\n%s", err, out)
	}
	return dir
}

// A short soak: some faults, some tens of jobs, the whole judgement.
func TestShortSoak(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	dir, bin := filepath.Join(t.TempDir(), "data"), binaries(t)
	err := soak(t.Context(), options{
		seed: 20, length: 12 * time.Second, lanes: 2, pause: 2 * time.Second, hurry: true,
		bin: bin, mortal: filepath.Join(bin, "mortal"), dir: dir, out: &out,
	})
	if err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "breaches: 0") {
		t.Errorf("the report does not say that there was no breach:\n%s", &out)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data of a clean run is still there: %v", err)
	}
}

// An interrupt ends everything that was started.
func TestAnInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	dir := filepath.Join(t.TempDir(), "data")
	bin := binaries(t)
	done := make(chan error, 1)
	go func() {
		done <- soak(ctx, options{seed: 21, length: time.Hour, lanes: 1, pause: time.Hour,
			bin: bin, mortal: filepath.Join(bin, "mortal"), dir: dir, out: &bytes.Buffer{}})
	}()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // the process table tells nobody
		if running, err := history.Processes(filepath.Join(dir, "mesos")); err != nil || time.Since(began) > time.Minute {
			t.Fatalf("no executor was started: %v", err)
		} else if len(running) > 0 {
			break
		}
	}
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("an interrupted run ended with %v", err)
	}
	if left, err := history.Processes(dir); err != nil || len(left) != 0 {
		t.Errorf("processes left behind: %v (%v)", left, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data is still there: %v", err)
	}
	for _, p := range children(t) {
		if strings.Contains(p, bin) {
			t.Errorf("a worker is left behind: %s", p)
		}
	}
}

// children are the command lines of this process's children.
func children(t *testing.T) (list []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		pids, _ := os.ReadFile(file) // a thread may end at any time
		for pid := range strings.FieldsSeq(string(pids)) {
			text, _ := os.ReadFile("/proc/" + pid + "/cmdline") // a process too
			list = append(list, string(text))
		}
	}
	return list
}

// The seed decides what is done, and every kind of script and fault is met before any is met twice.
func TestTheSeedDecides(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) (actions []string) {
		for lane := range 3 {
			s := newScripts(seed, lane)
			for range 50 {
				actions = append(actions, s.next().String())
			}
		}
		f := newStrikes(seed, time.Second)
		for range 3 * len(faults) {
			actions = append(actions, fmt.Sprint(f.next()))
		}
		return actions
	}
	if !slices.Equal(draw(1), draw(1)) {
		t.Error("one seed, two sequences")
	}
	if slices.Equal(draw(1), draw(2)) {
		t.Error("two seeds, one sequence")
	}
	f := newStrikes(3, time.Second)
	for range 4 {
		met := map[int]bool{}
		for range faults {
			met[f.next().fault] = true
		}
		if len(met) != len(faults) {
			t.Errorf("%d of %d kinds in a deck", len(met), len(faults))
		}
	}
}
