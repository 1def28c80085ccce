package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/google/jsonschema-go/jsonschema"
)

// draft is the newest draft that AsyncAPI 3 names.
const draft = "http://json-schema.org/draft-07/schema#"

const idPrefix = "https://clustersmith.dev/schemas/v1/"

// document is one schema file.
type document struct {
	name string
	of   reflect.Type
	// closed: fields that are not there are refused. Requests are closed; what Clustersmith
	// writes is open, for v1 may gain fields.
	closed    bool
	constrain func(s *jsonschema.Schema)
}

var documents = []document{
	{"create", reflect.TypeFor[contracts.CreateRequest](), true, constrainCreate},
	{"destroy", reflect.TypeFor[contracts.DestroyRequest](), true, constrainNamed},
	{"verify", reflect.TypeFor[contracts.VerifyRequest](), true, constrainNamed},
	{"cancel", reflect.TypeFor[contracts.CancelRequest](), true, constrainCancel},
	{"event", reflect.TypeFor[contracts.Event](), false, constrainEvent},
	{"plan", reflect.TypeFor[contracts.Plan](), false, constrainPlan},
	{"cluster-record", reflect.TypeFor[contracts.ClusterRecord](), false, func(s *jsonschema.Schema) {
		constrainCreate(s.Properties["request"])
		constrainPlan(s.Properties["plan"])
	}},
	{"job-record", reflect.TypeFor[contracts.JobRecord](), false, func(*jsonschema.Schema) {}},
	{"lease-record", reflect.TypeFor[contracts.LeaseRecord](), false, func(*jsonschema.Schema) {}},
}

// known are the types whose JSON is not what their Go kind says, or that are closed lists.
var known = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[contracts.Duration]():     {Type: "string", Pattern: contracts.PatternDuration},
	reflect.TypeFor[time.Time]():              {Type: "string", Format: "date-time"},
	reflect.TypeFor[json.RawMessage]():        {},
	reflect.TypeFor[[]byte]():                 {Type: "string", ContentEncoding: "base64", ContentMediaType: "application/gzip"},
	reflect.TypeFor[contracts.EventType]():    choice(contracts.EventTypes...),
	reflect.TypeFor[contracts.Phase]():        choice(contracts.Phases...),
	reflect.TypeFor[contracts.Reason]():       choice(contracts.Reasons...),
	reflect.TypeFor[contracts.JobKind]():      choice(contracts.JobCreate, contracts.JobDestroy, contracts.JobVerify),
	reflect.TypeFor[contracts.ClusterState](): choice(contracts.ClusterCreating, contracts.ClusterVerified, contracts.ClusterDestroying),
}

func choice[T ~string](values ...T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

func (d document) build(comments map[string]string) (*jsonschema.Schema, error) {
	s, err := jsonschema.ForType(d.of, &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		return nil, err
	}
	refine(s, d.of, d.closed, comments)
	d.constrain(s)
	s.Schema = draft
	s.ID = idPrefix + d.name + ".json"
	s.Title = d.of.Name()
	s.Description = comments[d.of.Name()]
	return s, nil
}

// refine goes through s beside the type that it was made from. It describes fields, allows no
// null (what is absent is left out) and opens the objects of what is not closed.
func refine(s *jsonschema.Schema, t reflect.Type, closed bool, comments map[string]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if len(s.Types) > 0 {
		s.Types = slices.DeleteFunc(s.Types, func(name string) bool { return name == "null" })
		s.Type, s.Types = s.Types[0], nil
	}
	if known[t] != nil {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		if !closed {
			s.AdditionalProperties = nil
		}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			p := s.Properties[name]
			refine(p, f.Type, closed, comments)
			p.Description = comments[t.Name()+"."+f.Name]
		}
	case reflect.Map:
		refine(s.AdditionalProperties, t.Elem(), closed, comments)
	case reflect.Slice, reflect.Array:
		refine(s.Items, t.Elem(), closed, comments)
	}
}

// render writes a schema as indented JSON, names in the order of the Go fields.
func render(s *jsonschema.Schema) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// at finds the schema at a path such as node.cpus.
func at(s *jsonschema.Schema, path string) *jsonschema.Schema {
	for name := range strings.SplitSeq(path, ".") {
		next := s.Properties[name]
		if next == nil {
			panic(fmt.Sprintf("genschema: there is no %s in %s; there are %v", name, path, slices.Sorted(maps.Keys(s.Properties))))
		}
		s = next
	}
	return s
}
