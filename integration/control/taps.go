package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/nats-io/nats.go"
)

// largest keeps the largest message that it was told of, its kind, and the sum of all.
type largest struct {
	mu    sync.Mutex
	Bytes int    `json:"bytes"`
	Kind  string `json:"kind"`
	Total int64  `json:"total_bytes"`
	Count int    `json:"count"`
}

func (l *largest) note(n int, kind func() string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Total += int64(n)
	l.Count++
	if n > l.Bytes {
		l.Bytes, l.Kind = n, kind()
	}
}

// tapNATS notes every message that anybody publishes: requests, records, events, and the
// server's answers, which carry records and messages too.
func (w *world) tapNATS() (*largest, error) {
	l := &largest{}
	_, err := w.nc.Subscribe(">", func(m *nats.Msg) {
		l.note(len(m.Data), func() string { return subjectKind(m.Subject) })
	})
	return l, err
}

// subjectKind is a subject without what is particular to one job or connection.
func subjectKind(subject string) string {
	switch {
	case strings.HasPrefix(subject, "_INBOX"):
		return "an answer of the server"
	case strings.HasPrefix(subject, "$KV.clustersmith-jobs."):
		if strings.Contains(subject, ".plan.") {
			return "the stored plan"
		}
		return "the job's record"
	case strings.HasPrefix(subject, "$KV.clustersmith-clusters."):
		return "the cluster's record"
	case strings.HasPrefix(subject, "clustersmith.v1.events."):
		return "the event " + subject[strings.LastIndexByte(subject, '.')+1:]
	case strings.HasPrefix(subject, "clustersmith.v1.results."):
		return "the result"
	}
	return subject
}

// proxy stands between the workers and the Mesos master and notes the sizes of calls and events.
type proxy struct {
	url    string
	server *http.Server
	calls  largest
	events largest
}

func newProxy(master string) (*proxy, error) {
	target, err := url.Parse(master)
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{url: "http://" + l.Addr().String()}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // calls that end with their worker
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusOK {
				r.Body = &counted{body: r.Body, in: p.watch()}
			}
			return nil
		},
	}
	p.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.calls.note(len(body), func() string {
			var call scheduler.Call
			if err := call.Unmarshal(body); err != nil {
				return "unreadable"
			}
			return call.Type.String()
		})
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	})}
	go p.server.Serve(l) //nolint:errcheck // it ends with close
	return p, nil
}

func (p *proxy) close() { _ = p.server.Close() } // its connections are the workers', who are gone

// watch reads a copy of an event stream and notes its records.
func (p *proxy) watch() *io.PipeWriter {
	out, in := io.Pipe()
	go func() {
		defer out.Close()
		for r := bufio.NewReader(out); ; {
			head, err := r.ReadString('\n')
			if err != nil {
				return
			}
			size := 0
			for _, c := range strings.TrimSpace(head) {
				size = size*10 + int(c-'0')
			}
			record := make([]byte, size)
			if _, err := io.ReadFull(r, record); err != nil {
				return
			}
			p.events.note(size, func() string {
				var event scheduler.Event
				if err := event.Unmarshal(record); err != nil {
					return "unreadable"
				}
				return event.Type.String()
			})
		}
	}()
	return in
}

// counted copies what is read to a watcher.
type counted struct {
	body io.ReadCloser
	in   *io.PipeWriter
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.body.Read(b)
	if n > 0 {
		_, _ = c.in.Write(b[:n]) // a watcher that has ended misses it
	}
	return n, err
}

func (c *counted) Close() error {
	c.in.Close()
	return c.body.Close()
}
