package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// built is the directory of the programs under test.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "clustersmith-bench-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built = dir
		build := exec.Command("go", "build", "-o", dir+"/", ".", "../../cmd/clustersmith", "../../cmd/clustersmith-executor")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// program starts the benchmark with a directory for temporary files of its own.
func program(t *testing.T, temp string, out io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(filepath.Join(built, "bench"), append(args, "-bin", built)...)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, append(os.Environ(), "TMPDIR="+temp)
	if err := proc.Start(cmd); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestSmallest: the smallest benchmark measures all columns and writes what it says it writes.
func TestSmallest(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	var said bytes.Buffer
	out, temp := t.TempDir(), t.TempDir()
	// What is slow is given up soon: that is told, too.
	cmd := program(t, temp, &said, "-sizes", "6", "-rounds", "1", "-give-up", "2", "-out", out)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	r, err := readResults(filepath.Join(out, "benchmarks.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := size{3, 1}
	for _, column := range allColumns {
		c := r.cell(s, column)
		if len(c) != 1 || c[0].Seconds < 2 {
			t.Fatalf("%s: %+v; a master is ready 2 s after its start at the soonest", column, c)
		}
		one := c[0]
		own := column == colFloor || column == colOurs
		if own && one.GaveUp {
			t.Errorf("%s is not verified: %s", column, one.Why)
		}
		if one.CPU["servers"] <= 0 || one.PeakMB["servers"] < 6 {
			t.Errorf("%s: the servers used %v", column, one.usage)
		}
		if column == colOurs && (one.PeakMB["worker"] < 5 || one.PeakMB["executors"] < 5 || one.Phases["forming"] == 0) {
			t.Errorf("%s: %+v", column, one)
		}
		switch {
		case one.Refused == notCounted: // no namespace here
		case own && one.Refused > 0:
			t.Errorf("%s: %d connections were refused", column, one.Refused)
		case column == colNaive && one.Refused == 0:
			t.Errorf("%s: no connection was refused, without a barrier", column)
		}
	}
	if len(r.Traffic) != 1 || r.Traffic[0].NATSBytes < 1000 || r.Traffic[0].MesosBytes < 1000 {
		t.Errorf("traffic: %+v", r.Traffic)
	}
	text, err := os.ReadFile(filepath.Join(out, "benchmarks.md"))
	if err != nil || !strings.Contains(string(text), "| 6 (3×1) |") {
		t.Errorf("benchmarks.md: %v\n%s", err, text)
	}
	picture, err := os.ReadFile(filepath.Join(out, "benchmarks.svg"))
	if err != nil || bytes.Count(picture, []byte("<circle")) < 2 {
		t.Errorf("benchmarks.svg: %v\n%s", err, picture)
	}
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("benchmarks.svg is no XML: %v", err)
		}
	}
	leftNothing(t, temp)
}

// TestInterrupt: an interrupted benchmark ends its servers.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	for _, column := range []string{colFloor, colOurs} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			temp := t.TempDir()
			cmd := program(t, temp, &said, "-sizes", "6", "-columns", column, "-out", t.TempDir())
			want := map[string]string{colFloor: "floor-", colOurs: "clustersmith-"}[column]
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
				dirs, err := filepath.Glob(filepath.Join(temp, "clustersmith-bench-*", want+"*"))
				if err == nil && len(dirs) > 0 && len(processesIn(dirs[0])) > 2 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("no servers were started\n%s", &said)
				}
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("an interrupted benchmark says that it is done")
				}
			case <-time.After(time.Minute):
				cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // the test has failed
				t.Fatal("the benchmark does not end")
			}
			leftNothing(t, temp)
		})
	}
}

// leftNothing checks that no process and no file of a benchmark is left.
func leftNothing(t *testing.T, temp string) {
	t.Helper()
	if left := processesIn(temp); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) > 0 {
		t.Errorf("%v are left (%v)", files, err)
	}
}

func TestAnnounced(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/redis-cli.txt")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{hosts: 3}
	servers, err := l.plan(size{3, 1}, l.agents(6))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := announced(string(text), servers)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Nodes[1].Slots[0] != [2]int{5461, 10922} || plan.Nodes[1].Port != 20000 || plan.Nodes[1].BusPort != 20001 {
		t.Errorf("%+v", plan.Nodes[1])
	}
	if r := plan.Nodes[3]; r.Master == nil || plan.Nodes[*r.Master].Host == r.Host {
		t.Errorf("%+v", r)
	}
	if _, err := announced(strings.Replace(string(text), "S: ", "X: ", 1), servers); err == nil {
		t.Error("a layout without a replica is taken")
	}
}

func TestWithoutEpochs(t *testing.T) {
	t.Parallel()
	got := string(withoutEpochs([]byte("a 127.0.0.1:1@2 master - 0 0 17 connected 0-5\nvars currentEpoch 3 lastVoteEpoch 0\n")))
	if want := "a 127.0.0.1:1@2 master - 0 0 0 connected 0-5\nvars currentEpoch 0 lastVoteEpoch 0\n"; got != want {
		t.Errorf("%q", got)
	}
}

// TestMedians: what was given up counts as longer than everything, and is told as a bound.
func TestMedians(t *testing.T) {
	t.Parallel()
	s := size{30, 1}
	r := &results{Factor: 12}
	add := func(column string, round int, seconds float64, gaveUp bool) {
		r.Runs = append(r.Runs, run{size: s, Column: column, Round: round, Seconds: seconds, GaveUp: gaveUp})
	}
	for round, f := range []float64{3, 2, 4} {
		add(colFloor, round, f, false)
		add(colOurs, round, f*[]float64{1.1, 1.3, 1.05}[round], false)
	}
	add(colCLI, 0, 50, true)
	add(colNaive, 0, 40, false)
	add(colNaive, 1, 30, true)
	add(colNaive, 2, 41, false)
	for what, c := range map[string][2]string{
		"ratio": {r.against(s), "1.100"}, "floor": {r.time(s, colFloor), "3.00 s"}, "cli": {r.time(s, colCLI), "> 50 s"},
		"naive": {r.time(s, colNaive), "41.00 s"}, "gain": {r.gain(s), "> 15.2"}, "claim": {r.claim(s), "–"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %s, not %s", what, c[0], c[1])
		}
	}
	r.Runs = append(r.Runs, run{size: size{60, 0}, Column: colFloor}, run{size: size{3, 1}, Column: colFloor})
	if got, want := r.sizes(), []size{{3, 1}, {30, 1}, {60, 0}}; !slices.Equal(got, want) {
		t.Errorf("sizes %v, not %v", got, want)
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	doc := []byte("by hand\n" + beginMark + "old\n" + endMark + "by hand, too\n")
	got, err := between(doc, []byte("new\n"))
	if want := "by hand\n" + beginMark + "\nnew\n\n" + endMark + "by hand, too\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err := between([]byte("nothing"), nil); err == nil {
		t.Error("a document without marks is taken")
	}
}
