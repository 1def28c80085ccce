package executor

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/redistest"
	"github.com/clustersmith/clustersmith/mesos/bundle"
)

// What keeps a node from starting is TASK_FAILED at once, with a message for a person.
func TestNodeThatCannotStart(t *testing.T) {
	for _, c := range []struct {
		name   string
		config func(*testing.T, *Config)
		bundle func(*bundle.Bundle)
		data   []byte
		task   string
		// before prepares the host, when the plan is known.
		before func(*testing.T, *subject, chunkdist.Node)
		want   string // regular expression
	}{
		{name: "a task ID of another form", task: "web", want: `^bundle: task ID "web" is not of the form node-<index>$`},
		{name: "a node that is not planned", task: "node-3", want: `^the plan has 3 nodes, none with index 3$`},
		{name: "data that is no bundle", data: []byte("?"), want: `^the executor's data is no cluster: bundle: decode: `},
		{name: "no data", data: []byte{}, want: `^the executor's data is no cluster: bundle: decode: `},
		{name: "a dialect that nobody speaks", bundle: func(b *bundle.Bundle) { b.Version = "6.9" },
			want: `^the executor's data is no cluster: server redis "6.9" is not known; known are `},
		{name: "a refused directive", bundle: func(b *bundle.Bundle) { b.Config["dir"] = "/" }, want: `"dir"`},
		{name: "another version", bundle: func(b *bundle.Bundle) { b.Version = "7.2" },
			want: `redis-server: the server is redis 7\.0\.\d+, not redis 7\.2$`},
		{name: "a program that is not there", config: func(_ *testing.T, c *Config) { c.Server = "/no/such/redis-server" },
			want: `^/no/such/redis-server: --version: .*no such file or directory$`},
		{name: "a program that is no server", config: func(_ *testing.T, c *Config) { c.Server = "/bin/true" },
			want: `^/bin/true: ".*" is not the --version of a server of a known kind$`},
		{name: "a server that exits at once",
			config: func(t *testing.T, c *Config) {
				c.Server = script(t, `[ "$1" = --version ] && exec redis-server --version; echo going; echo gone >&2; exit 3`)
			},
			want: `^the server ended before it was bound \(exit status 3\): gone$`},
		{name: "a server that dies at once",
			config: func(t *testing.T, c *Config) {
				c.Server = script(t, `[ "$1" = --version ] && exec redis-server --version; kill -SEGV $$`)
			},
			want: `^the server ended before it was bound \(signal: segmentation fault\): its log is empty$`},
		{name: "a server that hangs",
			config: func(t *testing.T, c *Config) {
				c.Server = script(t, `[ "$1" = --version ] && exec redis-server --version; exec sleep 60`)
				c.StartTimeout = 200 * time.Millisecond
			},
			want: `^the server was not bound: not within 200ms$`},
		{name: "a data port that is taken", before: takePort(func(n chunkdist.Node) int { return n.Port }),
			want: `^port 127\.0\.0\.2:\d+ is taken by process \d+ \(executor\.test\)$`},
		{name: "a bus port that is taken", before: takePort(func(n chunkdist.Node) int { return n.BusPort }),
			want: `^port 127\.0\.0\.2:\d+ is taken by process \d+ \(executor\.test\)$`},
		{name: "a former server that lives",
			before: func(t *testing.T, x *subject, n chunkdist.Node) {
				dir := filepath.Join(x.cfg.Sandbox, bundle.TaskID(n.Index))
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				lock, err := lockDir(context.Background(), dir)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { lock.Close() })
			},
			want: `^a former server still lives in .*/node-0: its file lock is locked$`},
		{name: "a sandbox that cannot be written",
			before: func(t *testing.T, x *subject, n chunkdist.Node) {
				if err := os.WriteFile(filepath.Join(x.cfg.Sandbox, bundle.TaskID(n.Index)), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			},
			want: `^mkdir .*/node-0: not a directory$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			plan := redistest.Plan(t, 3, 0, 3)
			x := runExecutor(t, func(cfg *Config) {
				if c.config != nil {
					c.config(t, cfg)
				}
			})
			if c.before != nil {
				c.before(t, x, plan.Nodes[0])
			}
			text := c.data
			if text == nil {
				text = data(t, plan, c.bundle)
			}
			task := c.task
			if task == "" {
				task = bundle.TaskID(0)
			}
			s := x.agent.subscription()
			s.subscribed(text)
			s.launch(task)
			u := s.next(mesos.TASK_FAILED)
			if !regexp.MustCompile(c.want).MatchString(u.GetMessage()) {
				t.Errorf("got  %s\nwant %s", u.GetMessage(), c.want)
			}
			if pid := serverPID(t, x, 0); pid != 0 {
				t.Errorf("process %d is left", pid)
			}
		})
	}
}

func takePort(which func(chunkdist.Node) int) func(*testing.T, *subject, chunkdist.Node) {
	return func(t *testing.T, _ *subject, n chunkdist.Node) {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", n.Host, which(n)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
}

// A port may still be that of a server that is about to end.
func TestPortIsWaitedFor(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", plan.Nodes[0].Host, plan.Nodes[0].BusPort))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	x := runExecutor(t, nil)
	s := x.agent.subscription()
	s.subscribed(data(t, plan, nil))
	s.launch(bundle.TaskID(0))
	await(t, "the node's directory to be locked", func() bool {
		_, err := os.Stat(filepath.Join(x.cfg.Sandbox, bundle.TaskID(0), lockName))
		return err == nil && locked(t, x, 0)
	})
	l.Close()
	s.next(mesos.TASK_STARTING)
}

// One bad node does not keep the others from running.
func TestOtherNodesGoOn(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	takePort(func(n chunkdist.Node) int { return n.Port })(t, nil, plan.Nodes[1])
	x := runExecutor(t, nil)
	s := x.agent.subscription()
	s.subscribed(data(t, plan, nil))
	states := map[string]mesos.TaskState{}
	for i := range plan.Nodes {
		s.launch(bundle.TaskID(i))
	}
	for range plan.Nodes {
		u := x.agent.update()
		s.acknowledge(u)
		states[u.TaskID.Value] = *u.State
	}
	want := map[string]mesos.TaskState{"node-0": mesos.TASK_STARTING, "node-1": mesos.TASK_FAILED, "node-2": mesos.TASK_STARTING}
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", states, want)
	}
}

// A server that still loads is not running.
func TestLoadingIsNoAnswer(t *testing.T) {
	t.Parallel()
	plan := redistest.Plan(t, 3, 0, 3)
	x := runExecutor(t, func(c *Config) { c.Server = stubServer(t, "loading") })
	s := x.boot(plan, data(t, plan, nil))
	s.message(bundle.MessageGo)
	s.all(3, mesos.TASK_RUNNING)
	for _, n := range plan.Nodes {
		if reply, err := dial(t, n).Do("PING"); err != nil {
			t.Errorf("node %d is said to run: %v, %v", n.Index, reply, err)
		}
	}
}

// A server gets its program's path, and nothing of the agent's environment.
func TestServersEnvironment(t *testing.T) {
	t.Parallel()
	x := runExecutor(t, func(c *Config) {
		c.Server = script(t, `[ "$1" = --version ] && exec redis-server --version; env | sort | tr '\n' ' '; exit 1`)
	})
	s := x.agent.subscription()
	s.subscribed(data(t, redistest.Plan(t, 3, 0, 3), nil))
	s.launch(bundle.TaskID(0))
	u := s.next(mesos.TASK_FAILED)
	_, got, _ := strings.Cut(u.GetMessage(), ": ")
	dir := filepath.Join(x.cfg.Sandbox, "node-0")
	if want := fmt.Sprintf("HOME=%s PATH=%s PWD=%s", dir, os.Getenv("PATH"), dir); strings.TrimSpace(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
