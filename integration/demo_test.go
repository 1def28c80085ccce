package integration

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demo runs what `make demo` runs, until a line of its output says interruptAt (never if empty);
// then it gets what a terminal sends for Ctrl-C. It returns the output and the exit status.
func demo(t *testing.T, interruptAt string) (output string, status int) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "demo")
	cmd := exec.CommandContext(t.Context(), "../scripts/demo")
	cmd.Env = append(os.Environ(), "DEMO_BIN="+binDir, "DEMO_DATA="+data)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout
	must(t, cmd.Start())
	limit := time.AfterFunc(time.Minute, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) //nolint:errcheck // it may have ended
	defer limit.Stop()
	var all strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if interruptAt != "" && strings.Contains(lines.Text(), interruptAt) {
			interruptAt = ""
			must(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
		}
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	left, err := processesIn(data)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("data left in %s (%v)", data, err)
	}
	return all.String(), cmd.ProcessState.ExitCode()
}

// The demo shows a cluster from request to verification and back, and again right after.
func TestDemo(t *testing.T) {
	sliced(t)
	for range 2 {
		out, status := demo(t, "")
		if status != 0 {
			t.Fatalf("status %d\n%s", status, out)
		}
		for _, want := range []string{"planned", "launching", "forming", "Cluster demo is verified", "epochs", "redis-cli -c -h", "Cluster demo is destroyed"} {
			if !strings.Contains(out, want) {
				t.Errorf("the demo does not show %q\n%s", want, out)
			}
		}
	}
}

// Ctrl-C at any moment leaves no process and no data.
func TestDemoInterrupted(t *testing.T) {
	sliced(t)
	for _, at := range []string{"== clustersmith dev", "nats://", "accepted", "launching", "forming", "verified,", "== destroy"} {
		t.Run(at, func(t *testing.T) {
			if out, status := demo(t, at); status == 0 {
				t.Errorf("the interrupted demo ended with status 0\n%s", out)
			}
		})
	}
}
