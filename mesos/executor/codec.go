package executor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/clustersmith/clustersmith/mesos/internal/wirejson"
	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// maxRecord bounds one event, in bytes: a bundle may have 4 MiB, in JSON a third more, and
// SUBSCRIBED carries it once.
const maxRecord = 16 << 20

var errRecord = errors.New("RecordIO")

// codec is how calls and events are written: the media type and the two directions.
type codec struct {
	mediaType string
	marshal   func(*mesosexec.Call) ([]byte, error)
	unmarshal func([]byte, *mesosexec.Event) error
}

var codecs = map[string]codec{
	Protobuf: {
		mediaType: "application/x-protobuf",
		marshal:   func(c *mesosexec.Call) ([]byte, error) { return c.Marshal() },
		unmarshal: func(b []byte, e *mesosexec.Event) error { return e.Unmarshal(b) },
	},
	JSON: {
		mediaType: "application/json",
		marshal:   func(c *mesosexec.Call) ([]byte, error) { return wirejson.Marshal(c) },
		unmarshal: func(b []byte, e *mesosexec.Event) error { return wirejson.Unmarshal(b, e) },
	},
}

// readRecord reads one RecordIO record: "<decimal length>\n" and as many bytes. io.EOF means
// that the stream ended between two records.
func readRecord(r *bufio.Reader) ([]byte, error) {
	size, err := readSize(r)
	if err != nil {
		return nil, err
	}
	record := make([]byte, size)
	if _, err := io.ReadFull(r, record); err != nil {
		return nil, fmt.Errorf("%w: record of %d bytes: %w", errRecord, size, io.ErrUnexpectedEOF)
	}
	return record, nil
}

func readSize(r *bufio.Reader) (int, error) {
	const digits = 8 // enough for maxRecord
	text := make([]byte, 0, digits)
	for {
		c, err := r.ReadByte()
		if err == io.EOF && len(text) == 0 {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fmt.Errorf("%w: size: %w", errRecord, err)
		}
		if c == '\n' {
			break
		}
		if text = append(text, c); len(text) > digits {
			return 0, fmt.Errorf("%w: size %q… is too long", errRecord, text)
		}
	}
	size, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || size > maxRecord {
		return 0, fmt.Errorf("%w: size %q is not a number up to %d", errRecord, text, maxRecord)
	}
	return int(size), nil
}
