package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// build makes the binaries in a directory of their own: the real clustersmith, and the stub
// whose nodes form at once and after the 2 s that Redis takes.
func build(ctx context.Context) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "clustersmith-control-"); err != nil {
		return "", err
	}
	const module = "github.com/clustersmith/clustersmith/"
	for name, args := range map[string][]string{
		"clustersmith": {module + "cmd/clustersmith"},
		"stub":         {module + "integration/control/stub"},
		"stub-2s":      {"-ldflags", "-X main.formAfter=2s", module + "integration/control/stub"},
	} {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", filepath.Join(dir, name)}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.Join(fmt.Errorf("build %s: %w: %s", name, err, out), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// options say what a world is made of.
type options struct {
	bin     string // where build put the binaries
	nodes   string // the executor's name there; default stub
	agents  int
	workers int // default 1
	slots   int // of each worker; default 4
	tap     bool
	verbose bool
}

// world is NATS, a Mesos and workers for one measurement.
type world struct {
	options
	dir     string
	nats    *server.Server
	nc      *nats.Conn
	js      jetstream.JetStream
	mesos   *local.Mesos
	proxy   *proxy // nil unless options.tap
	workers []*process
}

// process is a worker process.
type process struct {
	cmd     *exec.Cmd
	metrics string // URL
}

// networks counts the worlds of this process, so that no two use the same addresses.
var networks atomic.Int32

func start(ctx context.Context, o options) (w *world, err error) {
	if o.nodes == "" {
		o.nodes = "stub"
	}
	w = &world{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "clustersmith-control-world-"); err != nil {
		return w, err
	}
	if err = w.startNATS(ctx); err != nil {
		return w, err
	}
	if err = w.startMesos(ctx); err != nil {
		return w, err
	}
	for range max(1, o.workers) {
		if err = w.startWorker(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) startNATS(ctx context.Context) (err error) {
	w.nats, err = server.NewServer(&server.Options{
		ServerName: "control", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true,
		StoreDir: filepath.Join(w.dir, "nats"), NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	w.nats.Start()
	if !w.nats.ReadyForConnections(20 * time.Second) {
		return errors.New("the NATS server does not come up")
	}
	if w.nc, err = nats.Connect(w.nats.ClientURL()); err != nil {
		return err
	}
	if w.js, err = jetstream.New(w.nc); err != nil {
		return err
	}
	return worker.EnsureTopology(ctx, w.js, worker.Topology{Replicas: 1, AckWait: 15 * time.Second})
}

func (w *world) startMesos(ctx context.Context) (err error) {
	network := int(networks.Add(1))
	agents := make([]local.AgentConfig, w.agents)
	for i := range agents {
		agents[i] = local.AgentConfig{
			IP: fmt.Sprintf("127.%d.%d.%d", 192+os.Getpid()%60, network%256, i+2), CPUs: 1000, MemMB: 1 << 20, DiskMB: 1 << 20,
			Ports: []chunkdist.PortRange{{Begin: 20000, End: 29999}},
		}
	}
	w.mesos, err = local.Start(ctx, local.Config{Agents: agents, Dir: filepath.Join(w.dir, "mesos"), Logger: w.log()})
	if err != nil || !w.tap {
		return err
	}
	w.proxy, err = newProxy(w.mesos.URL())
	return err
}

func (w *world) log() *slog.Logger {
	if w.verbose {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

// startWorker starts a worker process and waits until it is ready.
func (w *world) startWorker(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	masters := w.mesos.URL()
	if w.proxy != nil {
		masters = w.proxy.url
	}
	cmd := exec.Command(filepath.Join(w.bin, "clustersmith"), "worker")
	cmd.Env = append(os.Environ(),
		"CLUSTERSMITH_NATS_URL="+w.nats.ClientURL(), "CLUSTERSMITH_MESOS_MASTERS="+masters,
		"CLUSTERSMITH_EXECUTOR="+filepath.Join(w.bin, w.nodes), "CLUSTERSMITH_HTTP_ADDR="+address,
		"CLUSTERSMITH_CONCURRENCY="+strconv.Itoa(max(w.slots, 4)), "CLUSTERSMITH_DRAIN_GRACE=1s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if w.verbose {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{cmd: cmd, metrics: "http://" + address}
	w.workers = append(w.workers, p)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.metrics+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a worker is not ready: %w", context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// close ends everything that start started. The clusters end with their Mesos.
func (w *world) close() error {
	var errs []error
	for _, p := range w.workers {
		errs = append(errs, p.cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, p := range w.workers {
		late := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() }) // it may be gone by then
		errs = append(errs, p.cmd.Wait())
		late.Stop()
	}
	if w.mesos != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		defer cancel()
		errs = append(errs, w.mesos.Close(ctx))
	}
	if w.proxy != nil {
		w.proxy.close()
	}
	if w.nc != nil {
		w.nc.Close()
	}
	if w.nats != nil {
		w.nats.Shutdown()
		w.nats.WaitForShutdown()
	}
	if w.dir != "" {
		errs = append(errs, os.RemoveAll(w.dir))
	}
	return errors.Join(errs...)
}

// peakMemory is the most memory that the process has held so far, in bytes (VmHWM).
func (p *process) peakMemory() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("/proc has no VmHWM")
}

// metric reads a value of the process's metrics by its whole name.
func (p *process) metric(name string) (float64, error) {
	response, err := http.Get(p.metrics + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}
