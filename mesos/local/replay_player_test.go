package local_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// player is a recorded client: a scheduler, or an executor whose process a stub is.
type player struct {
	r       *playback
	who     string
	client  *http.Client
	streams []*feed
	// Of an executor:
	former  []*feed // streams of its earlier runs
	process *player // the player that stands for the process, where it is not this one
	env     map[string]string
	sandbox string
}

func (p *player) base() string {
	if p.process != nil {
		return p.process.base()
	}
	if endpoint := p.env["MESOS_AGENT_ENDPOINT"]; endpoint != "" {
		return "http://" + endpoint
	}
	return p.r.m.URL()
}

// started reads the environment that the stub has written.
func (p *player) started(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p.sandbox, p.env = filepath.Dir(file), map[string]string{}
	p.former, p.streams = p.all(), nil
	for _, kv := range strings.Split(string(b), "\x00") {
		name, v, _ := strings.Cut(kv, "=")
		p.env[name] = v
	}
}

// exit lets the stub end.
func (p *player) exit(status string) {
	p.hangUp()
	deadline := time.Now().Add(10 * time.Second)
	for {
		f, err := os.OpenFile(filepath.Join(p.sandbox, "status"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			_, err = f.WriteString(status + "\n")
			f.Close()
		}
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.ENXIO) || time.Now().After(deadline) { // ENXIO: the stub does not read yet
			p.r.t.Errorf("%s: %v", p.who, err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *player) all() []*feed { return slices.Concat(p.former, p.streams) }

func (p *player) open(body io.ReadCloser) {
	f := &feed{body: body, grown: make(chan struct{}), done: make(chan struct{})}
	p.streams = append(p.streams, f)
	go f.read()
}

// stream is the n-th that this player opened; 0 is the only one.
func (p *player) stream(n int) *feed {
	if n = max(n, 1); n > len(p.streams) {
		return nil
	}
	return p.streams[n-1]
}

// hangUp closes the last stream, if there is one.
func (p *player) hangUp() {
	if n := len(p.streams); n > 0 {
		p.streams[n-1].close()
	}
}

func (p *player) close() {
	for _, f := range p.all() {
		f.close()
		<-f.done
	}
	p.client.CloseIdleConnections()
}

// feed is an event stream and what came over it.
type feed struct {
	body io.ReadCloser
	done chan struct{} // closed with the stream

	mu     sync.Mutex
	grown  chan struct{} // closed when there is more
	items  []*item
	ended  string
	closed bool    // by the client
	began  float64 // in the recording
}

// item is an event, or one of its offers.
type item struct {
	at      time.Time
	kind    string // type of the event; OFFER
	body    any
	raw     string
	n       int  // its place in the stream
	matched bool // kept by the playback
}

func (f *feed) read() {
	defer close(f.done)
	for r := bufio.NewReader(f.body); ; {
		record, err := readRecord(r)
		f.mu.Lock()
		if err != nil {
			f.ended = err.Error()
		} else {
			f.items = append(f.items, itemsOf(record, len(f.items))...)
		}
		close(f.grown)
		f.grown = make(chan struct{})
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// itemsOf are the offers of an OFFERS event, or any other event. Which offers come together is chance.
func itemsOf(record []byte, n int) (items []*item) {
	var e map[string]any
	if err := json.Unmarshal(record, &e); err != nil {
		return []*item{{kind: "not JSON", raw: string(record), at: time.Now()}}
	}
	if e["type"] != "OFFERS" {
		return []*item{{kind: e["type"].(string), body: e, raw: string(record), at: time.Now(), n: n}}
	}
	for i, o := range at(e, "offers", "offers").([]any) {
		raw, _ := json.Marshal(o)
		items = append(items, &item{kind: "OFFER", body: o, raw: string(raw), at: time.Now(), n: n + i})
	}
	return items
}

// now is what has come, what is closed when there is more, and how the stream ended.
func (f *feed) now() (items []*item, grown <-chan struct{}, ended string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.items[:len(f.items):len(f.items)], f.grown, f.ended
}

func (f *feed) list() []*item {
	items, _, _ := f.now()
	return items
}

func (f *feed) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	_ = f.body.Close()
}

// end waits for the stream's end, and says whether this client made it.
func (f *feed) end(patience time.Duration) (how string, ours bool) {
	select {
	case <-f.done:
	case <-time.After(patience):
		return "nothing", false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended, f.closed
}
