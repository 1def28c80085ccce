package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/internal/proc"
)

// createByCLI runs `redis-cli --cluster create` on running empty servers, to its end, and returns
// the layout that it announced. cpu is what the tool used, in seconds.
func (f *fleet) createByCLI(ctx context.Context, tool string) (plan chunkdist.Plan, cpu float64, err error) {
	args := []string{"--cluster", "create"}
	for _, n := range f.plan.Nodes {
		args = append(args, net.JoinHostPort(n.Host, strconv.Itoa(n.Port)))
	}
	args = append(args, "--cluster-replicas", strconv.Itoa(f.plan.Replicas), "--cluster-yes")
	out, err := os.Create(filepath.Join(f.dir, "redis-cli.log"))
	if err != nil {
		return plan, 0, err
	}
	defer out.Close()
	cmd := exec.Command(tool, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = f.dir, out, out, []string{"PATH=" + os.Getenv("PATH"), "TERM=dumb"}
	if err := proc.Start(cmd); err != nil {
		return plan, 0, fmt.Errorf("bench: redis-cli: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	err = cmd.Wait()
	stop()
	cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	text, readErr := os.ReadFile(out.Name())
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return plan, cpu, fmt.Errorf("redis-cli: %w: %.200s", err, lines[len(lines)-1])
	}
	if readErr != nil {
		return plan, cpu, readErr
	}
	plan, err = announced(string(text), f.plan)
	return plan, cpu, err
}

// announced reads the layout that redis-cli announces before it acts:
//
//	M: <id> <ip>:<port>
//	   slots:[0-5460] (5461 slots) master
//	S: <id> <ip>:<port>
//	   replicates <id>
//
// The plan says what it cannot know: bus ports. Epochs are the least that a master can have.
func announced(text string, servers chunkdist.Plan) (chunkdist.Plan, error) {
	text, _, _ = strings.Cut(text, "Performing Cluster Check")
	bus := map[string]int{}
	for _, n := range servers.Nodes {
		bus[net.JoinHostPort(n.Host, strconv.Itoa(n.Port))] = n.BusPort
	}
	type replica struct {
		node   chunkdist.Node
		master string
	}
	p := chunkdist.Plan{Cluster: servers.Cluster, UID: servers.UID, Masters: servers.Masters, Replicas: servers.Replicas}
	index, replicas := map[string]int{}, []replica{}
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i++ {
		role, rest, _ := strings.Cut(lines[i], ": ")
		if role != "M" && role != "S" {
			continue
		}
		id, address, _ := strings.Cut(strings.TrimSpace(rest), " ")
		host, portText, err := net.SplitHostPort(address)
		if err != nil {
			return p, fmt.Errorf("bench: redis-cli said %q: %w", lines[i], err)
		}
		port, err := strconv.Atoi(portText)
		if err != nil {
			return p, fmt.Errorf("bench: redis-cli said %q: %w", lines[i], err)
		}
		n := chunkdist.Node{ID: id, Host: host, Domain: host, Port: port, BusPort: bus[address], Slots: [][2]int{}}
		detail := strings.TrimSpace(lines[i+1])
		if master, is := strings.CutPrefix(detail, "replicates "); is {
			n.Role = chunkdist.Replica
			replicas = append(replicas, replica{n, master})
			continue
		}
		n.Role, n.Epoch, n.Index = chunkdist.Master, 1, len(p.Nodes)
		if n.Slots, err = slotsOf(detail); err != nil {
			return p, err
		}
		index[id] = n.Index
		p.Nodes = append(p.Nodes, n)
	}
	for _, r := range replicas {
		m, known := index[r.master]
		if !known {
			return p, fmt.Errorf("bench: redis-cli names %s as a master and does not list it", r.master)
		}
		r.node.Index, r.node.Master = len(p.Nodes), &m
		p.Nodes = append(p.Nodes, r.node)
	}
	if len(p.Nodes) != len(servers.Nodes) || len(index) != servers.Masters {
		return p, fmt.Errorf("bench: redis-cli announced %d nodes, %d of them masters", len(p.Nodes), len(index))
	}
	return p, nil
}

// slotsOf reads slots:[0-5460],[7] (5462 slots) master.
func slotsOf(detail string) (slots [][2]int, err error) {
	rest, is := strings.CutPrefix(detail, "slots:")
	if !is {
		return nil, fmt.Errorf("bench: redis-cli said %q where slots were expected", detail)
	}
	list, _, _ := strings.Cut(rest, " ")
	for _, one := range strings.Split(list, ",") {
		first, last, ranged := strings.Cut(strings.Trim(one, "[]"), "-")
		if !ranged {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil {
			return nil, fmt.Errorf("bench: redis-cli said %q where slots were expected", detail)
		}
		slots = append(slots, [2]int{a, b})
	}
	return slots, nil
}
