package contracts

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const minimal = `{"id":"6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11","cluster":"orders","masters":3,"replicas":1,"node":{"cpus":0.5,"memory_mb":1024}}`

// with sets one member, at a path such as node.cpus, of the minimal request to a JSON text.
func with(t testing.TB, path, value string) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(minimal), &doc); err != nil {
		t.Fatal(err)
	}
	at := doc
	parts := strings.Split(path, ".")
	for _, p := range parts[:len(parts)-1] {
		if at[p] == nil {
			at[p] = map[string]any{}
		}
		at = at[p].(map[string]any)
	}
	at[parts[len(parts)-1]] = json.RawMessage(value)
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseCreateFillsDefaults(t *testing.T) {
	t.Parallel()
	r, err := ParseCreate([]byte(strings.Replace(minimal, "6ff0c3f2", "6FF0C3F2", 1)))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", r)
	want := "{ID:6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11 Cluster:orders Masters:3 Replicas:1 Node:{CPUs:0.5 MemoryMB:1024} " +
		"Redis:{Flavor:redis Version:7.0 Persistence:none Image: Config:map[]} " +
		"Placement:{Role:* FaultDomain:host FaultDomainRule:required Link:pair MaxNodesPerHost:0 ExcludeHosts:[]} Deadline:120000000000}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseCreateNamesTheRefusedField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, value, field, says string }{
		{"id", `"x"`, "id", "UUID"},
		{"id", `"00000000-0000-0000-0000-000000000000"`, "id", "UUID"},
		{"id", `"{6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11}"`, "id", "UUID"},
		{"id", `7`, "id", "string"},
		{"id", `null`, "id", "null"},
		{"cluster", `"Orders"`, "cluster", "a-z"},
		{"cluster", `"-a"`, "cluster", "a-z"},
		{"cluster", `"a.b"`, "cluster", "a-z"},
		{"cluster", `"a\n"`, "cluster", "a-z"},
		{"cluster", `""`, "cluster", "empty"},
		{"cluster", `"` + strings.Repeat("a", 64) + `"`, "cluster", "63"},
		{"masters", `2`, "masters", "3 to 8192"},
		{"masters", `8193`, "masters", "3 to 8192"},
		{"masters", `3.5`, "masters", "whole"},
		{"masters", `1e99`, "masters", "whole"},
		{"masters", `"3"`, "masters", "whole"},
		{"replicas", `-1`, "replicas", "0 to 4"},
		{"replicas", `5`, "replicas", "0 to 4"},
		{"node.cpus", `0`, "node.cpus", "more than 0"},
		{"node.cpus", `65`, "node.cpus", "64"},
		{"node.cpus", `0.0005`, "node.cpus", "0.001"},
		{"node.cpus", `1e-9`, "node.cpus", "0.001"},
		{"node.cpus", `1e999`, "node.cpus", "number"},
		{"node.memory_mb", `63`, "node.memory_mb", "64"},
		{"node.gpus", `1`, "node.gpus", "no field"},
		{"node", `[]`, "node", "object"},
		{"node", `{"cpus":1}`, "node.memory_mb", "missing"},
		{"Masters", `4`, "Masters", "no field"},
		{"redis.version", `"7"`, "redis.version", "major.minor"},
		{"redis.version", `"7.0.15"`, "redis.version", "major.minor"},
		{"redis.version", `""`, "redis.version", "empty"},
		{"redis.flavor", `"keydb"`, "redis.flavor", "valkey"},
		{"redis.persistence", `"both"`, "redis.persistence", "rdb"},
		{"redis.image", `"redis 7"`, "redis.image", "redis:7.0"},
		{"redis.image", `"../redis"`, "redis.image", "redis:7.0"},
		{"redis.image", `"redis@sha256:12"`, "redis.image", "redis:7.0"},
		{"redis.image", `"` + strings.Repeat("a", 256) + `"`, "redis.image", "redis:7.0"},
		{"redis.config", `{"include":"/etc/passwd"}`, "redis.config.include", "leave it out"},
		{"redis.config", `{"cluster-announce-ip":"1.2.3.4"}`, "redis.config.cluster-announce-ip", "plan"},
		{"redis.config", `{"requirepass":"x"}`, "redis.config.requirepass", "not supported"},
		{"redis.config", `{"tls-port":"1"}`, "redis.config.tls-port", "not supported"},
		{"redis.config", `{"Port":"1"}`, "redis.config.Port", "lower case"},
		{"redis.config", `{"max memory":"1"}`, `redis.config."max memory"`, "no directive"},
		{"redis.config", `{"":"1"}`, `redis.config.""`, "no directive"},
		{"redis.config", `{"maxmemory-policy":"a\nport 1"}`, "redis.config.maxmemory-policy", "line break"},
		{"redis.config", `{"maxmemory-policy":"a\u0000"}`, "redis.config.maxmemory-policy", "control"},
		{"redis.config", `{"maxmemory-policy":"\ud800"}`, "redis.config.maxmemory-policy", "broken"},
		{"redis.config", `{"maxmemory-policy":1}`, "redis.config.maxmemory-policy", "string"},
		{"redis.config", `{"maxmemory-policy":"` + strings.Repeat("a", 1025) + `"}`, "redis.config.maxmemory-policy", "1024"},
		{"redis.config", `{"cluster-replica-validity-factor":"0"}`, "redis.config.cluster-replica-validity-factor", "1 or more"},
		{"redis.config", `{"client-output-buffer-limit":"normal 0"}`, "redis.config.client-output-buffer-limit", "four"},
		{"placement.role", `"a b"`, "placement.role", "space"},
		{"placement.role", `"a//b"`, "placement.role", "empty part"},
		{"placement.role", `"a/*"`, "placement.role", "part"},
		{"placement.role", `"-a"`, "placement.role", "'-'"},
		{"placement.role", `".."`, "placement.role", "part"},
		{"placement.fault_domain", `"rack"`, "placement.fault_domain", "attribute:NAME"},
		{"placement.fault_domain", `"attribute:"`, "placement.fault_domain", "attribute:NAME"},
		{"placement.fault_domain_rule", `"strict"`, "placement.fault_domain_rule", "preferred"},
		{"placement.link", `"mesh"`, "placement.link", "ring"},
		{"placement.max_nodes_per_host", `-1`, "placement.max_nodes_per_host", "0 to"},
		{"placement.exclude_hosts", `["10.0.0.1","host"]`, "placement.exclude_hosts[1]", "IP address"},
		{"placement.exclude_hosts", `["fe80::1%eth0"]`, "placement.exclude_hosts[0]", "IP address"},
		{"placement.exclude_hosts", `"10.0.0.1"`, "placement.exclude_hosts", "list"},
		{"deadline", `"500ms"`, "deadline", "1s to 24h"},
		{"deadline", `"25h"`, "deadline", "1s to 24h"},
		{"deadline", `"0s"`, "deadline", "duration"},
		{"deadline", `120`, "deadline", "duration"},
		{"deadline", `"soon"`, "deadline", "duration"},
	} {
		_, err := ParseCreate(with(t, c.path, c.value))
		var field *FieldError
		if !errors.As(err, &field) || field.Field != c.field || !strings.Contains(field.Message, c.says) {
			t.Errorf("%s = %s: got %v; want field %s and a message with %q", c.path, c.value, err, c.field, c.says)
		}
	}
}

func TestParseCreateAccepts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, value string }{
		{"cluster", `"a"`},
		{"cluster", `"` + strings.Repeat("a", 63) + `"`},
		{"masters", `8192`},
		{"replicas", `0`},
		{"node.cpus", `0.001`}, {"node.cpus", `0.3`}, {"node.cpus", `63.999`}, {"node.cpus", `2`},
		{"redis.version", `"6.2"`}, {"redis.flavor", `"valkey"`}, {"redis.persistence", `"aof"`},
		{"redis.image", `"redis:7.0"`}, {"redis.image", `"registry.example:5000/team/redis:7.0.15-alpine"`},
		{"redis.image", `"redis@sha256:` + strings.Repeat("0a", 32) + `"`},
		{"redis.config", `{"notify-keyspace-events":"","maxmemory-policy":"allkeys-lru","maxmemory":"512mb"}`},
		{"placement.role", `"team/cache"`}, {"placement.role", `"a.b-c_d"`},
		{"placement.fault_domain", `"attribute:rack"`}, {"placement.exclude_hosts", `["10.0.0.1","2001:db8::1"]`},
		{"placement.max_nodes_per_host", `0`}, {"deadline", `"1s"`}, {"deadline", `"24h"`}, {"deadline", `"1m30s"`},
	} {
		if _, err := ParseCreate(with(t, c.path, c.value)); err != nil {
			t.Errorf("%s = %s: %v", c.path, c.value, err)
		}
	}
}

func TestParseRefusesWhatIsNotOneObject(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"nothing":       {"", "ends too early"},
		"cut":           {minimal[:40], "ends too early"},
		"no JSON":       {"masters: 3", "not valid JSON"},
		"a list":        {"[]", "must be an object"},
		"null":          {"null", "must be an object"},
		"two":           {minimal + minimal, "text after its end"},
		"trailing text": {minimal + "x", "text after its end"},
		"missing":       {strings.Replace(minimal, `"replicas":1,`, "", 1), "replicas is missing"},
		"twice":         {strings.Replace(minimal, `"masters":3`, `"masters":3,"masters":4`, 1), "masters is there twice"},
		"twice below":   {strings.Replace(minimal, `"cpus":0.5`, `"cpus":0.5,"cpus":1`, 1), "node.cpus is there twice"},
		"not UTF-8":     {strings.Replace(minimal, "orders", "or\xffders", 1), "UTF-8"},
		"too long":      {minimal + strings.Repeat(" ", MaxRequestSize), "bytes long"},
		"too deep":      {`{"id":` + strings.Repeat("[", 100_000), "id must be a string"},
		"deep unknown":  {`{"x":` + strings.Repeat("[", 100_000), "x is no field"},
	} {
		_, err := ParseCreate([]byte(c.text))
		var field *FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v; want a FieldError with %q", name, err, c.says)
		}
	}
}

func TestParseTheOtherRequests(t *testing.T) {
	t.Parallel()
	const id, other = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11", "D3B0A8A0-0000-4000-8000-000000000001"
	d, err := ParseDestroy([]byte(`{"id":"` + id + `","cluster":"orders"}`))
	if err != nil || time.Duration(d.Deadline) != DefaultDeadline {
		t.Errorf("destroy: %+v, %v", d, err)
	}
	v, err := ParseVerify([]byte(`{"id":"` + id + `","cluster":"orders","repair":true,"deadline":"10s"}`))
	if err != nil || !v.Repair || time.Duration(v.Deadline) != 10*time.Second {
		t.Errorf("verify: %+v, %v", v, err)
	}
	c, err := ParseCancel([]byte(`{"id":"` + id + `","job":"` + other + `"}`))
	if err != nil || c.Job != strings.ToLower(other) {
		t.Errorf("cancel: %+v, %v", c, err)
	}
	for _, refused := range []func() error{
		func() error { _, err := ParseDestroy([]byte(`{"id":"` + id + `"}`)); return err },
		func() error {
			_, err := ParseDestroy([]byte(`{"id":"` + id + `","cluster":"orders","masters":3}`))
			return err
		},
		func() error {
			_, err := ParseVerify([]byte(`{"id":"` + id + `","cluster":"orders","repair":1}`))
			return err
		},
		func() error { _, err := ParseCancel([]byte(`{"id":"` + id + `","job":"orders"}`)); return err },
	} {
		var field *FieldError
		if err := refused(); !errors.As(err, &field) || field.Field == "" {
			t.Errorf("got %v, want a FieldError that names its field", err)
		}
	}
}

func TestSniffReadsOnlyWhatIsValid(t *testing.T) {
	t.Parallel()
	const id = "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"
	for text, want := range map[string][2]string{
		minimal:                                 {id, "orders"},
		minimal[:60]:                            {id, ""},
		minimal[:80]:                            {id, "orders"},
		`{"x":[{"id":1}],"cluster":"a"}`:        {"", "a"},
		`{"cluster":"a","cluster":"b"}`:         {"", ""},
		`{"Cluster":"a","id":"` + id + `"}`:     {id, ""},
		`{"cluster":"A","id":7}`:                {"", ""},
		`{"data":{"cluster":"a"}}`:              {"", ""},
		"\xff":                                  {"", ""},
		`["cluster","a"]`:                       {"", ""},
		`{"x":` + strings.Repeat("[", 1_000_00): {"", ""},
	} {
		if gotID, cluster := Sniff([]byte(text)); gotID != want[0] || cluster != want[1] {
			t.Errorf("%.80s: got %q, %q; want %q", text, gotID, cluster, want)
		}
	}
}

func TestSameSpec(t *testing.T) {
	t.Parallel()
	parse := func(path, value string) CreateRequest {
		r, err := ParseCreate(with(t, path, value))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	base := parse("masters", "3")
	for _, same := range []CreateRequest{
		parse("id", `"11111111-8f0c-4b9c-9a64-0a4d8f1f7b11"`), parse("deadline", `"5m"`), parse("redis.config", `{}`),
		parse("redis.version", `"7.0"`), parse("placement.exclude_hosts", `[]`), parse("placement.role", `"*"`),
	} {
		if !SameSpec(base, same) || !SameSpec(same, base) {
			t.Errorf("not the same: %+v", same)
		}
	}
	for _, other := range []CreateRequest{
		parse("cluster", `"b"`), parse("masters", "4"), parse("replicas", "2"), parse("node.cpus", "1"), parse("node.memory_mb", "64"),
		parse("redis.flavor", `"valkey"`), parse("redis.version", `"7.2"`), parse("redis.persistence", `"aof"`),
		parse("redis.image", `"redis:7.0"`), parse("redis.config", `{"maxmemory":"1mb"}`), parse("placement.role", `"a"`), parse("placement.fault_domain", `"zone"`),
		parse("placement.fault_domain_rule", `"preferred"`), parse("placement.link", `"ring"`),
		parse("placement.max_nodes_per_host", "4"), parse("placement.exclude_hosts", `["10.0.0.1"]`),
	} {
		if SameSpec(base, other) || SameSpec(other, base) {
			t.Errorf("the same: %+v", other)
		}
	}
	if !SameSpec(parse("placement.exclude_hosts", `["10.0.0.1","10.0.0.2"]`), parse("placement.exclude_hosts", `["10.0.0.2","10.0.0.1","::ffff:10.0.0.1"]`)) {
		t.Error("the order of excluded hosts makes another specification")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add(with(f, "redis.config", `{"maxmemory":"1mb"}`))
	f.Add(with(f, "placement.exclude_hosts", `["10.0.0.1"]`))
	f.Add([]byte(`{"id":"6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11","job":"6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, cluster := Sniff(data)
		if id != "" && checkUUID("id", id) != nil || cluster != "" && checkCluster("cluster", cluster) != nil {
			t.Fatalf("Sniff returned what is not valid: %q, %q", id, cluster)
		}
		var field *FieldError
		r, err := ParseCreate(data)
		switch {
		case err == nil:
			if r.ID != id || r.Cluster != cluster {
				t.Fatalf("Sniff says %q, %q of %+v", id, cluster, r)
			}
			again, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseCreate(again)
			if err != nil || !SameSpec(r, back) || back.ID != r.ID || back.Deadline != r.Deadline {
				t.Fatalf("what was accepted does not come back: %s: %v", again, err)
			}
		case !errors.As(err, &field):
			t.Fatalf("an error that is no FieldError: %v", err)
		}
		for _, err := range []error{second(ParseDestroy(data)), second(ParseVerify(data)), second(ParseCancel(data))} {
			if err != nil && !errors.As(err, &field) {
				t.Fatalf("an error that is no FieldError: %v", err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func FuzzParseEvent(f *testing.F) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, t := range EventTypes {
		body, err := json.Marshal(NewEvent("w1", t, EventData{Job: "j", Cluster: "c", Seq: 1, Phase: PhaseForming, Report: &Report{}}, now))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := ParseEvent(data)
		if err != nil {
			return
		}
		body, err := json.Marshal(ev)
		if err != nil {
			return // a time that JSON cannot hold
		}
		again, err := ParseEvent(body)
		if err != nil || again.ID != ev.ID || again.Type != ev.Type || again.Data.Seq != ev.Data.Seq {
			t.Fatalf("what was accepted does not come back: %s: %v", body, err)
		}
	})
}
