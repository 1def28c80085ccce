package mesos

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Config says where the masters are and how to speak to them. Only Masters is required.
type Config struct {
	// Masters are base URLs (http://10.0.0.1:5050). They are tried in turn; the leader that
	// one of them redirects to is followed and remembered.
	Masters []string
	// Principal and Secret are sent as HTTP basic authentication where Secret is not empty.
	// Principal is also the framework's principal.
	Principal, Secret string
	// TLSConfig is used for https masters; nil means the system's roots and the suites of libprocess.TLS.
	TLSConfig *tls.Config
	// Codec is Protobuf (default) or JSON.
	Codec Codec
	// SubscribeTimeout bounds one attempt from dialing to SUBSCRIBED. Default 10s.
	SubscribeTimeout time.Duration
	// CallTimeout bounds one attempt at any other call. Default 10s.
	CallTimeout time.Duration
	// MissedHeartbeats is how many heartbeat intervals of silence end a subscription.
	// Default 3 (45s at Mesos' default interval of 15s).
	MissedHeartbeats int
	// BackoffMin and BackoffMax bound the wait between two attempts. Default 100ms and 5s.
	BackoffMin, BackoffMax time.Duration
	// MaxRecord is the largest event, in bytes, that is read. Default 64 MiB.
	MaxRecord int
	// OnReconnect, if not nil, is called when a lost subscription was made again.
	OnReconnect func()
	// Logger gets reconnects and what was unexpected; nil discards.
	Logger *slog.Logger
}

// withDefaults is a copy of c without zero values.
func (c Config) withDefaults() Config {
	c.Codec = cmp.Or(c.Codec, Protobuf)
	c.SubscribeTimeout = cmp.Or(c.SubscribeTimeout, 10*time.Second)
	c.CallTimeout = cmp.Or(c.CallTimeout, 10*time.Second)
	c.MissedHeartbeats = cmp.Or(c.MissedHeartbeats, 3)
	c.BackoffMin = cmp.Or(c.BackoffMin, 100*time.Millisecond)
	c.BackoffMax = cmp.Or(c.BackoffMax, 5*time.Second)
	c.MaxRecord = cmp.Or(c.MaxRecord, 64<<20)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case len(c.Masters) == 0:
		return errors.New("mesos: Masters is empty: at least one master's URL is needed")
	case c.SubscribeTimeout < 0 || c.CallTimeout < 0 || c.MissedHeartbeats < 0 || c.MaxRecord < 0:
		return errors.New("mesos: SubscribeTimeout, CallTimeout, MissedHeartbeats and MaxRecord must not be negative")
	case c.BackoffMin < 0 || c.BackoffMax < c.BackoffMin:
		return fmt.Errorf("mesos: BackoffMin %s and BackoffMax %s are not in order", c.BackoffMin, c.BackoffMax)
	case c.Secret != "" && c.Principal == "":
		return errors.New("mesos: a Secret needs a Principal")
	}
	return c.Codec.validate()
}

// masterURL reads a master's base URL; host:port alone means http.
func masterURL(text string) (*url.URL, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, fmt.Errorf("mesos: master %q: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("mesos: master %q is not a URL like http://10.0.0.1:5050", text)
	}
	u.User = nil // credentials belong into Principal and Secret
	return u, nil
}
