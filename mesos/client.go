package mesos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/clustersmith/clustersmith/mesos/libprocess"
)

const schedulerPath = "/api/v1/scheduler"

// maxRedirects bounds how often one request follows masters that point at each other.
const maxRedirects = 5

// Client speaks to one Mesos cluster. It is safe for concurrent use.
type Client struct {
	config  Config
	masters []*url.URL
	http    *http.Client

	mu     sync.Mutex
	leader *url.URL // what last answered as the leader; nil when not known
	turn   int      // the master to ask next when the leader is not known
}

// NewClient checks the configuration; it does not connect.
func NewClient(config Config) (*Client, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Client{config: config}
	for _, text := range config.Masters {
		u, err := masterURL(text)
		if err != nil {
			return nil, err
		}
		c.masters = append(c.masters, u)
	}
	trust := config.TLSConfig
	if trust == nil {
		trust = libprocess.TLS()
	}
	c.http = &http.Client{
		// Redirects are followed by send, which keeps method, body and credentials.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         dialer(config.CallTimeout),
			TLSClientConfig:     trust,
			TLSHandshakeTimeout: config.CallTimeout,
			MaxIdleConnsPerHost: maxParallelCalls,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true, // Mesos compresses neither streams nor errors
		},
	}
	return c, nil
}

// dialer makes connections that are reset when they are closed. What a call that was given up has left in the
// kernel would otherwise be sent for minutes: a SUBSCRIBE that comes so late has an old failover timeout.
func dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if tcp, is := conn.(*net.TCPConn); is {
			if err := tcp.SetLinger(0); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
		}
		return conn, nil
	}
}

// Close gives idle connections back. Sessions are closed by their owners.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ping reports whether a leading master answers: nil, or why none did. It asks each master
// once, following redirects. A leader that has recovered answers a GET of the scheduler API
// with 405; the others redirect, or say 503. Where principal or secret are not the right ones it
// is an ErrUnauthorized.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.CallTimeout)
	defer cancel()
	var failed []error
	for range len(c.masters) + 1 {
		base := c.target()
		response, at, err := c.send(ctx, base, http.MethodGet, nil, nil)
		if err == nil {
			drain(response)
			if response.StatusCode == http.StatusMethodNotAllowed || response.StatusCode/100 == 2 {
				c.leads(at)
				return nil
			}
			refused := &HTTPError{URL: at.String(), Status: response.StatusCode}
			if err = refused; refused.denied() {
				err = fmt.Errorf("%w: %w", ErrUnauthorized, refused)
			}
		}
		c.missed(base)
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("mesos: no leading master answers: %w", errors.Join(failed...))
}

// target is the base URL to try next: the leader while one is known, else the next master.
func (c *Client) target() *url.URL {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader != nil {
		return c.leader
	}
	return c.masters[c.turn%len(c.masters)]
}

// leads remembers who answered as the leader.
func (c *Client) leads(base *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = base
}

// missed notes that base did not serve: the next target is the next master in turn. The
// loser of a race does not undo what a newer answer has taught.
func (c *Client) missed(base *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.leader == base:
		c.leader = nil
	case c.leader == nil && c.masters[c.turn%len(c.masters)] == base:
		c.turn++
	}
}
