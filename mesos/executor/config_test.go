package executor

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// agentEnvironment is what an agent sets, as a real one writes it.
var agentEnvironment = map[string]string{
	"MESOS_AGENT_ENDPOINT": "127.0.0.2:16081", "MESOS_CHECKPOINT": "1",
	"MESOS_DIRECTORY": "/var/lib/mesos/x", "MESOS_SANDBOX": "/mnt/mesos/sandbox",
	"MESOS_EXECUTOR_ID": "clustersmith-orders", "MESOS_FRAMEWORK_ID": "f-0000",
	"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "3secs", "MESOS_RECOVERY_TIMEOUT": "15mins",
	"MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
}

func TestConfigurationOfAnAgent(t *testing.T) {
	t.Parallel()
	got, err := FromEnv(func(name string) string { return agentEnvironment[name] })
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		AgentEndpoint: "127.0.0.2:16081", FrameworkID: "f-0000", ExecutorID: "clustersmith-orders",
		Sandbox: "/mnt/mesos/sandbox", ShutdownGrace: 3 * time.Second, Checkpoint: true,
		RecoveryTimeout: 15 * time.Minute, BackoffMax: 2 * time.Second, Encoding: Protobuf,
		StartTimeout: 30 * time.Second, BarrierTimeout: 10 * time.Minute, IdleTimeout: 10 * time.Second,
		RestartWait: 500 * time.Millisecond, RestartWaitMax: 30 * time.Second, WaveGap: 100 * time.Millisecond,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Each refusal names the variable.
func TestConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, says string }{
		{"MESOS_AGENT_ENDPOINT", "", "MESOS_AGENT_ENDPOINT: not set"},
		{"MESOS_AGENT_ENDPOINT", "here", `MESOS_AGENT_ENDPOINT: "here" is not host:port`},
		{"MESOS_FRAMEWORK_ID", "", "MESOS_FRAMEWORK_ID: not set"},
		{"MESOS_EXECUTOR_ID", "", "MESOS_EXECUTOR_ID: not set"},
		{"MESOS_SANDBOX", "relative", `MESOS_SANDBOX: "relative" is not an absolute path`},
		{"MESOS_CHECKPOINT", "maybe", `MESOS_CHECKPOINT: "maybe"`},
		{"MESOS_RECOVERY_TIMEOUT", "15", `MESOS_RECOVERY_TIMEOUT: "15" is not a duration`},
		{"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5s", `MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: "5s"`},
		{"MESOS_SUBSCRIPTION_BACKOFF_MAX", "x", `MESOS_SUBSCRIPTION_BACKOFF_MAX: "x"`},
		{"CLUSTERSMITH_EXECUTOR_ENCODING", "xml", `CLUSTERSMITH_EXECUTOR_ENCODING: "xml" is none of`},
		{"CLUSTERSMITH_START_TIMEOUT", "0s", `CLUSTERSMITH_START_TIMEOUT: "0s"`},
		{"CLUSTERSMITH_BARRIER_TIMEOUT", "soon", `CLUSTERSMITH_BARRIER_TIMEOUT: "soon"`},
		{"CLUSTERSMITH_WAVE_SIZE", "-1", `CLUSTERSMITH_WAVE_SIZE: "-1"`},
	} {
		env := maps.Clone(agentEnvironment)
		env[c.name] = c.value
		_, err := FromEnv(func(name string) string { return env[name] })
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s=%s: %v, want %s", c.name, c.value, err, c.says)
		}
	}
}

func TestEverythingWrongIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := FromEnv(func(string) string { return "" })
	for _, name := range []string{"MESOS_AGENT_ENDPOINT", "MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_SANDBOX"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestSandboxByItsOldName(t *testing.T) {
	t.Parallel()
	env := maps.Clone(agentEnvironment)
	env["MESOS_SANDBOX"] = ""
	got, err := FromEnv(func(name string) string { return env[name] })
	if err != nil || got.Sandbox != "/var/lib/mesos/x" {
		t.Errorf("%q, %v", got.Sandbox, err)
	}
}
