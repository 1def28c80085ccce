package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

func defaultName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), uuid.NewString()[:8])
}

// AtNATS says at which servers err came about, without the secrets in their URLs.
func AtNATS(urls string, err error) error {
	var bad *url.Error
	if errors.As(err, &bad) {
		err = bad.Err // the rest of it is the URL
	}
	return fmt.Errorf("NATS at %s: %w", withoutSecrets(urls), err)
}

// withoutSecrets is a comma-separated list of URLs without the users, passwords and tokens in them.
func withoutSecrets(urls string) string {
	list := strings.Split(urls, ",")
	for i, text := range list {
		scheme, rest, there := strings.Cut(text, "://")
		if !there {
			scheme, rest = "nats", text
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			list[i] = scheme + "://xxxxx" + rest[at:]
		}
	}
	return strings.Join(list, ",")
}

// Connect opens a connection as a worker does.
func Connect(cfg Config, log *slog.Logger) (*nats.Conn, error) { return connect(cfg, log, func() {}) }

// connect opens a worker's connection to NATS. It never gives up reconnecting, and it buffers
// nothing while it is disconnected: an ack that goes out minutes late would act on a delivery
// that another worker holds by then.
func connect(cfg Config, log *slog.Logger, reconnected func()) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("clustersmith worker " + cfg.Name),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be rotated on one side first
		nats.ReconnectBufSize(-1),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			d := min(100*time.Millisecond<<min(attempts, 5), 2*time.Second)
			return d/2 + rand.N(d/2)
		}),
		nats.Timeout(5 * time.Second),
		// A server whose host has died says nothing: it is given up after three of these, not after six minutes.
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			reconnected()
			log.Info("NATS connection is back", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("NATS error", "subject", subject, "error", err)
		}),
	}
	if cfg.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(cfg.NATSCreds))
	}
	if cfg.NATSCA != "" {
		opts = append(opts, nats.RootCAs(cfg.NATSCA))
	}
	nc, err := nats.Connect(cfg.NATSURL, opts...)
	if err != nil {
		return nil, fmt.Errorf("worker: connect to %w (see %[2]sNATS_URL, %[2]sNATS_CREDS and %[2]sNATS_CA)", AtNATS(cfg.NATSURL, err), EnvPrefix)
	}
	return nc, nil
}
