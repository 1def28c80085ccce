package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/cli/dev"
)

// TestFromDevToDestroy is what a new user does, in one process but for the executors: real
// servers, a real Mesos API, real redis-servers.
func TestFromDevToDestroy(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a cluster")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed: apt-get install redis-server")
	}
	executor := filepath.Join(t.TempDir(), "clustersmith-executor")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", executor, "../../cmd/clustersmith-executor").CombinedOutput(); err != nil {
		t.Fatalf("build the executor: %v\n%s", err, out)
	}
	t.Setenv("CLUSTERSMITH_EXECUTOR", executor)
	data := t.TempDir()

	at, stop := startDev(t, data)
	create := []string{"create", "--nats", at.NATS, "--cluster", "orders", "--cpus", "0.1", "--memory", "128", "--wait"}
	r := command(t, t.Context(), append(create, "-o", "json")...)
	r.want(t, Done, "", "")
	first, err := contracts.ParseEvent([]byte(r.out))
	if err != nil {
		t.Fatal(err)
	}
	if first.EventType() != contracts.EventVerified || first.Data.Report == nil || !first.Data.Report.OK || len(first.Data.Timings) == 0 || len(first.Data.Plan.Nodes) != 6 {
		t.Fatalf("no verified event with report, timings and plan: %s", r.out)
	}
	answers(t, first.Data.Plan)
	command(t, t.Context(), "status", "orders", "--nats", at.NATS).want(t, Done, "redis-cli -c -h 127.0.0.2", "")
	command(t, t.Context(), "verify", "orders", "--nats", at.NATS).want(t, Done, "Cluster orders is verified", "verifying")
	command(t, t.Context(), append(create, "--masters", "4")...).want(t, JobFailed, "name_conflict", "")
	command(t, t.Context(), "create", "--nats", at.NATS, "--cluster", "big", "--masters", "100", "--cpus", "1", "--deadline", "3s", "--wait").
		want(t, JobFailed, "The job failed", "waiting_resources")
	stop() // with the cluster still there
	gone(t, first.Data.Plan)

	// The data folder remembers the cluster, but its Mesos is no more: the name is free.
	at, stop = startDev(t, data)
	create[2] = at.NATS
	r = command(t, t.Context(), create...)
	r.want(t, Done, "Cluster orders is verified", "forming")
	command(t, t.Context(), "destroy", "orders", "--wait", "--nats", at.NATS).want(t, Done, "Cluster orders is destroyed", "")
	gone(t, first.Data.Plan)
	command(t, t.Context(), "status", "--nats", at.NATS).want(t, Done, "There is no cluster.", "")
	stop()
}

// startDev runs clustersmith dev until stop is called; stop returns when it has ended.
func startDev(t *testing.T, data string) (at dev.Addresses, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out, stderr buffer
	done := make(chan Status, 1)
	go func() {
		done <- run(ctx, func() {}, []string{
			"dev", "-o", "json", "--nats", "127.0.0.1:0", "--mesos", "127.0.0.1:0", "--agents", "3",
			"--agent-resources", "cpus:4;mem:4096;ports:[26500-26599]", "--data", data,
		}, strings.NewReader(""), &out, &stderr)
	}()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if status := <-done; status != Done {
			t.Errorf("dev ended with status %d:\n%s", status, stderr.String())
		}
	}
	t.Cleanup(stop)
	for end := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), "\n"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("dev does not come up:\n%s", stderr.String())
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &at); err != nil || !at.Ready {
		t.Fatalf("%v: %s", err, out.String())
	}
	return at, stop
}

// answers asks every node with redis-cli, where that is installed.
func answers(t *testing.T, plan *contracts.Plan) {
	t.Helper()
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Log("redis-cli is not installed; the nodes are not asked again")
		return
	}
	for _, n := range plan.Nodes {
		out, err := exec.CommandContext(t.Context(), cli, "-h", n.Host, "-p", strconv.Itoa(n.Port), "cluster", "myid").Output()
		if err != nil || strings.TrimSpace(string(out)) != n.ID {
			t.Errorf("node %d at %s:%d says %q, %v; planned is %s", n.Index, n.Host, n.Port, out, err, n.ID)
		}
	}
}

// gone fails the test if a server of the plan still runs.
func gone(t *testing.T, plan *contracts.Plan) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		for _, n := range plan.Nodes {
			if strings.Contains(string(text), "redis-server") && strings.Contains(string(text), n.Host+":"+strconv.Itoa(n.Port)) {
				t.Errorf("still running: %q", text)
			}
		}
	}
}

func TestAWorkerWithoutServersSaysSo(t *testing.T) {
	t.Setenv("CLUSTERSMITH_NATS_URL", "nats://127.0.0.1:1")
	t.Setenv("CLUSTERSMITH_MESOS_MASTERS", "http://127.0.0.1:1")
	command(t, t.Context(), "worker").want(t, Unreachable, "", "CLUSTERSMITH_NATS_URL")
	t.Setenv("CLUSTERSMITH_CONCURRENCY", "0")
	t.Setenv("CLUSTERSMITH_LOG_LEVEL", "loud")
	command(t, t.Context(), "worker").want(t, BadInput, "", "CLUSTERSMITH_LOG_LEVEL")
	t.Setenv("CLUSTERSMITH_CONCURRENCY", "many")
	command(t, t.Context(), "worker").want(t, BadInput, "", "environment")
}

// What keeps a worker from beginning is named by its own variable, and NATS is not blamed for it.
func TestAWorkerThatCannotBegin(t *testing.T) {
	b := startBroker(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	picky := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.WriteHeader(http.StatusUnauthorized)
	}))
	defer picky.Close()
	t.Setenv("CLUSTERSMITH_NATS_URL", b.url)
	t.Setenv("CLUSTERSMITH_LOG_LEVEL", "error")
	for _, c := range []struct{ variable, value, masters string }{
		{"CLUSTERSMITH_HTTP_ADDR", taken.Addr().String(), "http://127.0.0.1:1"},
		{"CLUSTERSMITH_MESOS_SECRET_FILE", "testdata/none", "http://127.0.0.1:1"},
		{"CLUSTERSMITH_MESOS_CA", "testdata/none", "http://127.0.0.1:1"},
		{"CLUSTERSMITH_MESOS_PRINCIPAL", "stranger", picky.URL},
	} {
		t.Run(c.variable, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			t.Setenv("CLUSTERSMITH_MESOS_MASTERS", c.masters)
			r := command(t, t.Context(), "worker")
			r.want(t, Unreachable, "", c.variable)
			if strings.Contains(r.stderr, "NATS") {
				t.Errorf("NATS is blamed: %s", r.stderr)
			}
		})
	}
}
