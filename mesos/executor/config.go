package executor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	mesostime "github.com/mesos/mesos-go/api/v1/lib/time"
)

// Encodings of the conversation with the agent.
const (
	Protobuf = "protobuf"
	JSON     = "json"
)

// Config is what an executor needs to know before it talks to its agent.
type Config struct {
	AgentEndpoint string // host:port
	// AgentTLS, where not nil, is how the agent is spoken to; else by plain HTTP.
	AgentTLS    *tls.Config
	FrameworkID string
	ExecutorID  string
	// Sandbox is the directory that everything is written to.
	Sandbox string
	// Token, where set, authenticates the executor to the agent.
	Token string
	// ShutdownGrace is the time from SHUTDOWN until the agent kills the executor.
	ShutdownGrace time.Duration
	// Checkpoint: outlive the agent's absence, for RecoveryTimeout at most.
	Checkpoint      bool
	RecoveryTimeout time.Duration
	// BackoffMax bounds the wait between two attempts to subscribe.
	BackoffMax time.Duration
	// Encoding is Protobuf or JSON.
	Encoding string
	// Server is the path of the server's program; empty means to look for the one that the
	// cluster's flavor names.
	Server string
	// StartTimeout bounds the time from a server's start until its ports are bound;
	// BarrierTimeout the time from the first LAUNCH until GO.
	StartTimeout   time.Duration
	BarrierTimeout time.Duration
	// IdleTimeout is how long an executor without a live task stays: its resources are the
	// framework's until it ends, but the next LAUNCH may be on its way.
	IdleTimeout time.Duration
	// RestartWait is the wait before the second restart of a node; it doubles with each up to
	// RestartWaitMax.
	RestartWait, RestartWaitMax time.Duration
	// WaveSize, where not 0, makes GO release so many nodes at a time, WaveGap apart.
	WaveSize int
	WaveGap  time.Duration
}

// FromEnv reads the configuration from the environment that a Mesos agent gives to its
// executors. The error names every variable that is missing or wrong.
//
// Variables of our own, all optional: CLUSTERSMITH_REDIS_SERVER, CLUSTERSMITH_EXECUTOR_ENCODING
// (protobuf or json), CLUSTERSMITH_START_TIMEOUT, CLUSTERSMITH_BARRIER_TIMEOUT (as Go writes
// durations: 30s, 10m), CLUSTERSMITH_WAVE_SIZE (nodes), CLUSTERSMITH_WAVE_GAP.
func FromEnv(getenv func(string) string) (Config, error) {
	e := environment{getenv: getenv}
	c := Config{
		AgentEndpoint:   e.required("MESOS_AGENT_ENDPOINT"),
		FrameworkID:     e.required("MESOS_FRAMEWORK_ID"),
		ExecutorID:      e.required("MESOS_EXECUTOR_ID"),
		Sandbox:         e.sandbox(),
		Token:           getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
		ShutdownGrace:   e.mesosDuration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", 5*time.Second),
		Checkpoint:      e.flag("MESOS_CHECKPOINT"),
		RecoveryTimeout: e.mesosDuration("MESOS_RECOVERY_TIMEOUT", 15*time.Minute),
		BackoffMax:      e.mesosDuration("MESOS_SUBSCRIPTION_BACKOFF_MAX", 2*time.Second),
		Encoding:        e.oneOf("CLUSTERSMITH_EXECUTOR_ENCODING", Protobuf, JSON),
		Server:          getenv("CLUSTERSMITH_REDIS_SERVER"),
		StartTimeout:    e.duration("CLUSTERSMITH_START_TIMEOUT", 30*time.Second),
		BarrierTimeout:  e.duration("CLUSTERSMITH_BARRIER_TIMEOUT", 10*time.Minute),
		IdleTimeout:     10 * time.Second,
		RestartWait:     500 * time.Millisecond,
		RestartWaitMax:  30 * time.Second,
		WaveSize:        e.count("CLUSTERSMITH_WAVE_SIZE"),
		WaveGap:         e.duration("CLUSTERSMITH_WAVE_GAP", 100*time.Millisecond),
	}
	if _, _, err := net.SplitHostPort(c.AgentEndpoint); c.AgentEndpoint != "" && err != nil {
		e.refuse("MESOS_AGENT_ENDPOINT", "%q is not host:port", c.AgentEndpoint)
	}
	c.AgentTLS = e.agentTLS(c.AgentEndpoint)
	if err := errors.Join(e.errs...); err != nil {
		return Config{}, fmt.Errorf("executor: environment: %w", err)
	}
	return c, nil
}

// environment reads variables and collects what is wrong with them.
type environment struct {
	getenv func(string) string
	errs   []error
}

func (e *environment) refuse(name, format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

func (e *environment) required(name string) string {
	v := e.getenv(name)
	if v == "" {
		e.refuse(name, "not set; this program is started by a Mesos agent")
	}
	return v
}

// sandbox prefers MESOS_SANDBOX, which is the directory as the executor's container sees it.
func (e *environment) sandbox() string {
	name, dir := "MESOS_SANDBOX", e.getenv("MESOS_SANDBOX")
	if dir == "" {
		name, dir = "MESOS_DIRECTORY", e.getenv("MESOS_DIRECTORY")
	}
	switch {
	case dir == "":
		e.refuse("MESOS_SANDBOX", "not set, nor is MESOS_DIRECTORY")
	case !filepath.IsAbs(dir):
		e.refuse(name, "%q is not an absolute path", dir)
	}
	return dir
}

func (e *environment) flag(name string) bool {
	v := e.getenv(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		e.refuse(name, "%q is neither 0 nor 1", v)
	}
	return b
}

// mesosDuration reads 5secs, 15mins, as Mesos writes them.
func (e *environment) mesosDuration(name string, absent time.Duration) time.Duration {
	v := e.getenv(name)
	if v == "" {
		return absent
	}
	d, err := mesostime.ParseDuration(v)
	if err != nil || d < 0 {
		e.refuse(name, "%q is not a duration such as 5secs", v)
	}
	return d
}

func (e *environment) duration(name string, absent time.Duration) time.Duration {
	v := e.getenv(name)
	if v == "" {
		return absent
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		e.refuse(name, "%q is not a duration such as 30s", v)
	}
	return d
}

func (e *environment) count(name string) int {
	v := e.getenv(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		e.refuse(name, "%q is not a number", v)
	}
	return n
}

func (e *environment) oneOf(name string, words ...string) string {
	v := e.getenv(name)
	if v == "" {
		return words[0]
	}
	for _, w := range words {
		if v == w {
			return v
		}
	}
	e.refuse(name, "%q is none of %q", v, words)
	return ""
}
