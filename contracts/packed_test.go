package contracts_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
)

// planOf is a plan of n nodes that have nothing in common that a real one's do not have.
func planOf(n int) *contracts.Plan {
	p := &contracts.Plan{Cluster: "orders", UID: "u", Masters: n, Hosts: []contracts.HostLoad{}}
	for i := range n {
		host := fmt.Sprintf("10.0.%d.%d", i%64/8, i%8+1)
		p.Nodes = append(p.Nodes, contracts.Node{
			Index: i, ID: fmt.Sprintf("%040x", uint64(i+1)*0x9e3779b97f4a7c15), Host: host, Domain: host,
			Agent: "56c7be37-a67a-45ad-a4aa-592b1903e71d-S" + fmt.Sprint(i%64), Port: 31000 + 2*i/64, BusPort: 31001 + 2*i/64,
			Role: "master", Epoch: uint64(i) + 1, Slots: [][2]int{{i, i}},
		})
	}
	return p
}

// TestLargePlansArePacked: up to MaxPlainNodes a plan is written as it is; above, packed. Readers
// in Go see no difference, and the schemas allow both.
func TestLargePlansArePacked(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, contracts.MaxPlainNodes, contracts.MaxPlainNodes + 1, 1200} {
		plan := planOf(n)
		ev := contracts.NewEvent("w", contracts.EventVerified, contracts.EventData{
			Job: "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11", Cluster: "orders", Seq: 1, Phase: contracts.PhaseVerified,
			Plan: plan, Report: &contracts.Report{OK: true, Checks: []contracts.Check{}},
		}, time.Unix(0, 0))
		text := marshal(t, ev)
		back, err := contracts.ParseEvent(text)
		if err != nil {
			t.Fatal(err)
		}
		sameAndPacked(t, n, text, "event", back.Data.Plan, back.Data.PlanGzip, plan)

		rec := contracts.ClusterRecord{Cluster: "orders", State: contracts.ClusterVerified, Job: ev.Data.Job, Request: request(t), Plan: plan}
		text = marshal(t, rec)
		var read contracts.ClusterRecord
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		sameAndPacked(t, n, text, "cluster-record", read.Plan, read.PlanGzip, plan)
		if ev.Data.Plan != plan || rec.Plan != plan {
			t.Error("writing a value changed it")
		}
	}
}

func sameAndPacked(t *testing.T, n int, text []byte, name string, got *contracts.Plan, packed []byte, want *contracts.Plan) {
	t.Helper()
	if !reflect.DeepEqual(got, want) || packed != nil {
		t.Errorf("%s of %d nodes: the plan that is read is not the one that was written", name, n)
	}
	if err := validate(t, schema(t, name), text); err != nil {
		t.Errorf("%s of %d nodes: schema: %v", name, n, err)
	}
	if is, should := bytes.Contains(text, []byte(`"plan_gzip":`)), n > contracts.MaxPlainNodes; is != should {
		t.Errorf("%s of %d nodes: packed is %v, want %v", name, n, is, should)
	}
	if bytes.Contains(text, []byte(`"plan_gzip":`)) == bytes.Contains(text, []byte(`"plan":`)) {
		t.Errorf("%s of %d nodes has both forms of the plan, or none", name, n)
	}
	if limit := 160 << 10; len(text) > limit {
		t.Errorf("%s of %d nodes has %d bytes, more than %d", name, n, len(text), limit)
	}
}

func TestUnpackPlanRefuses(t *testing.T) {
	t.Parallel()
	good, err := contracts.PackPlan(*planOf(3))
	if err != nil {
		t.Fatal(err)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 65<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"no gzip":   {[]byte("a plan in words"), "gzip"},
		"cut short": {good[:len(good)-9], "EOF"},
		"a bomb":    {bomb.Bytes(), "after decompression"},
	} {
		if _, err := contracts.UnpackPlan(c.packed); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.want)
		}
		text := fmt.Appendf(nil, `{"specversion":"1.0","type":"io.clustersmith.v1.verified","data":{"job":"j","plan_gzip":%s}}`, marshal(t, c.packed))
		if _, err := contracts.ParseEvent(text); err == nil {
			t.Errorf("%s: ParseEvent takes it", name)
		}
	}
}

func request(t *testing.T) contracts.CreateRequest {
	t.Helper()
	r, err := contracts.ParseCreate([]byte(
		`{"id":"6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11","cluster":"orders","masters":3,"replicas":0,"node":{"cpus":1,"memory_mb":64}}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
