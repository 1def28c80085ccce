package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/nats-io/nats.go/jetstream"
)

// checkedByRedis lets Redis' own tool judge the cluster.
func checkedByRedis(t testing.TB, plan contracts.Plan) {
	t.Helper()
	n := plan.Nodes[0]
	out, err := exec.CommandContext(t.Context(), "redis-cli", "--cluster", "check", address(n)).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("All 16384 slots covered")) || bytes.Contains(out, []byte("[ERR]")) {
		t.Errorf("redis-cli --cluster check: %v\n%s", err, out)
	}
	if want := fmt.Sprintf("%d slots", 16384); !bytes.Contains(out, []byte("16384")) {
		t.Errorf("redis-cli does not speak of %s", want)
	}
}

func address(n contracts.Node) string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

// allClosed checks that nothing of a plan listens any more.
func allClosed(t testing.TB, plan contracts.Plan) {
	t.Helper()
	for _, n := range plan.Nodes {
		for _, port := range []int{n.Port, n.BusPort} {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(n.Host, strconv.Itoa(port)), time.Second)
			if err == nil {
				conn.Close()
				t.Errorf("something still listens on %s:%d", n.Host, port)
			}
		}
	}
}

// framework is one as Mesos shows it.
type framework struct {
	ID              string  `json:"id"`
	Name            string  `json:"name"`
	User            string  `json:"user"`
	Active          bool    `json:"active"`
	FailoverTimeout float64 `json:"failover_timeout"` // seconds
}

// web is what the world's master serves, on the way that the workers take.
func (w *world) web() web {
	m := web{client: http.DefaultClient}
	if w.remote != nil {
		m = w.remote.web
	}
	m.url = w.masters
	return m
}

// inMesos lists the frameworks that Mesos shows; of a Mesos that others use, too, those of this world's jobs. There
// may be more: an agent that missed a framework's end gives it back to a master that has been started anew.
func (w *world) inMesos() []framework {
	w.t.Helper()
	var state struct {
		Frameworks []framework `json:"frameworks"`
	}
	for deadline := time.Now().Add(awaitLimit); ; time.Sleep(20 * time.Millisecond) { // a master that has just started tells nobody when it is ready
		err := w.web().get("/state", &state)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the master's state: %v", err)
		}
	}
	if w.remote == nil {
		return state.Frameworks
	}
	kv, err := w.js.KeyValue(w.t.Context(), contracts.BucketJobs)
	must(w.t, err)
	keys, err := kv.Keys(w.t.Context())
	if !errors.Is(err, jetstream.ErrNoKeysFound) {
		must(w.t, err)
	}
	return slices.DeleteFunc(state.Frameworks, func(f framework) bool {
		return !slices.ContainsFunc(keys, func(job string) bool { return strings.HasPrefix(f.ID, "clustersmith-"+job+"-") })
	})
}

// frameworks lists the frameworks that Mesos shows, by name.
func (w *world) frameworks() (names []string) {
	w.t.Helper()
	for _, f := range w.inMesos() {
		names = append(names, f.Name)
	}
	return names
}

// kept checks that a cluster has one framework, which Mesos keeps for years without a worker.
func (w *world) kept(cluster string) {
	w.t.Helper()
	found, own := 0, ""
	if w.remote != nil { // in which other tests have clusters of that name
		own = w.clusterRecord(cluster).Framework
	}
	for _, f := range w.inMesos() {
		if f.Name != "clustersmith/"+cluster || own != "" && f.ID != own {
			continue
		}
		found++
		if kept := time.Duration(f.FailoverTimeout) * time.Second; kept < 365*24*time.Hour {
			w.t.Errorf("Mesos keeps the framework of the verified cluster %s for only %v without a worker", cluster, kept)
		}
	}
	if found != 1 {
		w.t.Errorf("the verified cluster %s has %d frameworks in Mesos", cluster, found)
	}
}
