package bundle

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of what Encode writes and Decode reads, in bytes: 40,960 nodes, the most that a
// request can ask for, stay far below both.
const (
	MaxEncoded = 4 << 20
	MaxDecoded = 16 << 20
	// MaxReplicas bounds the replicas of a master.
	MaxReplicas = 16
)

// Decode reads what Encode wrote, deriving node IDs, roles, epochs and slots. It refuses
// input that is too large, cut short, followed by something else, of another version or not
// a possible plan, and never allocates more than the bounds above allow.
func Decode(data []byte) (Bundle, error) {
	if len(data) > MaxEncoded {
		return Bundle{}, fmt.Errorf("bundle: decode: %d bytes, at most %d are allowed", len(data), MaxEncoded)
	}
	text, err := gunzip(data)
	if err != nil {
		return Bundle{}, fmt.Errorf("bundle: decode: %w", err)
	}
	return decodeText(text)
}

// decodeText reads the JSON inside.
func decodeText(text []byte) (Bundle, error) {
	var w wire
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a host must not run a cluster by half of what it was told
	if err := d.Decode(&w); err != nil {
		return Bundle{}, fmt.Errorf("bundle: decode: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Bundle{}, errors.New("bundle: decode: something follows the JSON object")
	}
	b, err := w.bundle()
	if err != nil {
		return Bundle{}, fmt.Errorf("bundle: decode: %w", err)
	}
	return b, nil
}

func gunzip(data []byte) ([]byte, error) {
	in := bytes.NewReader(data)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("not a bundle: %w", err)
	}
	z.Multistream(false)
	text, err := io.ReadAll(io.LimitReader(z, MaxDecoded+1))
	if err != nil {
		return nil, fmt.Errorf("damaged or cut short: %w", err)
	}
	if len(text) > MaxDecoded {
		return nil, fmt.Errorf("more than %d bytes after decompression", MaxDecoded)
	}
	if in.Len() > 0 {
		return nil, fmt.Errorf("%d bytes follow the bundle", in.Len())
	}
	return text, nil
}
