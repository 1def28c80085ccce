package chunkdist

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func sample(t *testing.T) (Spec, []Host, Plan) {
	t.Helper()
	spec := Spec{Cluster: "c", UID: "u", Masters: 6, Replicas: 1, Node: Resources{1, 100}, MaxNodesPerHost: 4}
	hosts := equalHosts(6, 3)
	for i := range hosts {
		hosts[i].Domain = []string{"r1", "r2", "r3"}[i%3]
	}
	plan, err := Place(spec, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return spec, hosts, plan
}

// deepCopy returns a plan that shares nothing with p.
func deepCopy(t *testing.T, p Plan) Plan {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out Plan
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Each rule is checked: a plan that breaks it is refused in its name.
func TestCheckNamesTheBrokenRule(t *testing.T) {
	t.Parallel()
	spec, hosts, good := sample(t)
	if err := Check(spec, hosts, good); err != nil {
		t.Fatal(err)
	}
	to := func(n *Node, other Node) { n.Host, n.Domain, n.Agent = other.Host, other.Domain, other.Agent }
	for _, c := range []struct {
		rule  Rule
		says  string
		wreck func(*Plan, *Spec)
	}{
		{RuleShape, "11 nodes", func(p *Plan, _ *Spec) { p.Nodes = p.Nodes[:11] }},
		{RuleShape, "at place 0", func(p *Plan, _ *Spec) { p.Nodes[0], p.Nodes[1] = p.Nodes[1], p.Nodes[0] }},
		{RuleShape, "ID", func(p *Plan, _ *Spec) { p.Nodes[3].ID = "" }},
		{RuleShape, "no host", func(p *Plan, _ *Spec) { p.Nodes[3].Host = "" }},
		{RuleShape, "config epoch 0", func(p *Plan, _ *Spec) { p.Nodes[3].Epoch = 0 }},
		{RuleShape, "share config epoch", func(p *Plan, _ *Spec) { p.Nodes[3].Epoch = 2 }},
		{RuleShape, "role", func(p *Plan, _ *Spec) { p.Nodes[3].Role = "slave" }},
		{RuleShape, "replica 7 has no master", func(p *Plan, _ *Spec) { p.Nodes[7].Master = nil }},
		{RuleShape, "replica 7 has no master", func(p *Plan, _ *Spec) { *p.Nodes[7].Master = 99 }},
		{RuleShape, "5 nodes are masters", func(p *Plan, _ *Spec) {
			p.Nodes[5].Role, p.Nodes[5].Master, p.Nodes[5].Epoch, p.Nodes[5].Slots = Replica, new(int), 0, nil
		}},
		{RuleShape, "has 2 replicas", func(p *Plan, _ *Spec) { *p.Nodes[7].Master = 0 }},
		{RuleShape, "does not count", func(p *Plan, _ *Spec) { p.Hosts[0].Masters++ }},
		{RuleShape, "its host", func(p *Plan, _ *Spec) {
			for i := range p.Nodes {
				if p.Nodes[i].Host == "10.0.0.1" {
					p.Nodes[i].Domain = "r9"
				}
			}
			p.Hosts = nil
		}},
		{RuleSlots, "has no slots", func(p *Plan, _ *Spec) { p.Nodes[0].Slots = nil }},
		{RuleSlots, "no range", func(p *Plan, _ *Spec) { p.Nodes[5].Slots[0][1] = Slots }},
		{RuleSlots, "slot 2730 is in masters 0 and 1", func(p *Plan, _ *Spec) { p.Nodes[0].Slots[0][1]++ }},
		{RuleSlots, "slot 16383 has no master", func(p *Plan, _ *Spec) { p.Nodes[5].Slots[0][1]-- }},
		{RulePorts, "both have port", func(p *Plan, _ *Spec) { p.Nodes[0].BusPort = p.Nodes[0].Port }},
		{RulePorts, "port 0", func(p *Plan, _ *Spec) { p.Nodes[0].BusPort = 0 }},
		{RulePorts, "not both offered", func(p *Plan, _ *Spec) { p.Nodes[0].BusPort = 30999 }},
		{RulePorts, "bus port", func(_ *Plan, s *Spec) { s.BusOffset = 10000 }},
		{RuleApart, "share host", func(p *Plan, _ *Spec) {
			to(&p.Nodes[6], p.Nodes[0])
			p.Nodes[6].Port, p.Nodes[6].BusPort = 40000, 40001
		}},
		{RuleApart, "share fault domain", func(p *Plan, _ *Spec) {
			to(&p.Nodes[6], p.Nodes[3])
			p.Nodes[6].Port, p.Nodes[6].BusPort = 31004, 31005
			p.Hosts = nil
		}},
		{RuleMajority, "holds 3 of 6 masters", func(p *Plan, _ *Spec) {
			to(&p.Nodes[1], p.Nodes[0])
			to(&p.Nodes[2], p.Nodes[0])
		}},
		{RuleMajority, "half or more of 6", func(p *Plan, _ *Spec) {
			p.Hosts = nil
			for _, i := range []int{1, 4} {
				p.Nodes[i].Domain = "r1"
			}
		}},
		{RuleHalf, "holds 6 of 12", func(p *Plan, _ *Spec) {
			for _, i := range []int{1, 8, 9, 10} {
				to(&p.Nodes[i], p.Nodes[0])
			}
		}},
		{RuleCapacity, "was not offered", func(p *Plan, _ *Spec) { p.Nodes[0].Agent = "a9" }},
		{RuleCapacity, "no room for 2 nodes", func(_ *Plan, s *Spec) { s.Node.MemoryMB = 150.001 }},
		{RuleCapacity, "no room for 1 node", func(_ *Plan, s *Spec) { s.Overhead.CPUs = 2.001 }},
		{RuleExclusion, "host 10.0.0.1 is excluded", func(_ *Plan, s *Spec) { s.ExcludeHosts = []string{"10.0.0.1"} }},
		{RuleExclusion, "more than 1", func(_ *Plan, s *Spec) { s.MaxNodesPerHost = 1 }},
	} {
		bad, s := deepCopy(t, good), spec
		c.wreck(&bad, &s)
		err := Check(s, hosts, bad)
		var broken *Broken
		if !errors.As(err, &broken) {
			t.Errorf("%s: %q was not refused", c.rule, c.says)
			continue
		}
		if !strings.Contains(err.Error(), string(c.rule)+": ") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q: got %v", c.rule, c.says, err)
		}
	}
}

// A plan that is wrong everywhere is reported with a bounded number of sentences.
func TestCheckReportsTheFirstProblems(t *testing.T) {
	t.Parallel()
	_, _, plan := sample(t)
	plan = deepCopy(t, plan)
	for i := range plan.Nodes {
		plan.Nodes[i].ID, plan.Nodes[i].Host = "", ""
	}
	err := plan.Validate()
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxReported+1 || lines[maxReported] != "and 4 more" {
		t.Errorf("got %d lines: %v", len(lines), err)
	}
}

// A change must keep every node what it was.
func TestCheckChangeKeepsIdentities(t *testing.T) {
	t.Parallel()
	spec, hosts, plan := sample(t)
	if err := CheckChange(spec, hosts, plan, plan); err != nil {
		t.Fatal(err)
	}
	for _, wreck := range []func(*Plan){
		func(p *Plan) { p.Nodes[0].Epoch = 77 },
		func(p *Plan) { *p.Nodes[6].Master, *p.Nodes[7].Master = *p.Nodes[7].Master, *p.Nodes[6].Master },
		func(p *Plan) { p.Nodes = p.Nodes[:9] },
	} {
		after := deepCopy(t, plan)
		wreck(&after)
		var broken *Broken
		if err := CheckChange(spec, hosts, plan, after); !errors.As(err, &broken) || broken.Rule != RuleShape {
			t.Errorf("got %v", err)
		}
	}
}

// A plan survives its JSON.
func TestPlanJSON(t *testing.T) {
	t.Parallel()
	_, _, plan := sample(t)
	again := deepCopy(t, plan)
	if err := again.Validate(); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(plan.Nodes, again.Nodes, func(a, b Node) bool { return !moved(a, b) && a.ID == b.ID && slices.Equal(a.Slots, b.Slots) }) {
		t.Error("the nodes differ")
	}
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"slots":[]`) || strings.Contains(string(data), "null") {
		t.Errorf("a replica's slots must be an empty list: %s", data)
	}
}
