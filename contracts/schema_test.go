package contracts_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/jsonschema-go/jsonschema"
)

func schema(t *testing.T, name string) *jsonschema.Resolved {
	t.Helper()
	b, err := contracts.Schemas.ReadFile("schemas/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func validate(t *testing.T, s *jsonschema.Resolved, text []byte) error {
	t.Helper()
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s.Validate(doc)
}

func parse(name string, text []byte) error {
	var err error
	switch name {
	case "create":
		_, err = contracts.ParseCreate(text)
	case "destroy":
		_, err = contracts.ParseDestroy(text)
	case "verify":
		_, err = contracts.ParseVerify(text)
	case "cancel":
		_, err = contracts.ParseCancel(text)
	case "event":
		_, err = contracts.ParseEvent(text)
	}
	return err
}

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/examples/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "-")
		seen[name] = true
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema(t, name), text); err != nil {
			t.Errorf("%s: schema: %v", path, err)
		}
		if err := parse(name, text); err != nil {
			t.Errorf("%s: parse: %v", path, err)
		}
		if name == "event" || name == "plan" {
			roundTrip(t, path, name, text)
		}
	}
	for _, name := range []string{"create", "destroy", "verify", "cancel", "event", "plan"} {
		if !seen[name] {
			t.Errorf("there is no example of %s", name)
		}
	}
	for _, et := range contracts.EventTypes {
		if _, err := os.Stat("testdata/examples/event-" + string(et) + ".json"); err != nil {
			t.Errorf("there is no example of the event %s", et)
		}
	}
}

// roundTrip shows that the types hold every field of the example, under the same names.
func roundTrip(t *testing.T, path, name string, text []byte) {
	t.Helper()
	var value any = &contracts.Event{}
	if name == "plan" {
		value = &contracts.Plan{}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(value); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, text); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, want.Bytes()) {
		t.Errorf("%s: comes back as %s", path, again)
	}
}

// TestEveryTypeFitsItsSchema marshals values with every field set and with none.
func TestEveryTypeFitsItsSchema(t *testing.T) {
	t.Parallel()
	var event contracts.Event
	text, err := os.ReadFile("testdata/examples/event-verified.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	create := contracts.CreateRequest{
		ID: event.Data.Job, Cluster: "orders", Masters: 3, Replicas: 1, Node: contracts.NodeResources{CPUs: 0.5, MemoryMB: 1024},
	}
	now := time.Now()
	for _, c := range []struct {
		name  string
		value any
	}{
		{"create", create},
		{"create", create.WithDefaults()},
		{"destroy", contracts.DestroyRequest{ID: create.ID, Cluster: "orders"}.WithDefaults()},
		{"verify", contracts.VerifyRequest{ID: create.ID, Cluster: "orders", Repair: true}.WithDefaults()},
		{"cancel", contracts.CancelRequest{ID: create.ID, Job: create.ID}},
		{"plan", *event.Data.Plan},
		{"event", event},
		{"event", contracts.NewEvent("w", contracts.EventFailed, contracts.EventData{
			Job: create.ID, Cluster: "orders", Seq: 1, Phase: contracts.PhaseFailed, Reason: contracts.ReasonInternal, Message: "m",
			Details: &contracts.Details{
				Field: "f", Nearest: "n", Shortages: []contracts.Shortage{{}}, Tasks: []contracts.TaskFailure{{}},
				Differences: []contracts.Difference{{}}, Report: event.Data.Report,
			},
		}, now)},
		{"cluster-record", contracts.ClusterRecord{Cluster: "orders", State: contracts.ClusterCreating, Request: create}},
		{"cluster-record", contracts.ClusterRecord{
			Cluster: "orders", State: contracts.ClusterVerified, Request: create, Plan: event.Data.Plan, Report: event.Data.Report, Verified: &now,
		}},
		{"job-record", contracts.JobRecord{
			Kind: contracts.JobCreate, Phase: contracts.PhaseVerified, Request: json.RawMessage(`{}`), Outbox: []contracts.Event{event},
			Terminal: &event, Pending: &contracts.Outcome{Type: contracts.EventFailed, Reason: contracts.ReasonInternal},
			Timings: []contracts.PhaseTiming{{Phase: contracts.PhaseForming, MS: 1}},
		}},
		{"lease-record", contracts.LeaseRecord{Worker: "w", TTL: contracts.Duration(time.Second)}},
	} {
		text, err := json.Marshal(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema(t, c.name), text); err != nil {
			t.Errorf("%s: %v: %s", c.name, err, text)
		}
	}
}

// TestSchemaAgreesWithParse compares both verdicts where a schema can tell. What it cannot
// tell is named in the comment of contracts.Schemas.
func TestSchemaAgreesWithParse(t *testing.T) {
	t.Parallel()
	const id = `"id":"6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11"`
	create := func(extra string) string {
		return `{` + id + `,"cluster":"a","masters":3,"replicas":1,"node":{"cpus":0.5,"memory_mb":64}` + extra + `}`
	}
	for _, c := range []struct {
		name, text string
		good       bool
	}{
		{"create", create(``), true},
		{"create", create(`,"deadline":"1m30s"`), true},
		{"create", create(`,"deadline":"2 minutes"`), false},
		{"create", create(`,"deadline":""`), false},
		{"create", create(`,"deadline":null`), false},
		{"create", create(`,"Deadline":"2m"`), false},
		{"create", create(`,"redis":{}`), true},
		{"create", create(`,"redis":{"version":"7.2","flavor":"valkey","persistence":"rdb"}`), true},
		{"create", create(`,"redis":{"image":"registry.example:5000/redis:7.0"}`), true},
		{"create", create(`,"redis":{"image":"redis 7"}`), false},
		{"create", create(`,"redis":{"version":"7.2.1"}`), false},
		{"create", create(`,"redis":{"version":7.2}`), false},
		{"create", create(`,"redis":{"flavor":""}`), false},
		{"create", create(`,"redis":{"config":{"maxmemory-policy":"noeviction","notify-keyspace-events":""}}`), true},
		{"create", create(`,"redis":{"config":{"port":"1"}}`), false},
		{"create", create(`,"redis":{"config":{"loadmodule":"x"}}`), false},
		{"create", create(`,"redis":{"config":{"tls-cert-file":"x"}}`), false},
		{"create", create(`,"redis":{"config":{"cluster-announce-hostname":"x"}}`), false},
		{"create", create(`,"redis":{"config":{"MaxMemory":"1"}}`), false},
		{"create", create(`,"redis":{"config":{"timeout":"1\nport 2"}}`), false},
		{"create", create(`,"redis":{"config":{"timeout":"1\u2028"}}`), false},
		{"create", create(`,"redis":{"config":{"timeout":1}}`), false},
		{"create", create(`,"placement":{"fault_domain":"attribute:rack","link":"ring","fault_domain_rule":"preferred"}`), true},
		{"create", create(`,"placement":{"fault_domain":"rack"}`), false},
		{"create", create(`,"placement":{"link":"star"}`), false},
		{"create", create(`,"placement":{"role":""}`), false},
		{"create", create(`,"placement":{"max_nodes_per_host":-1}`), false},
		{"create", create(`,"placement":{"exclude_hosts":["10.0.0.1"]}`), true},
		{"create", create(`,"placement":{"exclude_hosts":"10.0.0.1"}`), false},
		{"create", create(`,"note":"x"`), false},
		{"create", strings.Replace(create(``), `"masters":3`, `"masters":2`, 1), false},
		{"create", strings.Replace(create(``), `"masters":3`, `"masters":8193`, 1), false},
		{"create", strings.Replace(create(``), `"masters":3`, `"masters":3.5`, 1), false},
		{"create", strings.Replace(create(``), `"masters":3,`, ``, 1), false},
		{"create", strings.Replace(create(``), `"cpus":0.5`, `"cpus":0`, 1), false},
		{"create", strings.Replace(create(``), `"cpus":0.5`, `"cpus":64.5`, 1), false},
		{"create", strings.Replace(create(``), `"cpus":0.5,`, ``, 1), false},
		{"create", strings.Replace(create(``), `"cluster":"a"`, `"cluster":"a_b"`, 1), false},
		{"create", strings.Replace(create(``), `6ff0c3f2-`, ``, 1), false},
		{"destroy", `{` + id + `,"cluster":"a"}`, true},
		{"destroy", `{` + id + `}`, false},
		{"destroy", `{` + id + `,"cluster":"a","repair":true}`, false},
		{"verify", `{` + id + `,"cluster":"a","repair":true,"deadline":"5s"}`, true},
		{"verify", `{` + id + `,"cluster":"a","repair":"yes"}`, false},
		{"cancel", `{` + id + `,"job":"6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b12"}`, true},
		{"cancel", `{` + id + `,"job":"a"}`, false},
		{"cancel", `[]`, false},
	} {
		bySchema, byParse := validate(t, schema(t, c.name), []byte(c.text)), parse(c.name, []byte(c.text))
		if (bySchema == nil) != c.good || (byParse == nil) != c.good {
			t.Errorf("%s %s: want accepted %v; schema: %v; parse: %v", c.name, c.text, c.good, bySchema, byParse)
		}
	}
}

func TestSchemasOfEventsAreOpen(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/examples/event-progress.json")
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Replace(text, []byte(`"data": {`), []byte(`"traceparent": "00-1", "data": { "newer": {"a": 1},`), 1)
	if bytes.Equal(newer, text) {
		t.Fatal("the example has changed its shape")
	}
	if err := validate(t, schema(t, "event"), newer); err != nil {
		t.Errorf("schema: %v", err)
	}
	if err := parse("event", newer); err != nil {
		t.Errorf("parse: %v", err)
	}
}

func TestParseEventRefuses(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/examples/event-accepted.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`"specversion": "1.0"`, `"specversion": "0.3"`},
		{`io.clustersmith.v1.`, `io.clustersmith.v2.`},
		{`"seq": 1`, `"seq": 0`},
		{`"subject": "6`, `"subject": "7`},
		{`"seq": 1`, `"seq": "1"`},
	} {
		changed := strings.Replace(string(text), c[0], c[1], 1)
		if changed == string(text) {
			t.Fatalf("the example holds no %s", c[0])
		}
		if err := parse("event", []byte(changed)); err == nil {
			t.Errorf("accepted with %s", c[1])
		}
	}
}
