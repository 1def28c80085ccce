package mesos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// recorded gives the events of the schedulers of every recorded scenario as JSON, by file name.
func recorded(t testing.TB) map[string][][]byte {
	t.Helper()
	files, err := filepath.Glob("local/testdata/traces/*.jsonl")
	if err != nil || len(files) < 17 {
		t.Fatalf("%d recorded scenarios, want 17 (%v)", len(files), err)
	}
	all := map[string][][]byte{}
	for _, file := range append(files, "testdata/16-large.jsonl") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
			var r struct {
				Dir, Who string
				Body     json.RawMessage
			}
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			inJSON := !bytes.HasPrefix(r.Body, []byte(`{"protobuf_hex"`))
			if r.Dir == "event" && strings.HasPrefix(r.Who, "scheduler") && inJSON {
				all[filepath.Base(file)] = append(all[filepath.Base(file)], r.Body)
			}
		}
	}
	return all
}

func readRaw(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "raw", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// framed is RecordIO of the records.
func framed(records ...[]byte) []byte {
	var out bytes.Buffer
	for _, r := range records {
		fmt.Fprintf(&out, "%d\n%s", len(r), r)
	}
	return out.Bytes()
}

func readAll(r *recordReader) (records [][]byte, err error) {
	for {
		record, err := r.next()
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
}

// A stream may be cut at every byte: whole records before the cut are read, then comes the
// right end, and every record of a stream that arrives in pieces of any size is the same.
func TestRecordsCutAnywhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"01-subscribe.recordio", "17-protobuf.recordio"} {
		stream := readRaw(t, name)
		want, err := readAll(newRecordReader(bytes.NewReader(stream), 1<<20))
		if err != io.EOF || len(want) != 3 {
			t.Fatalf("%s: %d records, %v", name, len(want), err)
		}
		ends := map[int]int{0: 0} // offset between two records → records before it
		for i := range want {
			ends[len(framed(want[:i+1]...))] = i + 1
		}
		for cut := range len(stream) + 1 {
			got, err := readAll(newRecordReader(bytes.NewReader(stream[:cut]), 1<<20))
			if n, clean := ends[cut]; clean {
				if err != io.EOF || len(got) != n {
					t.Fatalf("%s cut at %d: %d records, %v; want %d and EOF", name, cut, len(got), err, n)
				}
			} else if err != io.ErrUnexpectedEOF {
				t.Fatalf("%s cut at %d: %v, want an unexpected EOF", name, cut, err)
			}
			pieces := io.MultiReader(bytes.NewReader(stream[:cut]), bytes.NewReader(stream[cut:]))
			got, err = readAll(newRecordReader(pieces, 1<<20))
			if err != io.EOF || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s in two pieces, cut at %d: %d records, %v", name, cut, len(got), err)
			}
		}
		got, err := readAll(newRecordReader(iotest.OneByteReader(bytes.NewReader(stream)), 1<<20))
		if err != io.EOF || !reflect.DeepEqual(got, want) {
			t.Errorf("%s byte by byte: %d records, %v", name, len(got), err)
		}
	}
}

func TestRecordReaderRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"":                            io.EOF,
		"0\n":                         io.EOF, // an empty record is one
		"\n":                          errRecord,
		"x\n":                         errRecord,
		"-1\n":                        errRecord,
		" 1\na":                       errRecord,
		"1\r\na":                      errRecord,
		"23\n":                        errRecord, // above the limit of 22
		"99999999999999999999999\n":   errRecord,
		"0000000000000000000000001\n": errRecord,
		"1":                           io.ErrUnexpectedEOF,
		"22\n":                        io.ErrUnexpectedEOF,
	} {
		r := newRecordReader(strings.NewReader(in), 22)
		_, err := readAll(r)
		if !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
		if _, again := r.next(); again != err {
			t.Errorf("%q: the second error is %v, want the first again", in, again)
		}
	}
}

// Every recorded event decodes, in JSON and, carried over, in protobuf, to the same value.
func TestRecordedEventsDecode(t *testing.T) {
	t.Parallel()
	for file, events := range recorded(t) {
		for i, text := range events {
			fromJSON, err := JSON.decode(text)
			if err != nil {
				t.Fatalf("%s, event %d: %v", file, i+1, err)
			}
			if !strings.HasPrefix(string(text), `{"type":"`+fromJSON.Type.String()+`"`) {
				t.Errorf("%s, event %d: decoded as %s: %.60s", file, i+1, fromJSON.Type, text)
			}
			binary, err := fromJSON.Marshal()
			if err != nil {
				t.Fatalf("%s, event %d: %v", file, i+1, err)
			}
			fromProtobuf, err := Protobuf.decode(binary)
			if err != nil {
				t.Fatalf("%s, event %d in protobuf: %v", file, i+1, err)
			}
			if !fromJSON.Equal(fromProtobuf) {
				t.Errorf("%s, event %d: protobuf and JSON differ", file, i+1)
			}
		}
	}
}

func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]scheduler.Event_Type{
		`{"type":"NEWS","news":{"a":[1,{"b":null}]}}`: scheduler.Event_UNKNOWN,
		`{"type":"HEARTBEAT","more":true}`:            scheduler.Event_HEARTBEAT,
		`{}`:                                          scheduler.Event_UNKNOWN,
		`{"type":"RESCIND","rescind":{"offer_id":{"value":"o","x":1}}}`: scheduler.Event_RESCIND,
	} {
		e, err := JSON.decode([]byte(text))
		if err != nil || e.Type != want {
			t.Errorf("%s: %v, %v; want %s", text, e, err, want)
		}
	}
	// Field 1 = 99 (an unknown type), field 100 = 7 (an unknown field).
	e, err := Protobuf.decode([]byte{0x08, 99, 0xa0, 0x06, 7})
	if err != nil || eventOf(e) != nil {
		t.Errorf("an unknown protobuf event: %v, %v; want nothing for the consumer", e, err)
	}
	e, err = JSON.decode([]byte(`{"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"state":"TASK_NEW",` +
		`"reason":"REASON_NEW","source":"SOURCE_MASTER","uuid":"AAEC"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	status := e.GetUpdate().GetStatus()
	if status.State != nil || status.Reason != nil || status.GetSource().String() != "SOURCE_MASTER" || len(status.UUID) != 3 {
		t.Errorf("unknown enum values: got %+v; want state and reason absent, the rest kept", status)
	}
	for _, text := range []string{``, `{`, `[]`, `"x"`, `{"type":1.5}`, `{"type":"OFFERS","offers":{"offers":7}}`, "\xff"} {
		if e, err := JSON.decode([]byte(text)); err == nil && eventOf(e) != nil {
			t.Errorf("%q is taken for %v", text, e)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, events := range recorded(f) {
		f.Add(events[0])
		e, err := JSON.decode(events[len(events)-1])
		if err != nil {
			f.Fatal(err)
		}
		binary, err := e.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(binary)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, codec := range []Codec{JSON, Protobuf} {
			if e, err := codec.decode(record); err == nil {
				eventOf(e) // must not panic
			}
		}
		_, _ = readAll(newRecordReader(bytes.NewReader(record), 1<<16))
	})
}

func TestCallsCarryNoNulls(t *testing.T) {
	t.Parallel()
	call := Framework{ID: "f", Name: "n", User: "u", Role: "r", Suppressed: true}.subscribeCall("p")
	text, err := JSON.encode(call)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"framework_id":{"value":"f"},"subscribe":{"framework_info":{"capabilities":[{"type":"MULTI_ROLE"},` +
		`{"type":"PARTITION_AWARE"},{"type":"RESERVATION_REFINEMENT"},{"type":"REGION_AWARE"}],"checkpoint":true,` +
		`"failover_timeout":0,"id":{"value":"f"},"name":"n","principal":"p","roles":["r"],"user":"u"},` +
		`"suppressed_roles":["r"]},"type":"SUBSCRIBE"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
