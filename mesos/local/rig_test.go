package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// quick are settings with which nothing takes seconds.
func quick(t *testing.T, agents ...string) local.Config {
	t.Helper()
	cfg := local.Config{
		Dir: t.TempDir(), AllocationInterval: 100 * time.Millisecond,
		ExecutorReregistrationTimeout: time.Second, AgentReregisterDelay: 50 * time.Millisecond,
		MasterStart: 100 * time.Millisecond,
	}
	for i, ip := range agents {
		cfg.Agents = append(cfg.Agents, local.AgentConfig{
			IP: ip, CPUs: 8, MemMB: 8192, DiskMB: 20480, Ports: ports(31000, 31999),
			Attributes: map[string]string{"rack": "r" + strconv.Itoa(i+1)},
		})
	}
	return cfg
}

func start(t *testing.T, cfg local.Config) *local.Mesos {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	m, err := local.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			dumpSandboxes(t, cfg.Dir)
		}
	})
	return m
}

func dumpSandboxes(t *testing.T, dir string) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Name() == "stderr" {
			b, _ := os.ReadFile(path)
			t.Logf("%s:\n%s", path, b)
		}
		return nil
	})
}

func agentAddress(m *local.Mesos, ip string) string {
	for _, a := range m.Agents() {
		if a.IP == ip {
			return net.JoinHostPort(a.IP, strconv.Itoa(a.Port))
		}
	}
	return ""
}

func getState(t *testing.T, url string) map[string]any {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url + "/state")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var state map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		t.Fatal(err)
	}
	return state
}

// eventually polls what has no event to wait for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func ports(begin, end int) []chunkdist.PortRange {
	return []chunkdist.PortRange{{Begin: begin, End: end}}
}

// held returns the resources of an offer as {"cpus": 8, …, "ports": "[31000-31999]"}.
func held(offer map[string]any) map[string]string {
	out := map[string]string{}
	for _, r := range at(offer, "resources").([]any) {
		name := at(r, "name").(string)
		if v, ok := lookup(r, "scalar", "value"); ok {
			out[name] = fmt.Sprint(v)
			continue
		}
		var parts []string
		for _, x := range at(r, "ranges", "range").([]any) {
			parts = append(parts, fmt.Sprintf("%v-%v", at(x, "begin"), at(x, "end")))
		}
		out[name] = "[" + strings.Join(parts, ",") + "]"
	}
	return out
}

// sandboxes is the directory that holds the frameworks' sandboxes of the first agent in Config.Dir.
func sandboxes(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "slaves", "*", "frameworks"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no sandboxes in %s (%v)", dir, err)
	}
	return found[0]
}
