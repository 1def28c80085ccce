package mesos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Codec is how calls and events are written on the wire.
type Codec string

// The codecs that a master speaks.
const (
	Protobuf Codec = "protobuf"
	JSON     Codec = "json"
)

// mediaType is the codec's Content-Type and Accept. A master refuses it with a charset.
func (c Codec) mediaType() string {
	if c == JSON {
		return "application/json"
	}
	return "application/x-protobuf"
}

func (c Codec) validate() error {
	if c != Protobuf && c != JSON {
		return fmt.Errorf("mesos: codec %q is neither %q nor %q", string(c), Protobuf, JSON)
	}
	return nil
}

func (c Codec) encode(call *scheduler.Call) ([]byte, error) {
	if c == Protobuf {
		return call.Marshal()
	}
	text, err := call.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return withoutNulls(text)
}

// decode reads one event. An event of a type that is not known has the type UNKNOWN or a number
// without a name; unknown fields and unknown enum values are dropped.
func (c Codec) decode(record []byte) (*scheduler.Event, error) {
	var e scheduler.Event
	if c == Protobuf {
		if err := e.Unmarshal(record); err != nil {
			return nil, fmt.Errorf("decode event: %w", err)
		}
		return &e, nil
	}
	if err := unmarshalKnown(record, &e); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	return &e, nil
}

// unmarshalKnown is json.Unmarshal into a mesos-go type that puts up with enum values which
// mesos-go does not know: they are left out. The first try is the quick one.
func unmarshalKnown(text []byte, into any) error {
	first := json.Unmarshal(text, into)
	if first == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return first
	}
	target := reflect.ValueOf(into).Elem()
	target.SetZero()
	known, err := json.Marshal(dropUnknownEnums(tree, target.Type()))
	if err != nil {
		return first
	}
	return json.Unmarshal(known, into)
}

// withoutNulls drops object members that are null: mesos-go writes them for empty maps, and
// a master may refuse them.
func withoutNulls(text []byte) ([]byte, error) {
	if !bytes.Contains(text, []byte("null")) {
		return text, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(dropNulls(tree))
}

func dropNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if member == nil {
				delete(v, key)
				continue
			}
			v[key] = dropNulls(member)
		}
	case []any:
		for i, element := range v {
			v[i] = dropNulls(element)
		}
	}
	return v
}
