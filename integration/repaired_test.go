package integration

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/internal/failpoint"
	"github.com/redis/go-redis/v9"
)

// A worker that repaired what it verified, and died before it could say so, leaves a cluster whose
// config epochs are above the planned ones. Its successor takes that for what it is.
func TestWorkerEndsAfterARepair(t *testing.T) {
	t.Parallel()
	crashes{
		config: func(_ *world, cfg *workerConfig) { cfg.CreateFailover = time.Minute },
		begin: func(w *world, arm func()) string {
			req := request("repaired", 3, 1)
			arm()
			w.publish(contracts.SubjectCreate, req)
			return req.ID
		},
		mend: func(w *world) {
			master, replica := w.pair()
			w.takeOver(replica)
			w.takeOver(master)
		},
		judge: (*world).allWell,
	}.run(t, failpoint.Verified, 1)
}

// pair is a master and its replica, as the only cluster's own nodes say.
func (w *world) pair() (master, replica string) {
	w.t.Helper()
	for _, p := range processesIn(filepath.Join(w.dir, "mesos")) {
		found := regexp.MustCompile(`redis-server (\S+:\d+) \[cluster\]`).FindStringSubmatch(p)
		if found == nil {
			continue
		}
		client := redis.NewClient(&redis.Options{Addr: found[1], Protocol: 2})
		defer client.Close()
		text, err := client.ClusterNodes(w.t.Context()).Result()
		must(w.t, err)
		addresses := map[string]string{}
		var of string
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			addresses[f[0]], _, _ = strings.Cut(f[1], "@")
			if strings.Contains(f[2], "slave") {
				replica, of = addresses[f[0]], f[3]
			}
		}
		return addresses[of], replica
	}
	w.t.Fatal("no redis-server runs")
	return
}

// takeOver makes a replica the master. A server gives a failover up after 5 s without the votes,
// which masters give only once they have heard of the one before.
func (w *world) takeOver(address string) {
	w.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, Protocol: 2})
	defer client.Close()
	is := func(line string, patience time.Duration) bool {
		for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) { // nobody tells
			text, err := client.Info(w.t.Context(), "replication").Result()
			must(w.t, err)
			if strings.Contains(text, line) {
				return true
			}
		}
		return false
	}
	for range 4 {
		if !is("master_link_status:up", awaitLimit) {
			break
		}
		must(w.t, client.ClusterFailover(w.t.Context()).Err())
		if is("role:master", 6*time.Second) {
			return
		}
	}
	w.t.Fatalf("%s does not take over", address)
}
