package worker

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/clustersmith/clustersmith/mesos/libprocess"
)

// Config is a worker's configuration. Every field has its environment variable; WithDefaults
// fills what is zero, Validate refuses what cannot work. The tag desc is the text of the table in the README.
type Config struct {
	NATSURL   string `env:"NATS_URL" default:"nats://127.0.0.1:4222" desc:"NATS servers, comma-separated"`
	NATSCreds string `env:"NATS_CREDS" desc:"file with NATS user credentials (JWT and seed)"`
	NATSCA    string `env:"NATS_CA" desc:"file with the CA certificates that NATS servers are checked against"`

	Masters       []string `env:"MESOS_MASTERS" default:"http://127.0.0.1:5050" desc:"base URLs of the Mesos masters, comma-separated; the leader is followed"`
	MesosUser     string   `env:"MESOS_USER" desc:"user that the tasks run as; default is the worker's own user"`
	Principal     string   `env:"MESOS_PRINCIPAL" desc:"principal for Mesos (HTTP basic authentication)"`
	Secret        string   `env:"MESOS_SECRET" desc:"secret of the principal"`
	SecretFile    string   `env:"MESOS_SECRET_FILE" desc:"file with the secret, instead of MESOS_SECRET"`
	MesosCA       string   `env:"MESOS_CA" desc:"file with the CA certificates that https masters are checked against"`
	MesosCodec    string   `env:"MESOS_CODEC" default:"protobuf" desc:"protobuf or json: how workers speak to the master and executors to their agents"`
	Executor      string   `env:"EXECUTOR" default:"/usr/local/bin/clustersmith-executor" desc:"clustersmith-executor on the agents: an absolute path there, or an http(s) URI that agents fetch; a SHA-256 in its name is checked"`
	ExecutorCPUs  float64  `env:"EXECUTOR_CPUS" default:"0.1" desc:"cores that an executor takes on every host beside its nodes"`
	ExecutorMemMB int      `env:"EXECUTOR_MEMORY_MB" default:"64" desc:"memory (MiB) that an executor takes on every host beside its nodes"`
	RedisServer   string   `env:"REDIS_SERVER" desc:"path of redis-server on the agents; default: looked up there"`

	Name        string `env:"WORKER" desc:"the worker's name in events and records; default host name, process ID and a random suffix"`
	Concurrency int    `env:"CONCURRENCY" default:"4" desc:"jobs at a time"`
	MaxAttempts int    `env:"MAX_ATTEMPTS" default:"3" desc:"attempts to launch a cluster, while its deadline allows"`
	MaxCrashes  int    `env:"MAX_CRASHES" default:"3" desc:"a job that has ended this many workers is dead-lettered"`

	AckWait         time.Duration `env:"ACK_WAIT" default:"15s" desc:"silence of a worker after which its job goes to another; used when the consumer is created"`
	LeaseTTL        time.Duration `env:"LEASE_TTL" default:"5s" desc:"silence of a holder after which the Mesos subscription lease can be taken"`
	OfferWait       time.Duration `env:"OFFER_WAIT" default:"1500ms" desc:"how long to wait for more offers before a job is handed back for want of resources"`
	Patience        time.Duration `env:"PATIENCE" default:"30s" desc:"a create that has waited so long for resources goes first in its Mesos role: newer ones hold back for up to four times as long; negative is off"`
	LaunchTimeout   time.Duration `env:"LAUNCH_TIMEOUT" default:"60s" desc:"time for all nodes of an attempt to be bound, and again to answer"`
	CreateFailover  time.Duration `env:"CREATE_FAILOVER_TIMEOUT" default:"60s" desc:"Mesos failover timeout of a cluster that is not verified yet"`
	ClusterFailover time.Duration `env:"CLUSTER_FAILOVER_TIMEOUT" default:"87600h" desc:"Mesos failover timeout of a verified cluster"`
	DrainGrace      time.Duration `env:"DRAIN_GRACE" default:"30s" desc:"time for running jobs to end after SIGTERM; then they are handed to other workers"`
	StallTimeout    time.Duration `env:"STALL_TIMEOUT" default:"90s" desc:"a job without any progress for so long is given up to another worker"`

	Replicas  int    `env:"STREAM_REPLICAS" default:"1" desc:"replicas of streams and buckets, when they are created"`
	HTTPAddr  string `env:"HTTP_ADDR" desc:"host:port of /metrics, /livez and /readyz; empty is off"`
	LogLevel  string `env:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	LogFormat string `env:"LOG_FORMAT" default:"text" desc:"text or json"`
}

//go:generate go run ../internal/house/envtable

// EnvPrefix is what every environment variable begins with.
const EnvPrefix = "CLUSTERSMITH_"

// ConfigFromEnv reads the configuration from the environment.
func ConfigFromEnv() (Config, error) {
	var c Config
	err := env.ParseWithOptions(&c, env.Options{Prefix: EnvPrefix, DefaultValueTagName: "default"})
	if err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	c = c.WithDefaults()
	return c, c.Validate()
}

// WithDefaults returns a copy in which every zero field has its default.
func (c Config) WithDefaults() Config {
	var d Config
	if err := env.ParseWithOptions(&d, env.Options{Environment: map[string]string{}, DefaultValueTagName: "default"}); err != nil {
		panic("worker: a default in Config does not parse: " + err.Error())
	}
	c.NATSURL = cmp.Or(c.NATSURL, d.NATSURL)
	if len(c.Masters) == 0 {
		c.Masters = d.Masters
	}
	c.MesosCodec = cmp.Or(c.MesosCodec, d.MesosCodec)
	c.Executor = cmp.Or(c.Executor, d.Executor)
	c.ExecutorCPUs = cmp.Or(c.ExecutorCPUs, d.ExecutorCPUs)
	c.ExecutorMemMB = cmp.Or(c.ExecutorMemMB, d.ExecutorMemMB)
	c.Name = cmp.Or(c.Name, defaultName())
	c.Concurrency = cmp.Or(c.Concurrency, d.Concurrency)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, d.MaxAttempts)
	c.MaxCrashes = cmp.Or(c.MaxCrashes, d.MaxCrashes)
	c.AckWait = cmp.Or(c.AckWait, d.AckWait)
	c.LeaseTTL = cmp.Or(c.LeaseTTL, d.LeaseTTL)
	c.OfferWait = cmp.Or(c.OfferWait, d.OfferWait)
	c.Patience = cmp.Or(c.Patience, d.Patience)
	c.LaunchTimeout = cmp.Or(c.LaunchTimeout, d.LaunchTimeout)
	c.CreateFailover = cmp.Or(c.CreateFailover, d.CreateFailover)
	c.ClusterFailover = cmp.Or(c.ClusterFailover, d.ClusterFailover)
	c.DrainGrace = cmp.Or(c.DrainGrace, d.DrainGrace)
	c.StallTimeout = cmp.Or(c.StallTimeout, d.StallTimeout)
	c.Replicas = cmp.Or(c.Replicas, d.Replicas)
	c.LogLevel = cmp.Or(c.LogLevel, d.LogLevel)
	c.LogFormat = cmp.Or(c.LogFormat, d.LogFormat)
	return c
}

// Validate refuses values that cannot work, and ones that cannot work together.
func (c Config) Validate() error {
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s%s: %s", EnvPrefix, name, fmt.Sprintf(format, args...)))
	}
	if c.Concurrency < 1 || c.Concurrency > 1000 {
		bad("CONCURRENCY", "must be 1 to 1000, not %d", c.Concurrency)
	}
	if c.MaxAttempts < 1 {
		bad("MAX_ATTEMPTS", "must be at least 1, not %d", c.MaxAttempts)
	}
	if c.MaxCrashes < 1 {
		bad("MAX_CRASHES", "must be at least 1, not %d", c.MaxCrashes)
	}
	if c.ExecutorCPUs < 0.01 {
		bad("EXECUTOR_CPUS", "an executor needs at least 0.01 cores, not %g", c.ExecutorCPUs)
	}
	if c.ExecutorMemMB < 32 {
		bad("EXECUTOR_MEMORY_MB", "an executor needs at least 32 MiB, not %d", c.ExecutorMemMB)
	}
	if c.StallTimeout <= c.LaunchTimeout {
		bad("STALL_TIMEOUT", "must be more than LAUNCH_TIMEOUT (%v), in which a job need not make progress; it is %v", c.LaunchTimeout, c.StallTimeout)
	}
	if c.MesosCodec != "protobuf" && c.MesosCodec != "json" {
		bad("MESOS_CODEC", "must be protobuf or json, not %q", c.MesosCodec)
	}
	if c.AckWait < time.Second {
		bad("ACK_WAIT", "must be at least 1s, not %v", c.AckWait)
	}
	if c.Patience >= 0 && c.Patience < time.Second {
		bad("PATIENCE", "must be at least 1s, or negative for off, not %v", c.Patience)
	}
	if c.LeaseTTL < time.Second || c.LeaseTTL > maxLeaseTTL {
		bad("LEASE_TTL", "must be 1s to %v, not %v", maxLeaseTTL, c.LeaseTTL)
	}
	if c.CreateFailover < 2*c.AckWait {
		bad("CREATE_FAILOVER_TIMEOUT", "must be at least twice ACK_WAIT (%v), or Mesos removes a framework before another worker can take its job over; it is %v", c.AckWait, c.CreateFailover)
	}
	if c.Replicas < 1 || c.Replicas > 5 {
		bad("STREAM_REPLICAS", "must be 1 to 5, not %d", c.Replicas)
	}
	for _, m := range c.Masters {
		if !strings.HasPrefix(m, "http://") && !strings.HasPrefix(m, "https://") {
			bad("MESOS_MASTERS", "%q is no http:// or https:// URL", m)
		}
		if strings.Contains(m, "@") { // it would stand in logs
			bad("MESOS_MASTERS", "a URL holds a user; name him in %sMESOS_PRINCIPAL, and his secret's file in %[1]sMESOS_SECRET_FILE", EnvPrefix)
		}
	}
	if c.Secret != "" && c.SecretFile != "" {
		bad("MESOS_SECRET", "set this or MESOS_SECRET_FILE, not both")
	}
	if strings.ContainsAny(c.Name, " .*>\t\r\n/") {
		bad("WORKER", "%q may hold no space, dot, slash, * or >", c.Name)
	}
	return errors.Join(errs...)
}

// secret is the Mesos secret, from its file where it is in one.
func (c Config) secret() (string, error) {
	if c.SecretFile == "" {
		return c.Secret, nil
	}
	b, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return "", fmt.Errorf("%sMESOS_SECRET_FILE: %w", EnvPrefix, err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// tlsConfig trusts the CA certificates of a file; nil where none is named.
func tlsConfig(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%sMESOS_CA: %w", EnvPrefix, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%sMESOS_CA: %s holds no PEM certificate", EnvPrefix, file)
	}
	c := libprocess.TLS()
	c.RootCAs = pool
	return c, nil
}
