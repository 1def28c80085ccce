package local_test

import (
	"cmp"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clustersmith/clustersmith/chunkdist"
	"github.com/clustersmith/clustersmith/mesos/local"
)

// part is a recording, or what was made with one cluster of it.
type part struct {
	name     string
	file     string
	from, to float64 // seconds in the recording; to 0 is its end
	// round is when the first round of offers was, seconds after a whole one.
	round float64
	// quiet rounds are made too, those that offered nothing. Where processes or timers free resources they
	// are not: here they may be sooner.
	quiet      bool
	heartbeats bool // are looked at, all of them
	agents     int  // default 2
	absent     []string
	change     func(*local.Config)
	faults     []fault
	// omit says what is not played or not looked at, since the local Mesos differs there on purpose.
	omit func(recorded) bool
	also func(*item) bool // what may come here although it was not recorded
	// chance are fields that were chance in the offers of a time.
	chance               []string
	chanceFrom, chanceTo float64
}

// fault is what the recorder did beside its calls.
type fault struct {
	at float64
	do func(*playback)
}

func (p part) config(t *testing.T) local.Config {
	cfg := quick(t, []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}[:cmp.Or(p.agents, 2)]...)
	cfg.ExecutorReregistrationTimeout, cfg.AgentReregisterDelay, cfg.MasterStart = 0, 0, 0 // as Mesos has them
	cfg.AllocationInterval = 24 * time.Hour                                                // rounds are steps here
	if p.change != nil {
		p.change(&cfg)
	}
	return cfg
}

func (p part) leftOut(s recorded) bool { return p.omit != nil && p.omit(s) }

// loose are the fields that are not looked at in an event.
func (p part) loose(s recorded) map[string]bool {
	if s.T < p.chanceFrom || s.T > p.chanceTo {
		return nil
	}
	fields := map[string]bool{}
	for _, f := range p.chance {
		fields[f] = true
	}
	return fields
}

func (p part) extra(x *item) bool { return p.also != nil && p.also(x) }

// Scenarios 01, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, 13, 14, 15 and 18: what was recorded is played again.
func TestReplay(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes as long as the recordings")
	}
	// Nearly all of it is waiting: at once, beside the tests that share the processors.
	var all sync.WaitGroup
	defer all.Wait()
	for _, p := range parts {
		all.Go(func() { t.Run(p.name, p.run) })
	}
}

var parts = []part{
	{name: "subscribe", file: "01", to: 32, heartbeats: true},
	{name: "domains", file: "01", from: 32, to: 33.4, change: func(c *local.Config) {
		c.Region, c.Zone = "region-1", "zone-1"
		for i := range c.Agents {
			c.Agents[i].Region, c.Agents[i].Zone = "region-1", "zone-2"
		}
	}},
	{name: "a new agent", file: "01", from: 33.4, absent: []string{"127.0.0.2", "127.0.0.3"}, faults: []fault{restart(36.5274, "127.0.0.2")}},
	{name: "decline, suppress, revive", file: "03", round: .404, quiet: true, agents: 3, absent: []string{"127.0.0.4"},
		faults: []fault{restart(51.0994, "127.0.0.4")}},
	{name: "commands", file: "04",
		// There are no health checks: the task that fails one, and ends, is ended.
		omit: func(s recorded) bool { return s.T > 9 && s.T < 16.7056 && says(s, `"task_id":{"value":"t5"}`) },
		also: func(x *item) bool { return subject(x.body) == "t5" },
		faults: []fault{{16.65, func(r *playback) {
			must(r.t, r.m.KillExecutor(r.framework(), "t5", syscall.SIGKILL))
			eventually(r.t, "end of t5", func() bool { return r.told("t5", "TASK_FAILED") })
		}}}},
	{name: "failures", file: "05",
		// Nothing starts so slowly here that a KILL could overtake it; see TestKill.
		omit: func(s recorded) bool { return s.T > 92.51 && s.T < 92.531 }},
	{name: "reconcile", file: "06", faults: []fault{crash(22.9746, "127.0.0.2")}},
	{name: "failover", file: "07",
		// With two roles, and then with two frameworks, who gets which offer is chance.
		omit: func(s recorded) bool { return s.T > 8.6 && says(s, `"type":"OFFERS"`) },
		also: func(x *item) bool { return x.kind == "OFFER" }},
	{name: "custom executor", file: "08",
		// Nothing starts so slowly here that a KILL could overtake it; see TestKill.
		omit: func(s recorded) bool { return s.T > 23.759 && s.T < 23.7802 },
		// The recorded executor read no more once it was to end.
		also: func(x *item) bool {
			return x.kind == "ACKNOWLEDGED" && regexp.MustCompile(`"t[78]"`).MatchString(x.raw)
		},
		faults: []fault{exit(12.6891, "executor-1", "7")}},
	{name: "executor killed", file: "09", faults: []fault{
		kill(1.3957, "executor-1", syscall.SIGKILL), kill(3.9, "executor-2", syscall.SIGTERM),
		kill(7.0, "executor-3", syscall.SIGKILL), kill(9.05, "executor-4", syscall.SIGKILL),
		// A round came between the ends of three tasks; here it comes after them.
		{2.5, (*playback).round}},
		omit: func(s recorded) bool { return s.T > 1.59 && s.T < 2.54 && says(s, `"type":"OFFERS"`) },
		also: func(x *item) bool { return x.kind == "OFFER" && held(x.body.(map[string]any))["cpus"] == "0.4" }},
	{name: "executor reconnects", file: "10", change: slowAgents, faults: []fault{
		crash(2.6438, "127.0.0.2"), restart(8.189, "127.0.0.2"),
		crash(16.89, "127.0.0.2"), restart(17.92, "127.0.0.2"),
		crash(21.04, "127.0.0.2"), kill(21.6, "executor-1", syscall.SIGKILL), restart(22.05, "127.0.0.2"),
		crash(36.98, "127.0.0.3"), restart(37.8, "127.0.0.3")}},
	{name: "agent gone", file: "11", agents: 3, change: func(c *local.Config) {
		// One more than recorded: an agent answers no pings before it is registered again (see the package's differences).
		c.AgentPingTimeout, c.AgentMaxPings = time.Second, 4
	}, faults: []fault{
		crash(3.381, "127.0.0.2"), crash(8.1018, "127.0.0.3"), restart(13.6267, "127.0.0.3"),
		crash(17.6584, "127.0.0.3"), restart(18.7, "127.0.0.3"), leave(23.2645, "127.0.0.4"),
		freeze(24.534, "127.0.0.3", true), freeze(28.66, "127.0.0.3", false), crash(30.46, "127.0.0.3")}},
	// From there on who gets what depends on milliseconds, or is chance: see TestFairness.
	{name: "two frameworks", file: "12", to: 6.7938, round: .7786, quiet: true},
	{name: "teardown", file: "13"},
	{name: "master restart", file: "14", to: 81, change: func(c *local.Config) {
		c.AgentReregisterDelay, c.MasterStart = 71400*time.Millisecond, 50*time.Millisecond
	}, // 404 while it starts: see TestMasterRestart
		omit:   func(s recorded) bool { return s.T > 3.7381 && s.T < 3.9 },
		faults: []fault{stopMaster(2.71), startMaster(3.738)}},
	{name: "ports", file: "15", change: func(c *local.Config) {
		for i := range c.Agents {
			c.Agents[i].Ports = []chunkdist.PortRange{{Begin: 31000, End: 31009}, {Begin: 31020, End: 31020}, {Begin: 31030, End: 31039}}
		}
	}},
	{name: "connections", file: "18", from: 2.3, to: 33.2, round: .1529, quiet: true, agents: 1,
		chance: []string{"role"}, chanceFrom: 2.3, chanceTo: 11.4, // an offer of two roles is in one of them
		omit: func(s recorded) bool { return s.T > 8.362 && s.T < 8.366 }}, // a stream ID that no answer gave
}

// slowAgents gives agents the second that a real one needs to start.
func slowAgents(c *local.Config) { c.ExecutorReregistrationTimeout = 3 * time.Second }

func stopMaster(at float64) fault {
	return fault{at, func(r *playback) { r.m.StopMaster(); r.noMaster = true }}
}

func startMaster(at float64) fault {
	return fault{at, func(r *playback) { must(r.t, r.m.StartMaster(ctxOf(r.t))); r.noMaster = false }}
}

func crash(at float64, ip string) fault {
	return fault{at, func(r *playback) { must(r.t, r.m.CrashAgent(ip)) }}
}

func restart(at float64, ip string) fault {
	return fault{at, func(r *playback) { must(r.t, r.m.RestartAgent(ctxOf(r.t), ip)) }}
}

func leave(at float64, ip string) fault {
	return fault{at, func(r *playback) { must(r.t, r.m.LeaveAgent(ctxOf(r.t), ip)) }}
}

func freeze(at float64, ip string, on bool) fault {
	return fault{at, func(r *playback) { must(r.t, r.m.FreezeAgent(ip, on)) }}
}

func exit(at float64, executor, status string) fault {
	return fault{at, func(r *playback) { r.player(executor).exit(status) }}
}

// kill ends an executor: its process, and the connection that the replay has in its stead.
func kill(at float64, executor string, signal syscall.Signal) fault {
	return fault{at, func(r *playback) {
		p := r.player(executor)
		must(r.t, r.m.KillExecutor(p.env["MESOS_FRAMEWORK_ID"], executor, signal))
		p.hangUp()
	}}
}

func says(s recorded, text string) bool { return strings.Contains(string(s.Body), text) }
