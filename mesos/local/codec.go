package local

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gogo/protobuf/proto"

	"github.com/clustersmith/clustersmith/mesos/local/internal/pbjson"
)

const (
	mediaJSON     = "application/json"
	mediaProtobuf = "application/x-protobuf"
)

// httpError is an answer that is no success: plain text without a line end.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return fmt.Sprintf("%d %s", e.status, e.text) }

func httpErrorf(status int, format string, args ...any) *httpError {
	return &httpError{status: status, text: fmt.Sprintf(format, args...)}
}

func (e *httpError) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(e.status)
	// A client that is gone needs no answer.
	_, _ = io.WriteString(w, e.text)
}

// protobufMessage is what the generated types of mesos-go are.
type protobufMessage interface {
	proto.Message
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// readCall decodes the body of a POST into call and reports whether it had a type: JSON may
// spell the type UNKNOWN, which the generated types cannot tell from none.
func readCall(w http.ResponseWriter, r *http.Request, call protobufMessage) (typed bool, herr *httpError) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return false, httpErrorf(http.StatusMethodNotAllowed,
			"405 Method Not Allowed. Expecting one of { 'POST' }, but received '%s'.", r.Method)
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return false, httpErrorf(http.StatusBadRequest, "Expecting 'Content-Type' to be present")
	}
	if contentType != mediaJSON && contentType != mediaProtobuf {
		return false, httpErrorf(http.StatusUnsupportedMediaType,
			"Expecting 'Content-Type' of application/json or application/x-protobuf")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return false, httpErrorf(http.StatusBadRequest, "Failed to read the body: %v", err)
	}
	given, herr := decodeCall(contentType, body, call)
	return given["type"], herr
}

// maxBody is far above what the libprocess default lets through, and bounds memory.
const maxBody = 64 << 20

func decodeCall(contentType string, body []byte, call protobufMessage) (pbjson.Fields, *httpError) {
	if contentType == mediaProtobuf {
		if err := call.Unmarshal(body); err != nil {
			return nil, httpErrorf(http.StatusBadRequest, "Failed to parse body into Call protobuf")
		}
		return nil, nil
	}
	given, err := pbjson.Unmarshal(body, call)
	var syntax *pbjson.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, httpErrorf(http.StatusBadRequest, "Failed to parse body into JSON: %v", err)
	case err != nil:
		return nil, httpErrorf(http.StatusBadRequest, "Failed to convert JSON into Call protobuf: %v", err)
	}
	return given, nil
}

// negotiate picks the media type of the events; JSON comes first, as in Mesos.
func negotiate(r *http.Request) (string, *httpError) {
	accept := r.Header.Values("Accept")
	if len(accept) == 0 {
		return mediaJSON, nil
	}
	protobuf := false
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		switch strings.TrimSpace(media) {
		case mediaJSON, "*/*", "application/*":
			return mediaJSON, nil
		case mediaProtobuf:
			protobuf = true
		}
	}
	if !protobuf {
		return "", httpErrorf(http.StatusNotAcceptable,
			"Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")
	}
	return mediaProtobuf, nil
}

// encode writes one event in a media type.
func encode(media string, event protobufMessage) ([]byte, error) {
	if media == mediaProtobuf {
		return event.Marshal()
	}
	return pbjson.Marshal(event)
}
