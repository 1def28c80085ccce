package contracts_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/contracts"
	"github.com/clustersmith/clustersmith/nodesconf"
)

var update = flag.Bool("update", false, "write testdata/v1.txt again; v1 may only gain lines")

// TestV1KeepsItsNames pins what others have written down: every field's name, type and whether
// it is optional, every subject, stream, bucket, and every word of the closed lists.
func TestV1KeepsItsNames(t *testing.T) {
	t.Parallel()
	const path = "testdata/v1.txt"
	var lines []string
	for _, t := range []reflect.Type{
		reflect.TypeFor[contracts.CreateRequest](), reflect.TypeFor[contracts.DestroyRequest](),
		reflect.TypeFor[contracts.VerifyRequest](), reflect.TypeFor[contracts.CancelRequest](),
		reflect.TypeFor[contracts.Event](), reflect.TypeFor[contracts.ClusterRecord](),
		reflect.TypeFor[contracts.JobRecord](), reflect.TypeFor[contracts.LeaseRecord](),
	} {
		lines = appendFields(lines, t)
	}
	for _, name := range []string{
		contracts.SubjectCreate, contracts.SubjectDestroy, contracts.SubjectVerify, contracts.SubjectCancel,
		contracts.EventSubject("CLUSTER", "JOB", "TYPE"), contracts.ResultSubject("JOB"), contracts.DeadSubject("KIND"),
		contracts.StreamJobs, contracts.StreamEvents, contracts.StreamResults, contracts.StreamDead, contracts.StreamAdvisories,
		contracts.BucketClusters, contracts.BucketJobs, contracts.BucketLeases,
		contracts.JobCancelKey("JOB"), contracts.JobPlanKey("JOB", 1, 2), contracts.LeaseKey("ROLE/*"),
		contracts.TypePrefix, contracts.ContentType, contracts.DataContentType,
	} {
		lines = append(lines, "name "+name)
	}
	for _, v := range contracts.EventTypes {
		lines = append(lines, "event "+string(v))
	}
	for _, v := range contracts.Phases {
		lines = append(lines, "phase "+string(v))
	}
	for _, v := range contracts.Reasons {
		lines = append(lines, "reason "+string(v))
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pinned := strings.Split(strings.TrimSpace(string(want)), "\n")
	for _, line := range pinned {
		if !slices.Contains(lines, line) {
			t.Errorf("v1 has lost %q: others rely on it", line)
		}
	}
	for _, line := range lines {
		if !slices.Contains(pinned, line) {
			t.Errorf("v1 has gained %q; if it is optional, run the test with -update", line)
		}
	}
}

// appendFields appends the fields of t and of every type that it holds, each type once.
func appendFields(lines []string, t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return appendFields(lines, t.Elem())
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return lines
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		need := "required"
		if options != "" {
			need = "optional"
		}
		kind := strings.ReplaceAll(strings.TrimPrefix(f.Type.String(), "*"), "contracts.", "")
		line := fmt.Sprintf("field %s.%s %s %s", t.Name(), name, kind, need)
		if slices.Contains(lines, line) {
			return lines // this type is there already
		}
		lines = append(lines, line)
	}
	for i := range t.NumField() {
		lines = appendFields(lines, t.Field(i).Type)
	}
	return lines
}

// TestConfigRulesAreTheRenderers: what a request may hold and what the renderer takes is one list,
// kept in two places because this package imports nothing.
func TestConfigRulesAreTheRenderers(t *testing.T) {
	t.Parallel()
	if got, want := contracts.DeniedKeys(), nodesconf.DeniedKeys(); !slices.Equal(got, want) {
		t.Errorf("contracts refuses %v\nnodesconf refuses %v", got, want)
	}
	for _, config := range []map[string]string{
		{"timeout": "0"}, {"notify-keyspace-events": ""}, {"timeout": "1\n"}, {"timeout": strings.Repeat("a", 1024)},
		{"timeout": strings.Repeat("a", 1025)}, {"Timeout": "1"}, {"-x": "1"}, {"": "1"}, {strings.Repeat("a", 65): "1"},
		{"cluster-replica-validity-factor": "0"}, {"cluster-replica-validity-factor": "10"},
		{"client-output-buffer-limit": "normal 0 0"}, {"client-output-buffer-limit": "normal 0 0 0"},
		{"client-output-buffer-limit": "0 0 0 0"}, {"client-output-buffer-limit": "normal 0 0 0 Replica 256mb 64MB 60"},
		{"client-output-buffer-limit": "normal 0 0 0replica 1 1 1"}, {"client-output-buffer-limit": "master 0 0 0"},
	} {
		r := contracts.CreateRequest{
			ID: "6ff0c3f2-8f0c-4b9c-9a64-0a4d8f1f7b11", Cluster: "a", Masters: 3, Node: contracts.NodeResources{CPUs: 1, MemoryMB: 64},
			Redis: contracts.RedisOptions{Config: config},
		}.WithDefaults()
		if request, renderer := r.Validate(), nodesconf.CheckConfig(config); (request == nil) != (renderer == nil) {
			t.Errorf("%.80q: request: %v; renderer: %v", config, request, renderer)
		}
	}
}
