package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/proc"
	"github.com/clustersmith/clustersmith/internal/tlstest"
	"github.com/clustersmith/clustersmith/mesos/local"
	"github.com/clustersmith/clustersmith/worker"
)

// operatorRole makes the test's program the command with which an operator stops and starts parts
// of a Mesos; its value is the URL of whoever does it.
const operatorRole = "CLUSTERSMITH_TEST_OPERATOR"

// beOperator asks for what the arguments say.
func beOperator(args []string) int {
	resp, err := http.Post(os.Getenv(operatorRole)+"/"+strings.Join(args, "/"), "", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode == http.StatusOK {
		return 0
	}
	text, err := io.ReadAll(resp.Body)
	fmt.Fprintf(os.Stderr, "%s: %s (%v)\n", resp.Status, text, err)
	return 1
}

// The tests run on a Mesos that was there before them, which they share, and break it by the commands
// of its operator; without those they say what is missing. Here that Mesos is a local one of another
// process, with TLS and credentials.
func TestMesosThatIsThere(t *testing.T) {
	t.Parallel()
	if os.Getenv(remoteURL) != "" {
		t.Skip("the tests run on such a Mesos themselves")
	}
	sliced(t)
	dir, certificate := t.TempDir(), tlstest.New(t, "127.0.0.1")
	m, err := local.Start(t.Context(), local.Config{
		Agents: agents(5, 8, 8192), Dir: dir, Logger: testLogger(t), AgentPingTimeout: 300 * time.Millisecond, AgentMaxPings: 3,
		TLS: certificate.Server(), Credentials: map[string]string{"clustersmith": "s3cret"},
	})
	must(t, err)
	op := localOperator{m}
	control := http.NewServeMux()
	for path, do := range map[string]func(r *http.Request) error{
		"/stop/master":      func(*http.Request) error { return op.StopMaster() },
		"/start/master":     func(r *http.Request) error { return op.StartMaster(r.Context()) },
		"/stop/agent/{ip}":  func(r *http.Request) error { return op.CrashAgent(r.PathValue("ip")) },
		"/start/agent/{ip}": func(r *http.Request) error { return op.RestartAgent(r.Context(), r.PathValue("ip")) },
	} {
		control.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := do(r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	server := httptest.NewServer(control)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		must(t, m.Close(ctx))
		(&world{t: t, dir: dir}).noProcessLeft()
	})

	run := func(tests []string, env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", strings.Join(tests, "|"))
		for _, e := range os.Environ() {
			if !strings.HasPrefix(e, "CLUSTERSMITH_TEST_SLICE=") {
				cmd.Env = append(cmd.Env, e)
			}
		}
		cmd.Env = append(append(cmd.Env, remoteURL+"="+m.URL(), worker.EnvPrefix+"MESOS_CA="+certificate.CertFile,
			worker.EnvPrefix+"MESOS_PRINCIPAL=clustersmith", worker.EnvPrefix+"MESOS_SECRET=s3cret"), env...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		must(t, proc.Start(cmd))
		err := cmd.Wait()
		return out.String(), err
	}
	tests := []string{
		"TestFaults/the_master_is_restarted/forming/1", "TestFaults/a_host_is_lost/forming/1",
		"TestFaults/a_redis-server_is_killed/forming/1", "TestFaults/redis-server_is_missing/1", "TestNameConflict",
	}
	self := operatorRole + "=" + server.URL + " " + os.Args[0]
	out, err := run(tests, remoteStop+"="+self+" stop", remoteStart+"="+self+" start")
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, test := range tests {
		if !strings.Contains(out, "--- PASS: "+test+" ") {
			t.Errorf("%s did not run\n%s", test, out)
		}
	}
	out, err = run([]string{"TestVerifiedClusterNeedsNoWorker"})
	if err != nil || !strings.Contains(out, "--- SKIP") || !strings.Contains(out, remoteStop+" and "+remoteStart) {
		t.Errorf("without an operator: %v\n%s", err, out)
	}
}
