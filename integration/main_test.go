package integration

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// binDir holds the programs under test, built once by TestMain unless testBin names a folder that has them.
var binDir string

// testBin is for many runs of the tests of one commit: scripts/chaos builds for all of them.
const testBin = "CLUSTERSMITH_TEST_BIN"

// TestMain also plays the NATS server of tests that kill it, and an operator of Mesos.
func TestMain(m *testing.M) {
	if os.Getenv(operatorRole) != "" {
		os.Exit(beOperator(os.Args[1:]))
	}
	if os.Getenv(natsRole) != "" {
		os.Exit(beNATS())
	}
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "clustersmith-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil { // so that the tests' folders go with it
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// All processes die with this one, however it dies; its files do so where it is only interrupted.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-interrupted; ok {
			for range 50 { // the tests go on making files meanwhile
				if os.RemoveAll(dir) == nil {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			os.Exit(130)
		}
	}()
	if binDir = os.Getenv(testBin); binDir == "" {
		binDir = dir
		build := exec.Command("go", "build", "-o", dir+"/", "../cmd/clustersmith", "../cmd/clustersmith-executor")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs under test:", err)
			return 1
		}
	}
	if err := moreAtOnce(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	signal.Stop(interrupted)
	close(interrupted)
	if status == 0 {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/clustersmith/clustersmith/internal/proc.fork")); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind by the tests:", err)
			return 1
		}
	}
	return status
}

// atOnce is how many tests run at a time for each processor: they mostly wait.
const atOnce = 6

// moreAtOnce raises the number of parallel tests unless -parallel was given.
func moreAtOnce() error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(atOnce*runtime.GOMAXPROCS(0)))
}
