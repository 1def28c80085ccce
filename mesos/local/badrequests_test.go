package local_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Scenario 02: every recorded call gets the recorded answer.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	cfg := quick(t, "127.0.0.2", "127.0.0.3")
	m := start(t, cfg)
	r := &replay{t: t, master: m.URL(), agent: "http://" + agentAddress(m, "127.0.0.2"), streams: map[string]string{},
		client: &http.Client{Transport: &http.Transport{}}, open: map[string]*http.Response{}}
	defer r.client.CloseIdleConnections()
	r.learn()
	lines := trace(t, "02")
	for i, line := range lines {
		switch {
		case line.Dir == "note":
			r.title = string(line.Body)
			if strings.Contains(r.title, "client closes its event connection") {
				r.close(line.Who)
			}
		case line.Dir == "call":
			r.call(line, next(lines[i+1:], line.Who))
		}
	}
}

func next(lines []recorded, who string) recorded {
	for _, l := range lines {
		if l.Dir == "response" && l.Who == who {
			return l
		}
	}
	return recorded{}
}

type replay struct {
	t             *testing.T
	master, agent string
	title         string
	id            string            // of the master here
	recordedID    string            // of the recorded master
	streams       map[string]string // recorded stream ID → ours
	open          map[string]*http.Response
	client        *http.Client
}

func (r *replay) learn() {
	r.id = at(getState(r.t, r.master), "id").(string)
	const before = `master_info\":{\"id\":\"`
	for _, line := range trace(r.t, "02") {
		if i := strings.Index(string(line.Body), before); i >= 0 {
			r.recordedID = string(line.Body)[i+len(before):][:36]
			return
		}
	}
	r.t.Fatal("the recording names no master")
}

// ours translates recorded identifiers; both masters count alike.
func (r *replay) ours(s string) string {
	for from, to := range r.streams {
		s = strings.ReplaceAll(s, from, to)
	}
	return strings.ReplaceAll(s, r.recordedID, r.id)
}

// Recorded answers that are different here on purpose (see the package's table).
var otherwise = map[string]bool{
	`"unknown path"`:              true, // no operator API
	`"scheduler API on an agent"`: true, // no agent API
}

func (r *replay) call(call, want recorded) {
	if otherwise[r.title] {
		return
	}
	base := r.master
	if strings.HasPrefix(call.Who, "executor") {
		base = r.agent
	}
	req, err := http.NewRequest(call.HTTP.Method, base+call.HTTP.Path, strings.NewReader(r.ours(r.body(call))))
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range call.HTTP.Headers {
		req.Header.Set(k, r.ours(v))
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.check(call, want, resp)
}

func (r *replay) body(call recorded) string {
	var text string
	switch {
	case string(call.Body) == "null":
		return ""
	case r.title != `"JSON string"` && json.Unmarshal(call.Body, &text) == nil:
		return text
	}
	return string(call.Body)
}

func (r *replay) check(call, want recorded, resp *http.Response) {
	t := r.t
	if resp.StatusCode != want.HTTP.Status {
		b, _ := io.ReadAll(resp.Body)
		t.Errorf("%s: answered %d %s, recorded %d %s", r.title, resp.StatusCode, b, want.HTTP.Status, want.Body)
		resp.Body.Close()
		return
	}
	for _, name := range []string{"Content-Type", "Allow"} {
		if got := resp.Header.Get(name); got != want.HTTP.Headers[name] {
			t.Errorf("%s: header %s is %q, recorded %q", r.title, name, got, want.HTTP.Headers[name])
		}
	}
	recordedStream := want.HTTP.Headers["Mesos-Stream-Id"]
	if got := resp.Header.Get("Mesos-Stream-Id"); (got == "") != (recordedStream == "") {
		t.Errorf("%s: Mesos-Stream-Id %q, recorded %q", r.title, got, recordedStream)
	} else if got != "" {
		r.streams[recordedStream] = got
	}
	var text string
	if err := json.Unmarshal(want.Body, &text); err != nil {
		t.Fatalf("%s: recorded body %s: %v", r.title, want.Body, err)
	}
	if resp.StatusCode == http.StatusOK {
		r.checkStream(call, text, resp)
		return
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); got != r.ours(text) {
		t.Errorf("%s: answered %q, recorded %q", r.title, got, r.ours(text))
	}
	if want.HTTP.Status == http.StatusAccepted && resp.ContentLength != 0 {
		t.Errorf("%s: 202 with Content-Length %d", r.title, resp.ContentLength)
	}
}

// checkStream compares the first record; streams that the recorded client kept stay open.
func (r *replay) checkStream(call recorded, text string, resp *http.Response) {
	timer := time.AfterFunc(5*time.Second, func() { resp.Body.Close() })
	defer timer.Stop()
	body := bufio.NewReader(resp.Body)
	got, err := readRecord(body)
	if err != nil {
		r.t.Errorf("%s: no first record: %v", r.title, err)
		return
	}
	if text == "" {
		r.open[call.Who] = resp
		r.t.Cleanup(func() { resp.Body.Close() })
		return
	}
	defer resp.Body.Close()
	i := strings.Index(text, "\n{")
	want := text[i+1:]
	if j := strings.Index(want, "\r\n"); j >= 0 {
		want = want[:j]
	}
	if g, w := normalText(string(got)), normalText(want); !strings.HasPrefix(g, w) {
		r.t.Errorf("%s: first record\n  %s\nrecorded\n  %s", r.title, g, w)
	}
	if strings.HasSuffix(text, "0\r\n\r\n") {
		if _, err := body.ReadByte(); err != io.EOF {
			r.t.Errorf("%s: the stream goes on after the ERROR (%v)", r.title, err)
		}
	}
}

// close drops a kept stream and waits until the master knows.
func (r *replay) close(who string) {
	resp := r.open[who]
	if resp == nil {
		return
	}
	resp.Body.Close()
	eventually(r.t, "the framework is disconnected", func() bool {
		for _, f := range at(getState(r.t, r.master), "frameworks").([]any) {
			if at(f, "name") == "third" {
				return at(f, "connected") == false
			}
		}
		return false
	})
}
