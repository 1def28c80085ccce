package pbjson_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/clustersmith/clustersmith/mesos/local/internal/pbjson"
)

// Every recorded event is read and written back, byte for byte.
func TestRecordedEvents(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "traces", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings (%v)", err)
	}
	events := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct {
				Dir, Who string
				Body     json.RawMessage
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			// mesos-go does not know this value, so it would be dropped.
			body := strings.ReplaceAll(string(line.Body), `,{"type":"QUOTA_V2"}`, "")
			if line.Dir != "event" || strings.Contains(body, "protobuf_hex") {
				continue
			}
			var message any = &scheduler.Event{}
			if strings.HasPrefix(line.Who, "executor") {
				message = &executor.Event{}
			}
			if _, err := pbjson.Unmarshal([]byte(body), message); err != nil {
				t.Errorf("%s: %v", body, err)
				continue
			}
			got, err := pbjson.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != body {
				i := 0
				for i < min(len(body), len(got)) && body[i] == got[i] {
					i++
				}
				t.Errorf("%s: %.80s … at byte %d:\n  recorded %.60s\n  written  %.60s", filepath.Base(name), body, i, body[i:], got[i:])
			}
			events++
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if events < 300 {
		t.Errorf("only %d events were compared", events)
	}
}

// The texts of what cannot be read are those of Mesos.
func TestErrors(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"type": "SUBSCRIBE", `:           "syntax error at line 1 near: ",
		``:                                 "syntax error at line 1 near: ",
		`{} {}`:                            "syntax error at line 1 near: ",
		`[]`:                               "Expecting a JSON object",
		`{"subscribe":{}}`:                 "Missing required fields: subscribe.framework_info",
		`{"subscribe":3}`:                  "Not expecting a JSON number for field 'subscribe'",
		`{"type":1}`:                       "Not expecting a JSON number for field 'type'",
		`{"kill":[]}`:                      "Not expecting a JSON array for field 'kill'",
		`{"kill":{"task_id":{"value":1}}}`: "Not expecting a JSON number for field 'value'",
		`{"decline":{"offer_ids":[{}]}}`:   "Missing required fields: decline.offer_ids[0].value",
		`{"acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"*"}}`:                       "Failed to base64 decode bytes field 'uuid': Invalid character '*'",
		`{"decline":{"filters":{"refuse_seconds":"long"}}}`:                                                   "Failed to parse 'long' as a JSON number for field 'refuse_seconds': syntax error at line 1 near: long",
		`{"accept":{"operations":[{"launch":{"task_infos":[{"resources":[{"name":"cpus","type":"NO"}]}]}}]}}`: "Failed to find enum for 'NO'",
	} {
		if _, err := pbjson.Unmarshal([]byte(body), &scheduler.Call{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

// What Mesos lets pass.
func TestLenient(t *testing.T) {
	t.Parallel()
	var call scheduler.Call
	given, err := pbjson.Unmarshal([]byte(`{"type":"FLY","unknown":{"x":[1]},"kill":null,"subscribe":{"framework_info":{"user":"u","name":"n",
		"checkpoint":"true","failover_timeout":"1.5","roles":"one","capabilities":[null,{"type":"NO_SUCH"}],
		"offer_filters":{"r":{"min_allocatable_resources":{}}}}}}`), &call)
	if err != nil {
		t.Fatal(err)
	}
	info := call.Subscribe.FrameworkInfo
	if given["type"] || !given["subscribe"] || !info.GetCheckpoint() || info.GetFailoverTimeout() != 1.5 || info.Roles[0] != "one" ||
		len(info.Capabilities) != 1 || len(info.OfferFilters) != 1 {
		t.Errorf("%v %+v", given, info)
	}
}

// Unset fields are left out, but for optional ones with a default.
func TestDefaults(t *testing.T) {
	t.Parallel()
	value := "run"
	got, err := pbjson.Marshal(&mesos.CommandInfo{Value: &value, URIs: []mesos.CommandInfo_URI{{Value: "a"}},
		Environment: &mesos.Environment{Variables: []mesos.Environment_Variable{{Name: "A", Value: &value}}}})
	const want = `{"uris":[{"value":"a","extract":true}],"environment":{"variables":[{"name":"A","type":"VALUE","value":"run"}]},"shell":true,"value":"run"}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v\nwant %s", got, err, want)
	}
	if _, err := pbjson.Marshal(3); err == nil {
		t.Error("a number was written as a message")
	}
}

// Whatever is read without an error can be written and read again.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"type":"DECLINE","decline":{"offer_ids":[{"value":"a"}],"filters":{"refuse_seconds":1e300}}}`))
	f.Add([]byte(`{"acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"AAAA"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var call, again scheduler.Call
		if _, err := pbjson.Unmarshal(data, &call); err != nil {
			return
		}
		b, err := pbjson.Marshal(&call)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pbjson.Unmarshal(b, &again); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	})
}
