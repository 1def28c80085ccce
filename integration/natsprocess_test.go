package integration

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/nats-io/nats-server/v2/server"
)

// natsRole makes the test's program a NATS server; its value is the folder of the file store,
// natsPort says where it listens.
const (
	natsRole = "CLUSTERSMITH_TEST_NATS_STORE"
	natsPort = "CLUSTERSMITH_TEST_NATS_PORT"
)

// beNATS runs a NATS server until the process is killed. It prints its URL once it is ready.
func beNATS() int {
	port, err := strconv.Atoi(os.Getenv(natsPort))
	if err == nil {
		var s *server.Server
		s, err = server.NewServer(&server.Options{
			ServerName: "test", Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: os.Getenv(natsRole), NoLog: true, NoSigs: true,
		})
		if err == nil {
			s.Start()
			if s.ReadyForConnections(30 * time.Second) {
				fmt.Println(s.ClientURL())
				s.WaitForShutdown()
				return 0
			}
			err = fmt.Errorf("not ready for connections")
		}
	}
	fmt.Fprintln(os.Stderr, "NATS server:", err)
	return 1
}

// natsProcess is a NATS server in a process of its own, on the world's files.
type natsProcess struct {
	cmd  *exec.Cmd
	port int // held while it is down
	url  string
}

// newWorldOutside is newWorld with a NATS server that can be killed.
func newWorldOutside(t testing.TB, agents []local.AgentConfig, change ...func(*local.Config)) *world {
	t.Helper()
	w := bareWorld(t)
	w.outside = w.startNATSProcess(redistest.HoldPort(t))
	w.natsURL = w.outside.url
	t.Cleanup(func() { w.outside.kill() })
	w.connect()
	w.startMesos(agents, change...)
	return w
}

func (w *world) startNATSProcess(port int) *natsProcess {
	w.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), natsRole+"="+filepath.Join(w.dir, "nats"), natsPort+"="+strconv.Itoa(port))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(w.t, err)
	must(w.t, proc.Start(cmd))
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		cmd.Process.Kill() //nolint:errcheck // it has ended, as far as one can see
		cmd.Wait()         //nolint:errcheck
		w.t.Fatalf("the NATS server does not come up: %v", err)
	}
	return &natsProcess{cmd: cmd, port: port, url: strings.TrimSpace(line)}
}

// kill ends the server as a power cut would, but for the files.
func (p *natsProcess) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may be dead
	p.cmd.Wait()         //nolint:errcheck // it was killed
}

// killNATS kills the world's server and starts it again, after a time, at its address and on its files.
func (w *world) killNATS(after time.Duration) {
	w.t.Helper()
	w.outside.kill()
	if after > 0 {
		ctx, cancel := context.WithTimeout(w.t.Context(), after)
		defer cancel()
		<-ctx.Done() // an outage is a time
	}
	w.outside = w.startNATSProcess(w.outside.port)
}
