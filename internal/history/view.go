package history

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

func (n Node) address() string { return net.JoinHostPort(n.Host, strconv.Itoa(n.Port)) }

// compare says how what a node sees differs from a plan: all nodes of it and no other, each where
// and as it was planned, all reachable.
func compare(plan Plan, seer Node, v View) (problems []string) {
	note := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if v.State == "" {
		return []string{"it did not answer: " + v.Err}
	}
	if v.State != "ok" {
		note("its cluster_state is %s", v.State)
	}
	planned := map[string]Node{}
	for _, n := range plan.Nodes {
		planned[n.ID] = n
	}
	seen := map[string]bool{}
	for _, p := range v.Nodes {
		n, known := planned[p.ID]
		if !known {
			note("it sees %s at %s, which is not in the plan", p.ID, p.Address)
			continue
		}
		seen[p.ID] = true
		if want := fmt.Sprintf("%s:%d@%d", n.Host, n.Port, n.BusPort); p.Address != want {
			note("it sees node %d at %s instead of %s", n.Index, p.Address, want)
		}
		role, master := "master", "-"
		if n.Role == "replica" {
			role = "slave"
			if n.Master != nil && *n.Master < len(plan.Nodes) {
				master = plan.Nodes[*n.Master].ID
			}
		}
		if !slices.Contains(p.Flags, role) || p.Master != master {
			note("it sees node %d as %s of %s instead of %s of %s", n.Index, strings.Join(p.Flags, ","), p.Master, role, master)
		}
		if own := slices.Contains(p.Flags, "myself"); own != (p.ID == seer.ID) {
			note("it calls node %d itself", n.Index)
		}
		for _, bad := range []string{"fail", "fail?", "handshake", "noaddr"} {
			if slices.Contains(p.Flags, bad) {
				note("it sees node %d with the flag %s", n.Index, bad)
			}
		}
		if !p.Connected {
			note("its link to node %d is down", n.Index)
		}
		if !slices.Equal(p.Slots, n.Slots) {
			note("it sees the slots %v at node %d instead of %v", p.Slots, n.Index, n.Slots)
		}
	}
	for _, n := range plan.Nodes {
		if !seen[n.ID] {
			note("it does not see node %d", n.Index)
		}
	}
	return problems
}

// parseNodes reads what CLUSTER NODES answers.
func parseNodes(text string) ([]Peer, error) {
	var peers []Peer
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 8 {
			return nil, fmt.Errorf("a line of %d fields: %q", len(fields), line)
		}
		address, _, _ := strings.Cut(fields[1], ",") // the host name and what else follows
		p := Peer{ID: fields[0], Address: address, Flags: strings.Split(fields[2], ","), Master: fields[3], Connected: fields[7] == "connected"}
		for _, f := range fields[8:] {
			if strings.HasPrefix(f, "[") {
				return nil, errors.New("a slot is being moved: " + f)
			}
			first, last, isRange := strings.Cut(f, "-")
			if !isRange {
				last = first
			}
			a, errA := strconv.Atoi(first)
			b, errB := strconv.Atoi(last)
			if errA != nil || errB != nil {
				return nil, fmt.Errorf("slots %q", f)
			}
			p.Slots = append(p.Slots, [2]int{a, b})
		}
		peers = append(peers, p)
	}
	return peers, nil
}
