package local

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
)

// Config says what to start. The zero value of every duration means its default, which is
// the one of Apache Mesos unless the field says otherwise.
type Config struct {
	// Listen is the master's host:port; port 0 takes a free one. Default 127.0.0.1:0.
	Listen string
	Agents []AgentConfig
	// Dir is where the agents keep the executors' sandboxes. Required.
	Dir string
	// Region and Zone are the master's fault domain. Both empty: the first agent's, since
	// agents with a domain need a master with one.
	Region, Zone string

	// AllocationInterval is the time between two rounds of offers. Default 1 s.
	AllocationInterval time.Duration
	// HeartbeatInterval is announced in SUBSCRIBED. Default 15 s.
	HeartbeatInterval time.Duration
	// UpdateRetry is when an unacknowledged status update is sent again, doubling up to
	// UpdateRetryMax. Defaults 10 s, 10 min.
	UpdateRetry, UpdateRetryMax time.Duration
	// ExecutorRegistrationTimeout is how long an executor may take to subscribe. Default 1 min.
	ExecutorRegistrationTimeout time.Duration
	// ExecutorReregistrationTimeout is how long a restarted agent waits for its executors
	// before it kills the missing ones and registers. Default 2 s.
	ExecutorReregistrationTimeout time.Duration
	// ExecutorShutdownGrace is how long an executor may take to end after SHUTDOWN, unless
	// its ExecutorInfo says otherwise. Default 5 s.
	ExecutorShutdownGrace time.Duration
	// AgentPingTimeout times AgentMaxPings is how long an agent may be silent before it is
	// unreachable. Defaults 15 s, 5.
	AgentPingTimeout time.Duration
	AgentMaxPings    int
	// AgentReregisterDelay is how long agents take to find a restarted master once it
	// serves. Default 500 ms; without ZooKeeper a real agent needs up to 75 s.
	AgentReregisterDelay time.Duration
	// MasterStart is how long a restarted master answers 404, and then again 503, before it
	// serves. Default 100 ms each.
	MasterStart time.Duration
	// Credentials, where not nil, are principals and their secrets: without one of them (HTTP
	// basic authentication) the scheduler API answers 401, as a master does with
	// --authenticate_http_frameworks and --http_framework_authenticators=basic.
	Credentials map[string]string
	// TLS, where not nil, is what the master serves HTTPS with, and nothing else. AgentTLS is the
	// same for the agents; ExecutorEnv must then tell the executors (LIBPROCESS_SSL_ENABLED …).
	TLS, AgentTLS *tls.Config
	// AuthenticateExecutors lets the agents answer 401 to executors that do not show the token that
	// they were given, and 403 to those that show another's, as --authenticate_http_executors.
	AuthenticateExecutors bool
	// ExecutorEnv is given to every executor and command, as --executor_environment_variables.
	ExecutorEnv map[string]string
	// Roles are all that frameworks may have, as --roles; empty: any.
	Roles []string
	// Limits bound what all frameworks of a role have together, as quota limits do.
	Limits map[string]Limit
	// Chaos, where not nil, lets master and agents behave as busy ones do.
	Chaos *Chaos
	chaos *chaos

	// Logger is optional; nil discards.
	Logger *slog.Logger
}

// AgentConfig is one agent.
type AgentConfig struct {
	// IP is the agent's address, and its hostname. It must be local.
	IP string
	// Port is where it listens; 0 takes a free one, which it keeps over restarts.
	Port                int
	CPUs, MemMB, DiskMB float64
	// Ports are both ends included, ascending and without overlap.
	Ports []chunkdist.PortRange
	// Reserved are resources that only one role is offered, beside those above.
	Reserved   []Reservation
	Attributes map[string]string
	// Region and Zone are the agent's fault domain; both empty: none.
	Region, Zone string
}

// Limit is a quota's limit. What it has no room for is not offered; 0 means none at all.
type Limit struct{ CPUs, MemMB float64 }

// Reservation is a reservation for a role: by the agent's --resources, or, where Principal is
// not empty, a dynamic one that a principal has made.
type Reservation struct {
	Role, Principal     string
	CPUs, MemMB, DiskMB float64
	Ports               []chunkdist.PortRange
}

// withDefaults returns a copy with every optional field filled in.
func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.AllocationInterval = cmp.Or(c.AllocationInterval, time.Second)
	c.HeartbeatInterval = cmp.Or(c.HeartbeatInterval, 15*time.Second)
	c.UpdateRetry = cmp.Or(c.UpdateRetry, 10*time.Second)
	c.UpdateRetryMax = cmp.Or(c.UpdateRetryMax, 10*time.Minute)
	c.ExecutorRegistrationTimeout = cmp.Or(c.ExecutorRegistrationTimeout, time.Minute)
	c.ExecutorReregistrationTimeout = cmp.Or(c.ExecutorReregistrationTimeout, 2*time.Second)
	c.ExecutorShutdownGrace = cmp.Or(c.ExecutorShutdownGrace, 5*time.Second)
	c.AgentPingTimeout = cmp.Or(c.AgentPingTimeout, 15*time.Second)
	c.AgentMaxPings = cmp.Or(c.AgentMaxPings, 5)
	c.AgentReregisterDelay = cmp.Or(c.AgentReregisterDelay, 500*time.Millisecond)
	c.chaos = newChaos(c.Chaos)
	c.MasterStart = cmp.Or(c.MasterStart, 100*time.Millisecond)
	for _, a := range c.Agents {
		if c.Region == "" && a.Region != "" {
			c.Region, c.Zone = a.Region, a.Zone
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	if c.Dir == "" {
		return errors.New("local: Config.Dir is required: the agents keep the sandboxes there")
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("local: Config.Listen: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || ip.To4() == nil || ip.IsUnspecified() {
		return fmt.Errorf("local: Config.Listen: %q is not an IPv4 address that others can use", host)
	}
	seen := map[string]bool{}
	for i, a := range c.Agents {
		if err := a.validate(); err != nil {
			return fmt.Errorf("local: Config.Agents[%d]: %w", i, err)
		}
		address := fmt.Sprintf("%s:%d", a.IP, a.Port)
		if a.Port != 0 && seen[address] {
			return fmt.Errorf("local: Config.Agents[%d]: two agents at %s", i, address)
		}
		seen[address] = true
	}
	return nil
}

func (a AgentConfig) validate() error {
	if ip := net.ParseIP(a.IP); ip == nil || ip.To4() == nil {
		return fmt.Errorf("IP %q is not an IPv4 address", a.IP)
	}
	if err := validPorts(a.Ports); err != nil {
		return err
	}
	if a.CPUs < 0 || a.MemMB < 0 || a.DiskMB < 0 {
		return errors.New("negative resources")
	}
	for _, r := range a.Reserved {
		if r.Role == "" || r.Role == "*" {
			return fmt.Errorf("a reservation needs a role, not %q", r.Role)
		}
		if err := validPorts(r.Ports); err != nil {
			return fmt.Errorf("reservation for %s: %w", r.Role, err)
		}
	}
	return nil
}

func validPorts(ports []chunkdist.PortRange) error {
	last := 0
	for _, p := range ports {
		if p.Begin <= last || p.End < p.Begin || p.End > 65535 {
			return fmt.Errorf("ports [%d-%d] are empty, out of order or out of range", p.Begin, p.End)
		}
		last = p.End
	}
	return nil
}
