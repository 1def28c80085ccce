package worker

import (
	"strings"
	"testing"
	"time"
)

// What cannot work is refused by the name of its variable, all of it at once.
func TestConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	good := Config{NATSURL: "nats://127.0.0.1:4222", Masters: []string{"http://127.0.0.1:5050"}}
	if err := good.WithDefaults().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"CONCURRENCY":             func(c *Config) { c.Concurrency = -1 },
		"MAX_ATTEMPTS":            func(c *Config) { c.MaxAttempts = -1 },
		"MAX_CRASHES":             func(c *Config) { c.MaxCrashes = -1 },
		"EXECUTOR_CPUS":           func(c *Config) { c.ExecutorCPUs = 0.001 },
		"EXECUTOR_MEMORY_MB":      func(c *Config) { c.ExecutorMemMB = 8 },
		"MESOS_CODEC":             func(c *Config) { c.MesosCodec = "xml" },
		"ACK_WAIT":                func(c *Config) { c.AckWait = time.Millisecond },
		"LEASE_TTL":               func(c *Config) { c.LeaseTTL = 2 * time.Hour },
		"PATIENCE":                func(c *Config) { c.Patience = time.Millisecond },
		"STALL_TIMEOUT":           func(c *Config) { c.LaunchTimeout = 90 * time.Second },
		"CREATE_FAILOVER_TIMEOUT": func(c *Config) { c.CreateFailover = time.Second },
		"STREAM_REPLICAS":         func(c *Config) { c.Replicas = 6 },
		"MESOS_MASTERS":           func(c *Config) { c.Masters = []string{"mesos:5050"} },
		"MESOS_SECRET":            func(c *Config) { c.Secret, c.SecretFile = "s", "f" },
		"WORKER":                  func(c *Config) { c.Name = "a.b" },
	} {
		c := good
		change(&c)
		err := c.WithDefaults().Validate()
		if err == nil || !strings.Contains(err.Error(), EnvPrefix+name+":") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Config{MaxAttempts: -1, MaxCrashes: -1}).WithDefaults().Validate(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("two mistakes: %v", err)
	}
}
