package mesos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// streamIDHeader ties a call to the subscription that it belongs to.
const streamIDHeader = "Mesos-Stream-Id"

// maxErrorText bounds how much of an error's plain text is kept, in bytes.
const maxErrorText = 4 << 10

// send makes one request to the scheduler API below base and follows redirects to the leader.
// It gives the answer, whatever its status, and the base URL that gave it. The caller closes
// the body.
func (c *Client) send(ctx context.Context, base *url.URL, method string, body []byte, header http.Header) (*http.Response, *url.URL, error) {
	for range maxRedirects {
		request, err := http.NewRequestWithContext(ctx, method, base.JoinPath(schedulerPath).String(), bytes.NewReader(body))
		if err != nil {
			return nil, nil, fmt.Errorf("mesos: %w", err)
		}
		for key, values := range header {
			request.Header[key] = values
		}
		if c.config.Secret != "" {
			request.SetBasicAuth(c.config.Principal, c.config.Secret)
		}
		response, err := c.http.Do(request)
		if err != nil {
			return nil, nil, err // url.Error: names method, URL and cause
		}
		if response.StatusCode != http.StatusTemporaryRedirect && response.StatusCode != http.StatusPermanentRedirect {
			return response, base, nil
		}
		drain(response)
		next, err := redirected(base, response.Header.Get("Location"))
		if err != nil {
			return nil, nil, err
		}
		base = next
	}
	return nil, nil, fmt.Errorf("mesos: %s: more than %d redirects; the masters do not agree who leads", base, maxRedirects)
}

// redirected resolves where a master points: a full URL, or one without a scheme
// (//host:port/…), which keeps ours. The path is the scheduler API's whatever it says.
func redirected(base *url.URL, location string) (*url.URL, error) {
	target, err := base.Parse(location)
	switch {
	case err != nil:
		return nil, fmt.Errorf("mesos: %s redirects to %q: %w", base, location, err)
	case location == "" || target.Host == "":
		return nil, fmt.Errorf("mesos: %s redirects to nowhere (%q)", base, location)
	case target.Scheme != "http" && target.Scheme != "https":
		return nil, fmt.Errorf("mesos: %s redirects to %q, which is not HTTP", base, location)
	case base.Scheme == "https" && target.Scheme != "https":
		return nil, fmt.Errorf("mesos: %s redirects to %q: refusing to leave TLS", base, location)
	}
	return &url.URL{Scheme: target.Scheme, Host: target.Host, Path: base.Path}, nil
}

// refusal reads an answer that is not a success, and closes it.
func refusal(response *http.Response, at *url.URL) *HTTPError {
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxErrorText))
	if err != nil && len(text) == 0 {
		text = []byte(err.Error())
	}
	e := &HTTPError{URL: at.String(), Status: response.StatusCode, Text: strings.TrimSpace(string(text))}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = min(time.Duration(seconds)*time.Second, time.Minute)
	}
	return e
}

// drain lets the connection be used again.
func drain(response *http.Response) {
	_, _ = io.CopyN(io.Discard, response.Body, maxErrorText) // best effort: the answer is already known
	_ = response.Body.Close()
}
