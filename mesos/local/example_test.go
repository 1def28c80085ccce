package local_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/clustersmith/clustersmith/mesos/local"
)

// A Mesos with two agents for as long as one needs it.
func ExampleStart() {
	dir, err := os.MkdirTemp("", "mesos")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	r, err := local.ParseResources("cpus:8;mem:8192;ports:[31000-31999]")
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := local.Config{Dir: dir}
	for _, ip := range []string{"127.0.0.2", "127.0.0.3"} {
		cfg.Agents = append(cfg.Agents, local.AgentConfig{IP: ip, CPUs: r.CPUs, MemMB: r.MemMB, Ports: r.Ports})
	}
	ctx := context.Background()
	m, err := local.Start(ctx, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := m.Close(ctx); err != nil {
			fmt.Println(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(m.URL()+"/api/v1/scheduler", "text/plain", strings.NewReader("hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(len(m.Agents()), "agents;", resp.Status)
	// Output: 2 agents; 415 Unsupported Media Type
}
