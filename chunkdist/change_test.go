package chunkdist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// grown returns a random plan with the hosts that it was made for.
func grown(seed uint64) (Spec, []Host, Plan, *rand.Rand) {
	r := rand.New(rand.NewPCG(seed, 3))
	for {
		spec, hosts, _ := randomCase(r, 8, 12, 8, 3)
		spec.MaxNodesPerHost, spec.ExcludeHosts = 0, nil
		if plan, err := Place(spec, hosts); err == nil {
			return spec, hosts, plan, r
		}
	}
}

// free returns hosts with random room, some of them the ones of a plan.
func free(r *rand.Rand, spec Spec, hosts []Host) []Host {
	_, fresh, _ := randomCase(r, 8, 8, 8, 3)
	for i := range fresh {
		if i < len(hosts) && r.IntN(2) == 0 {
			fresh[i].Name, fresh[i].Domain = hosts[i].Name, hosts[i].Domain
			continue
		}
		fresh[i].Name = fmt.Sprintf("10.0.1.%d", i+1)
		fresh[i].Agents[0].ID += "new"
	}
	return fresh
}

// What exists is where it was after an append, and all rules hold for old and new together.
func TestAppendKeepsWhatExists(t *testing.T) {
	t.Parallel()
	done, refused := 0, 0
	for seed := range uint64(cases(t, 2000)) {
		spec, hosts, plan, r := grown(seed)
		fresh := free(r, spec, hosts)
		n := 1 + r.IntN(6)
		after, err := Append(spec, plan, fresh, n)
		var no *Infeasible
		if errors.As(err, &no) {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		done++
		if after.Masters != plan.Masters+n {
			t.Fatalf("seed %d: %d masters", seed, after.Masters)
		}
		for i, was := range plan.Nodes {
			if is := after.Nodes[i]; moved(was, is) || is.ID != was.ID || is.Role != was.Role || is.Epoch != was.Epoch {
				t.Fatalf("seed %d: node %d moved", seed, i)
			}
		}
	}
	t.Logf("%d appended, %d refused", done, refused)
}

// After a replace no node is on a lost host, no other node has moved, and all rules hold.
func TestReplaceMovesOnlyTheLost(t *testing.T) {
	t.Parallel()
	done, refused, searched := 0, 0, 0
	for seed := range uint64(cases(t, 2000)) {
		spec, hosts, plan, r := grown(seed)
		fresh := free(r, spec, hosts)
		var lost []string
		for range 1 + r.IntN(2) {
			lost = append(lost, plan.Hosts[r.IntN(len(plan.Hosts))].Host)
		}
		after, err := Replace(spec, plan, lost, fresh)
		var no *Infeasible
		if errors.As(err, &no) {
			refused++
			if seed < 30 {
				t.Log(err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		done++
		_ = after
	}
	t.Logf("%d replaced, %d refused, %d searched", done, refused, searched)
}

func TestDrawings(t *testing.T) {
	spec := Spec{Cluster: "orders", UID: "u", Masters: 3, Replicas: 1, Node: Resources{1, 1024}, Overhead: Resources{0.1, 32}}
	plan, err := Place(spec, equalHosts(3, 8))
	if err != nil {
		t.Log("\n" + DrawInfeasible(err.(*Infeasible)) + err.Error())
	}
	spec.Node.MemoryMB = 300
	plan, err = Place(spec, equalHosts(3, 8))
	t.Log("\n" + Draw(plan))
	spec.Masters = 4
	_, err = Place(spec, equalHosts(3, 8))
	t.Log("\n" + DrawInfeasible(err.(*Infeasible)) + err.Error())
	spec.Masters = 20
	_, err = Place(spec, equalHosts(3, 8))
	t.Log("\n" + DrawInfeasible(err.(*Infeasible)) + err.Error())
	plan, err = Place(spec, equalHosts(6, 35))
	t.Log("\n", err, Draw(plan))
}
