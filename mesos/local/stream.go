package local

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
)

// stream is the event stream of one subscription: events go in from a loop, a handler writes
// them out as RecordIO, one record a chunk.
type stream struct {
	id    string // Mesos-Stream-Id; empty on an agent
	media string
	log   *slog.Logger
	gate  *gate
	// Of a framework's stream: the framework's name, and whether it may have had another before.
	name      string
	takesOver bool
	wire      *wire // an executor's; nil is a good one

	mu    sync.Mutex
	queue [][]byte
	state streamState
	wake  chan struct{}
}

type streamState int

const (
	streamOpen  streamState = iota
	streamEnded             // last chunk after what is queued
	streamCut               // connection closed, nothing more is sent
)

func newStream(id, media string, g *gate, log *slog.Logger) *stream {
	return &stream{id: id, media: media, gate: g, log: log, wake: make(chan struct{}, 1)}
}

// send queues an event; after end or cut it does nothing. It never blocks.
func (s *stream) send(event protobufMessage) {
	b, err := encode(s.media, event)
	if err != nil {
		s.log.Error("an event cannot be encoded", "event", fmt.Sprintf("%T", event), "error", err)
		return
	}
	record := append(strconv.AppendInt(nil, int64(len(b)), 10), '\n')
	s.mu.Lock()
	if s.state == streamOpen {
		s.queue = append(s.queue, append(record, b...))
	}
	s.mu.Unlock()
	s.signal()
}

// end lets the stream end with its last chunk.
func (s *stream) end() { s.finish(streamEnded) }

// cut closes the connection without a last chunk.
func (s *stream) cut() { s.finish(streamCut) }

func (s *stream) finish(state streamState) {
	s.mu.Lock()
	if s.state < state {
		s.state = state
	}
	s.mu.Unlock()
	s.signal()
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) take() ([][]byte, streamState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q, s.state
}

// serve writes the stream until it ends, is cut, or the client goes.
func (s *stream) serve(w http.ResponseWriter, r *http.Request) {
	if s.id != "" {
		w.Header().Set("Mesos-Stream-Id", s.id)
	}
	w.Header().Set("Content-Type", s.media)
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	for {
		if !s.gate.pass(r.Context()) {
			return
		}
		records, state := s.take()
		if state == streamCut {
			panic(http.ErrAbortHandler)
		}
		for _, b := range records {
			if !s.wire.carry(r.Context()) {
				panic(http.ErrAbortHandler)
			}
			if _, err := w.Write(b); err != nil {
				return
			}
			if err := flusher.Flush(); err != nil {
				return
			}
		}
		if state == streamEnded {
			return
		}
		if len(records) == 0 {
			if err := flusher.Flush(); err != nil {
				return
			}
		}
		select {
		case <-s.wake:
		case <-r.Context().Done():
			return
		}
	}
}
