package executor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	mesosexec "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// callTimeout bounds one call, and for SUBSCRIBE the wait for the head of the answer.
const callTimeout = 10 * time.Second

// agent is the Mesos agent as its executors see it: one URL that takes calls and answers
// SUBSCRIBE with a stream of events. It may be used by several goroutines.
type agent struct {
	url   string
	token string
	codec codec
	http  *http.Client
}

func newAgent(c Config) *agent {
	transport := &http.Transport{
		MaxIdleConnsPerHost: senders,
		// Below the agent's own patience, so that a call seldom meets a closing connection.
		IdleConnTimeout:    5 * time.Second,
		DisableCompression: true,
		TLSClientConfig:    c.AgentTLS,
	}
	scheme := "http"
	if c.AgentTLS != nil {
		scheme = "https"
	}
	return &agent{
		url:   scheme + "://" + c.AgentEndpoint + "/api/v1/executor",
		token: c.Token,
		codec: codecs[c.Encoding],
		http:  &http.Client{Transport: transport},
	}
}

func (a *agent) close() { a.http.CloseIdleConnections() }

// refusal is an answer of the agent's that is not the expected one.
type refusal struct {
	call   mesosexec.Call_Type
	status int
	text   string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("%s: the agent answers %d %s", e.call, e.status, e.text)
}

// final reports whether the same call will be refused again: the agent understood it and says
// no. An agent that restarts answers 404 and 503, and 403 until the executor is subscribed.
func (e *refusal) final() bool { return e.status == http.StatusBadRequest }

// denied reports whether a SUBSCRIBE was refused because of the executor's token.
func (e *refusal) denied() bool {
	return e.status == http.StatusUnauthorized || e.status == http.StatusForbidden
}

// send sends one call other than SUBSCRIBE. nil means that the agent has it.
func (a *agent) send(ctx context.Context, call *mesosexec.Call) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := a.post(ctx, call)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return refused(call, resp)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// subscribe opens an event stream, which lives until ctx ends.
func (a *agent) subscribe(ctx context.Context, call *mesosexec.Call) (*stream, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	patience := time.AfterFunc(callTimeout, func() {
		cancel(fmt.Errorf("no answer within %s", callTimeout))
	})
	resp, err := a.post(ctx, call)
	if !patience.Stop() && err == nil {
		err = context.Cause(ctx)
		resp.Body.Close()
	}
	if err != nil {
		if a.untold(ctx, err) {
			err = &untoldTLS{err}
		}
		cancel(nil)
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer cancel(nil)
		defer resp.Body.Close()
		return nil, refused(call, resp)
	}
	return &stream{body: resp.Body, records: bufio.NewReader(resp.Body), codec: a.codec, cancel: cancel}, nil
}

func (a *agent) post(ctx context.Context, call *mesosexec.Call) (*http.Response, error) {
	body, err := a.codec.marshal(call)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call.Type, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call.Type, err)
	}
	req.Header.Set("Content-Type", a.codec.mediaType)
	req.Header.Set("Accept", a.codec.mediaType)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call.Type, err)
	}
	return resp, nil
}

func refused(call *mesosexec.Call, resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // the status says enough without it
	return &refusal{call: call.Type, status: resp.StatusCode, text: strings.TrimSpace(string(text))}
}

// stream is one subscription. After an error of next it is dead for good.
type stream struct {
	body    io.ReadCloser
	records *bufio.Reader
	codec   codec
	cancel  context.CancelCauseFunc
}

// next waits for the next event.
func (s *stream) next() (*mesosexec.Event, error) {
	record, err := readRecord(s.records)
	if err != nil {
		return nil, err
	}
	e := new(mesosexec.Event)
	if err := s.codec.unmarshal(record, e); err != nil {
		return nil, fmt.Errorf("event of %d bytes: %w", len(record), err)
	}
	return e, nil
}

func (s *stream) close() {
	s.cancel(nil)
	s.body.Close()
}
