package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clustersmith/clustersmith/internal/proc"
)

// natsRole makes this program a NATS server; its value is the folder of the file store, natsPort
// says where it listens.
const (
	natsRole = "CLUSTERSMITH_SOAK_NATS_STORE"
	natsPort = "CLUSTERSMITH_SOAK_NATS_PORT"
)

const natsStart = 60 * time.Second

// beNATS runs a NATS server until the process is killed. It prints its URL once it is ready.
func beNATS() int {
	err := func() error {
		port, err := strconv.Atoi(os.Getenv(natsPort))
		if err != nil {
			return err
		}
		s, err := server.NewServer(&server.Options{
			ServerName: "soak", Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: os.Getenv(natsRole), NoLog: true, NoSigs: true,
		})
		if err != nil {
			return err
		}
		s.Start()
		if !s.ReadyForConnections(natsStart) {
			return errors.New("not ready for connections")
		}
		fmt.Println(s.ClientURL())
		s.WaitForShutdown()
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "NATS server:", err)
		return 1
	}
	return 0
}

// natsProcess is a NATS server in a process of its own.
type natsProcess struct {
	cmd *exec.Cmd
	url string
}

// startNATS starts a server on the run's files, also after one that was killed.
func startNATS(dir string, port uint16) (*natsProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), natsRole+"="+filepath.Join(dir, "nats"), natsPort+"="+strconv.Itoa(int(port)))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := proc.Start(cmd); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	p := &natsProcess{cmd: cmd, url: strings.TrimSpace(line)}
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("the NATS server does not come up: %w", err)
	}
	return p, nil
}

// kill ends the server as a power cut would, but for the files.
func (p *natsProcess) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may be dead
	p.cmd.Wait()         //nolint:errcheck // it was killed
}
