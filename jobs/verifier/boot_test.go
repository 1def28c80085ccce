package verifier_test

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/jobs/verifier"
	"github.com/clustersmith/clustersmith/nodesconf"
)

// TestBoot boots every server at hand from rendered files: it loads them, forms and verifies,
// and does so again after a restart at once, before gossip can have mended anything, with the
// same IDs, epochs and layout.
func TestBoot(t *testing.T) {
	t.Parallel()
	for _, server := range redistest.Servers(t) {
		for _, persistence := range []string{nodesconf.PersistenceNone, nodesconf.PersistenceAOF, nodesconf.PersistenceRDB} {
			t.Run(server.Dialect.String()+" "+persistence, func(t *testing.T) {
				t.Parallel()
				plan := redistest.Plan(t, 3, 1, 3)
				c := redistest.Boot(t, plan, redistest.Options{
					Server: server, Persistence: persistence,
					// A user's directives are loaded too, also one of several words.
					Config: map[string]string{
						"maxmemory-policy":           "allkeys-lru",
						"client-output-buffer-limit": "normal 0 0 0 replica 256mb 64mb 60",
					},
				})
				c.Restart(syscall.SIGKILL) // sooner than any gossip
				sameLayout(t, c)
				v, err := verifier.New(plan, server.Dialect, verifier.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				start := time.Now()
				first := mustVerify(t, v)
				sameLayout(t, c)
				t.Logf("verified after %v in %d passes", time.Since(start), first.Passes)
				c.Restart(syscall.SIGTERM)
				start = time.Now()
				second := mustVerify(t, v)
				sameLayout(t, c)
				t.Logf("restarted: verified after %v in %d passes", time.Since(start), second.Passes)
			})
		}
	}
}

// sameLayout demands that every node's own nodes.conf has the IDs, addresses, roles, slots and
// epochs of the plan. (Whether links are up is none of that file's business.)
func sameLayout(t *testing.T, c *redistest.Cluster) {
	t.Helper()
	layout, err := nodesconf.NewLayout(c.Plan)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Plan.Nodes {
		file := c.ReadFile(i, "nodes.conf")
		layout.Comparer().Compare(file, i, func(d nodesconf.Difference) bool {
			if d.Kind != nodesconf.Link {
				t.Errorf("nodes.conf of node %d: expected %s, got %s\n%s", i, d.Expected(), d.Got(), file)
			}
			return true
		})
		if vars := file[bytes.LastIndex(bytes.TrimSpace(file), []byte("\n"))+1:]; !strings.HasPrefix(string(vars), "vars currentEpoch 3 lastVoteEpoch 0") {
			t.Errorf("nodes.conf of node %d ends with %q", i, vars)
		}
	}
}
