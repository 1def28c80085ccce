package integration

import (
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

// servers are clients of all redis-servers of the world.
func (w *world) servers() (all []*redis.Client) {
	w.t.Helper()
	for _, p := range w.nodes() {
		if found := serverTitle.FindStringSubmatch(p.command); found != nil {
			c := redis.NewClient(&redis.Options{Addr: found[1], Protocol: 2})
			w.t.Cleanup(func() { c.Close() }) //nolint:errcheck // nothing was written that could be lost
			all = append(all, c)
		}
	}
	return all
}

var serverTitle = regexp.MustCompile(`redis-server (\S+:\d+) \[cluster\]`)

// pair is a master and its replica, as a node of the only cluster says.
func (w *world) pair() (master, replica string) {
	w.t.Helper()
	text, err := w.servers()[0].ClusterNodes(w.t.Context()).Result()
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

// takeOver makes a replica the master, once every node knows it as a replica: others give no vote.
func (w *world) takeOver(address string) {
	w.t.Helper()
	var it *redis.Client
	is := func(what string, done func(c *redis.Client) (bool, error)) {
		w.t.Helper()
		for _, c := range w.servers() {
			for limit := time.Now().Add(awaitLimit); ; time.Sleep(10 * time.Millisecond) { // nobody tells
				yes, err := done(c)
				must(w.t, err)
				if yes {
					break
				}
				if time.Now().After(limit) {
					w.t.Fatalf("%s does not come to %s %s", c.Options().Addr, what, address)
				}
			}
		}
	}
	knows := func(role string) func(c *redis.Client) (bool, error) {
		line := regexp.MustCompile(`(?m)^\w+ ` + regexp.QuoteMeta(address) + `@\S+ (myself,)?` + role + ` .* connected`)
		return func(c *redis.Client) (bool, error) {
			if c.Options().Addr == address {
				it = c
			}
			text, err := c.ClusterNodes(w.t.Context()).Result()
			return line.MatchString(text), err
		}
	}
	is("replica", knows("slave"))
	is("a good link of", func(c *redis.Client) (bool, error) {
		text, err := c.Info(w.t.Context(), "replication").Result()
		return c.Options().Addr != address || strings.Contains(text, "master_link_status:up"), err
	})
	must(w.t, it.ClusterFailover(w.t.Context()).Err())
	is("master", knows("master"))
}
