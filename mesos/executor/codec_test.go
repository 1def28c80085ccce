package executor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

func TestRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stream, records string
		err             error
	}{
		{"", "", io.EOF},
		{"3\nabc", "abc", io.EOF},
		{"3\nabc0\n2\nde", "abc||de", io.EOF},
		{"3\nab", "", io.ErrUnexpectedEOF},
		{"3", "", io.EOF},
		{"x\nabc", "", errRecord},
		{"-1\nabc", "", errRecord},
		{"\nabc", "", errRecord},
		{"16777217\nabc", "", errRecord},
		{"123456789012\n", "", errRecord},
	} {
		r := bufio.NewReader(strings.NewReader(c.stream))
		var records []string
		var err error
		for {
			var b []byte
			if b, err = readRecord(r); err != nil {
				break
			}
			records = append(records, string(b))
		}
		if got := strings.Join(records, "|"); got != c.records || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v; want %q, %v", c.stream, got, err, c.records, c.err)
		}
		if whole := err == io.EOF; whole != (c.err == io.EOF && c.stream != "3") {
			t.Errorf("%q: that the stream ended between two records is said as %v", c.stream, err)
		}
	}
}

// The events that a real agent sent, in both encodings.
func TestEventsOfARealAgent(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for line := range bytes.Lines(text) {
		var fromJSON, fromProtobuf mesosexec.Event
		if err := codecs[JSON].unmarshal(line, &fromJSON); err != nil {
			t.Fatal(err)
		}
		wire, err := fromJSON.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := codecs[Protobuf].unmarshal(wire, &fromProtobuf); err != nil {
			t.Fatal(err)
		}
		if err := fromJSON.VerboseEqual(&fromProtobuf); err != nil {
			t.Error(err)
		}
		seen = append(seen, describeEvent(&fromJSON))
	}
	const want = `SUBSCRIBED executor-1, 259 bytes of data
LAUNCH t1
ACKNOWLEDGED t1, uuid of 16 bytes
MESSAGE "hello \x00\xff"
KILL t2 with a grace of 2000000000 ns
SHUTDOWN`
	if got := strings.Join(seen, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func describeEvent(e *mesosexec.Event) string {
	switch e.Type {
	case mesosexec.Event_SUBSCRIBED:
		i := e.GetSubscribed().ExecutorInfo
		return fmt.Sprintf("%s %s, %d bytes of data", e.Type, i.ExecutorID.Value, len(i.Data))
	case mesosexec.Event_LAUNCH:
		return fmt.Sprintf("%s %s", e.Type, e.GetLaunch().Task.TaskID.Value)
	case mesosexec.Event_ACKNOWLEDGED:
		return fmt.Sprintf("%s %s, uuid of %d bytes", e.Type, e.GetAcknowledged().TaskID.Value, len(e.GetAcknowledged().UUID))
	case mesosexec.Event_MESSAGE:
		return fmt.Sprintf("%s %q", e.Type, e.GetMessage().Data)
	case mesosexec.Event_KILL:
		k := e.GetKill()
		return fmt.Sprintf("%s %s with a grace of %d ns", e.Type, k.TaskID.Value, k.GetKillPolicy().GetGracePeriod().GetNanoseconds())
	}
	return e.Type.String()
}

// A Mesos agent refuses null where a list is expected.
func TestJSONCallsHoldNoNull(t *testing.T) {
	t.Parallel()
	tasks, updates := newLedger().open()
	call := &mesosexec.Call{
		Type:      mesosexec.Call_SUBSCRIBE,
		Subscribe: &mesosexec.Call_Subscribe{UnacknowledgedTasks: tasks, UnacknowledgedUpdates: updates},
	}
	text, err := codecs[JSON].marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"executor_id":{"value":""},"framework_id":{"value":""},"type":"SUBSCRIBE",` +
		`"subscribe":{"unacknowledged_tasks":[],"unacknowledged_updates":[]}}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	call.Subscribe.UnacknowledgedTasks = []mesos.TaskInfo{{Name: "t", Labels: &mesos.Labels{}}}
	if text, err = codecs[JSON].marshal(call); err != nil || bytes.Contains(text, []byte("null")) {
		t.Errorf("%v: %s", err, text)
	}
}

// What a newer agent says is put up with, in both encodings: an event of an unknown type, unknown
// fields and unknown enum values.
func TestEventsOfANewerAgent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"type":"NEWS","news":{"a":[1]}}`: "UNKNOWN",
		`{"type":"LAUNCH","launch":{"task":{"name":"t","task_id":{"value":"t1"},"agent_id":{"value":"a"},"new":1,` +
			`"check":{"type":"ORACLE"},"resources":[{"name":"cpus","type":"COMPLEX"}]}}}`: "LAUNCH t1",
	} {
		var e mesosexec.Event
		if err := codecs[JSON].unmarshal([]byte(text), &e); err != nil || describeEvent(&e) != want {
			t.Errorf("%s: %s, %v; want %s", text, describeEvent(&e), err, want)
		}
	}
	var e mesosexec.Event
	if err := codecs[Protobuf].unmarshal([]byte{0x08, 99, 0xa0, 0x06, 7}, &e); err != nil || e.Type != 99 {
		t.Errorf("an unknown protobuf event: %v, %v", e, err)
	}
	if err := codecs[JSON].unmarshal([]byte(`{"type":`), &e); err == nil {
		t.Error("half an object passes")
	}
}
