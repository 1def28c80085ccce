package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const patience = 10 * time.Second

// role makes the test's program play another part: a parent that starts children and waits to
// be killed, or a server that listens.
const role = "PROC_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "parent":
		parent()
	case "listener":
		listener()
	default:
		goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/clustersmith/clustersmith/internal/proc.fork"))
	}
}

// parent starts one child in each way, prints their process IDs and waits.
func parent() {
	plain, held := exec.Command("sleep", "60"), exec.Command("sleep", "60")
	if err := Start(plain); err != nil {
		panic(err)
	}
	started := make(chan struct{})
	go StartHeld(held, func() bool { return false }, func(<-chan struct{}) { close(started) })
	<-started
	fmt.Println(plain.Process.Pid, held.Process.Pid)
	select {}
}

// listener listens on the address that is its argument, in a program of many threads.
func listener() {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		if c, err := l.Accept(); err == nil {
			c.Write([]byte("+PONG\r\n"))
			c.Close()
		}
	}
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), role+"=parent")
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := Start(p); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	p.Process.Kill()
	p.Wait()
	children := strings.Fields(line)
	if err != nil || len(children) != 2 {
		t.Fatalf("%q, %v", line, err)
	}
	for _, pid := range children {
		await(t, "the end of child "+pid, func() bool { return strings.Contains("XZ", processState(pid)) })
	}
}

// A redis-server is held when it is bound and has not run: then its log would say that it is
// ready.
func TestServerIsHeldBeforeItsLoop(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	cmd.Stdout = log
	ended := startHeld(t, cmd, addr)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "starting") || strings.Contains(string(text), "Ready to accept") {
		t.Errorf("%v, the held server's log:\n%s", err, text)
	}
	await(t, "the server to be stopped", func() bool { return processState(strconv.Itoa(cmd.Process.Pid)) == "T" })
	cmd.Process.Signal(syscall.SIGCONT)
	if got := ask(t, addr); got != "+PONG\r\n" {
		t.Errorf("the server answers %q", got)
	}
	cmd.Process.Kill()
	<-ended
	cmd.Wait()
}

// A program of many threads is held as well.
func TestProgramOfManyThreadsIsHeld(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	cmd := exec.Command(os.Args[0], addr)
	cmd.Env = append(os.Environ(), role+"=listener")
	ended := startHeld(t, cmd, addr)
	await(t, "the program to be stopped", func() bool { return processState(strconv.Itoa(cmd.Process.Pid)) == "T" })
	cmd.Process.Signal(syscall.SIGCONT)
	if got := ask(t, addr); got != "+PONG\r\n" {
		t.Errorf("the program answers %q", got)
	}
	cmd.Process.Kill()
	<-ended
	cmd.Wait()
}

func TestChildThatEndsEarly(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{"exit 3": "exit status 3", "kill -SEGV $$": "signal: segmentation fault"} {
		cmd := exec.Command("sh", "-c", script)
		err := StartHeld(cmd, func() bool { return false }, func(<-chan struct{}) {})
		if !errors.Is(err, ErrEnded) {
			t.Errorf("%s: %v", script, err)
		}
		cmd.Wait()
		if got := cmd.ProcessState.String(); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
}

func TestChildThatIsNeverReadyIsKilled(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	err := StartHeld(cmd, func() bool { return false }, func(<-chan struct{}) { cmd.Process.Kill() })
	if !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Error(err)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	err := StartHeld(exec.Command("/no/such/program"), nil, func(<-chan struct{}) { t.Error("there is no child") })
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := Start(exec.Command("/no/such/program")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// startHeld starts a program that listens on addr, and ends it with the test.
func startHeld(t *testing.T, cmd *exec.Cmd, addr string) (ended <-chan struct{}) {
	t.Helper()
	ready := func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	err := StartHeld(cmd, ready, func(e <-chan struct{}) {
		ended = e
		t.Cleanup(func() { cmd.Process.Kill() })
		time.AfterFunc(patience, func() { cmd.Process.Kill() })
	})
	if errors.Is(err, ErrNoTrace) || errors.Is(err, syscall.EPERM) {
		t.Skipf("this machine does not let a process trace its children: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ask(t *testing.T, addr string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "PING\r\n")
	reply, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// processState is the letter of a process's state, X if there is none.
func processState(pid string) string {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return "X"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A child that is killed at any moment of being held has ended: also in the middle of making a
// thread, which only its tracer can lay to rest.
func TestChildKilledAtAnyMomentEnds(t *testing.T) {
	for i := range 300 {
		cmd := exec.Command(os.Args[0], "127.0.0.1:0")
		cmd.Env = append(os.Environ(), role+"=listener")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		ended := make(chan (<-chan struct{}), 1)
		done := make(chan error, 1)
		go func() {
			done <- StartHeld(cmd, func() bool { return false }, func(end <-chan struct{}) { ended <- end })
		}()
		end := <-ended
		time.AfterFunc(time.Duration(i)*20*time.Microsecond, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		select {
		case <-end:
		case <-time.After(patience):
			t.Fatalf("the child that was killed after %d µs has not ended", i*20)
		}
		cmd.Wait() // it was killed
		if err := <-done; !errors.Is(err, ErrEnded) {
			t.Fatalf("StartHeld of a killed child: %v", err)
		}
	}
}
