package mesos

import (
	"fmt"

	"github.com/clustersmith/clustersmith/mesos/internal/wirejson"
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
	return wirejson.Marshal(call)
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
	if err := wirejson.Unmarshal(record, &e); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	return &e, nil
}
