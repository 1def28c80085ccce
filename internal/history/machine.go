package history

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stateTimeout bounds the master's answer.
const stateTimeout = 10 * time.Second

// Frameworks are the frameworks that a master shows as not completed.
func Frameworks(ctx context.Context, master string) ([]Framework, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, master+"/state", nil)
	if err != nil {
		return nil, fmt.Errorf("history: Mesos: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("history: Mesos: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("history: Mesos: %s", resp.Status)
	}
	var state struct {
		Frameworks []Framework `json:"frameworks"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		return nil, fmt.Errorf("history: Mesos: %w", err)
	}
	return state.Frameworks, nil
}

// Processes are the processes whose working folder is in a sandbox below a folder: every executor
// is started there, and every redis-server in a folder of its own below.
func Processes(sandboxes string) ([]Process, error) {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return nil, fmt.Errorf("history: the process table: %w", err)
	}
	var found []Process
	for _, link := range links {
		cwd, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(cwd, sandboxes+"/") {
			continue // ended, or another's
		}
		folder := filepath.Dir(link)
		text, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil || len(text) == 0 {
			continue // ended, not reaped
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return nil, fmt.Errorf("history: the process table: %w", err)
		}
		p := Process{PID: pid, Command: strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))}
		p.Server = strings.Contains(p.Command, "redis-server") || strings.Contains(p.Command, "valkey-server")
		if _, after, ok := strings.Cut(cwd, "/frameworks/"); ok {
			p.Framework, _, _ = strings.Cut(after, "/")
		}
		found = append(found, p)
	}
	return found, nil
}
