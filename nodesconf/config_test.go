package nodesconf_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/nodesconf"
)

func redisConf(t testing.TB, o nodesconf.ServerOptions) ([]byte, error) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = "/data"
	}
	if o.MemoryMB == 0 {
		o.MemoryMB = 1024
	}
	return lookup(t, "redis 7.0").RedisConf(ring(3, 1, 3), 4, o)
}

// TestRefusedConfig: what could make the server another one, or smuggle in a directive, is
// refused, and the error names the key.
func TestRefusedConfig(t *testing.T) {
	t.Parallel()
	refused := map[string]string{
		"Maxmemory-Policy": "x", "hz ": "10", "": "x", "-hz": "1", "hz\nport": "1", "hz port": "1", strings.Repeat("a", 65): "x",
		"maxmemory-policy":                "allkeys-lru\nport 1",
		"hz":                              "10\r",
		"proc-title-template":             "\x00",
		"notify-keyspace-events":          "\xff",
		"locale-collate":                  strings.Repeat("x", 1025),
		"cluster-replica-validity-factor": "0",
		"cluster-slave-validity-factor":   "00",
		"client-output-buffer-limit":      "normal 0 0",
		"maxmemory":                       "+1",
	}
	for _, key := range nodesconf.DeniedKeys() {
		refused[strings.Replace(key, "*", "-x", 1)] = "1"
	}
	for key, value := range refused {
		_, err := redisConf(t, nodesconf.ServerOptions{Config: map[string]string{key: value}})
		var refusal *nodesconf.ConfigError
		if !errors.As(err, &refusal) || refusal.Key != key || refusal.Reason == "" {
			t.Errorf("%q %.20q: %v", key, value, err)
		}
		if nodesconf.CheckConfig(map[string]string{key: value}) == nil {
			t.Errorf("CheckConfig takes %q %.20q", key, value)
		}
	}
	// What decides the identity, whatever the list says.
	for _, key := range []string{
		"port", "bind", "dir", "include", "loadmodule", "unixsocket", "unixsocketperm", "tls-port", "cluster-enabled", "cluster-port",
		"cluster-config-file", "cluster-announce-ip", "cluster-announce-port", "cluster-announce-bus-port", "cluster-announce-hostname",
		"replica-announce-ip", "slave-announce-port", "requirepass", "masterauth", "rename-command", "aclfile", "user",
		"enable-module-command", "daemonize", "logfile", "pidfile", "save", "appendonly", "replicaof", "slaveof",
	} {
		if nodesconf.Denied(key) == "" {
			t.Errorf("%s is not denied", key)
		}
	}
	for _, key := range []string{"maxmemory-policy", "cluster-node-timeout", "cluster-require-full-coverage", "hz", "timeout", "appendfsync"} {
		if why := nodesconf.Denied(key); why != "" {
			t.Errorf("%s is denied: %s", key, why)
		}
	}
}

func TestMaxMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		memoryMB, nodes int
		forks           bool
		wantMB          int64 // 0 is refused
	}{
		{1024, 6, true, 659}, {1024, 6, false, 862}, {64, 6, true, 35}, {1024, 600, true, 634},
		{64, 600, true, 10}, {60, 600, true, 0}, {16, 6, false, 0}, {0, 6, false, 0},
	} {
		got, err := nodesconf.MaxMemory(c.memoryMB, c.nodes, c.forks)
		if got>>20 != c.wantMB || (err != nil) != (c.wantMB == 0) {
			t.Errorf("%+v: %d MB, %v", c, got>>20, err)
		}
	}
	// The measured sizes of empty servers fit in.
	if nodesconf.BusMB(300) < 16 || nodesconf.BusMB(600) < 44 {
		t.Errorf("%d MB of 300 nodes, %d of 600", nodesconf.BusMB(300), nodesconf.BusMB(600))
	}
	// The least that the error names is enough, and one less is not.
	for _, nodes := range []int{1, 6, 100, 1000} {
		for _, forks := range []bool{false, true} {
			_, err := nodesconf.MaxMemory(1, nodes, forks)
			var least int
			text := err.Error()
			if _, scanErr := fmt.Sscanf(text[strings.Index(text, "at least"):], "at least %d MB", &least); scanErr != nil {
				t.Fatal(scanErr)
			}
			_, enough := nodesconf.MaxMemory(least, nodes, forks)
			_, less := nodesconf.MaxMemory(least-1, nodes, forks)
			if enough != nil || less == nil {
				t.Errorf("%d nodes: the least is said to be %d MB: %v, %v", nodes, least, enough, less)
			}
		}
	}
}

// TestUserMaxMemory: a user's maxmemory is taken up to what the server itself leaves.
func TestUserMaxMemory(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"100mb": "104857600", "100m": "100000000", "1gb": "", "0": "", "1000mb": "1048576000", "1015mb": "1064304640", "1016mb": "",
		"1048576": "1048576", "1kb": "1024", "2k": "2000", "7b": "7", "99999999999gb": "", "-1": "",
	} {
		conf, err := redisConf(t, nodesconf.ServerOptions{Config: map[string]string{"maxmemory": value}})
		if want == "" {
			var refusal *nodesconf.ConfigError
			if !errors.As(err, &refusal) {
				t.Errorf("%s: %v", value, err)
			}
			continue
		}
		if err != nil || !bytes.Contains(conf, []byte("\nmaxmemory \""+want+"\"\n")) || bytes.Count(conf, []byte("\nmaxmemory ")) != 1 {
			t.Errorf("%s: %v\n%s", value, err, conf)
		}
	}
}

// TestUserReplacesDefault: a user's directive stands once, in the place of the default.
func TestUserReplacesDefault(t *testing.T) {
	t.Parallel()
	conf, err := redisConf(t, nodesconf.ServerOptions{Config: map[string]string{"maxclients": "50", "repl-diskless-sync-delay": "7"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`maxclients "50"`, `repl-diskless-sync-delay "7"`} {
		name, _, _ := strings.Cut(line, " ")
		if !bytes.Contains(conf, []byte("\n"+line+"\n")) || bytes.Count(conf, []byte("\n"+name+" ")) != 1 {
			t.Errorf("%s is not there once:\n%s", line, conf)
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []nodesconf.ServerOptions{
		{Dir: "relative"}, {Dir: "/a\nport 1"}, {Dir: "/\xff"}, {Persistence: "disk"}, {MemoryMB: 17},
	} {
		if _, err := redisConf(t, o); err == nil {
			t.Errorf("%+v is rendered", o)
		}
	}
}

// FuzzConfig: whatever a user sets, redis.conf is refused or holds exactly that value, read back
// by the rules by which servers split a line, and not one directive more.
func FuzzConfig(f *testing.F) {
	f.Add("maxmemory-policy", "allkeys-lru")
	f.Add("proc-title-template", `"} \x41 \" ' #`)
	f.Add("client-output-buffer-limit", "normal 0 0 0")
	f.Add("client-output-buffer-limit", "normal 0 0 0  PubSub 32MB 8mb 60")
	f.Add("hz", "10\nport 1")
	plain, err := redisConf(f, nodesconf.ServerOptions{})
	if err != nil {
		f.Fatal(err)
	}
	own := make(map[string]bool)
	for line := range strings.Lines(string(plain)) {
		own[splitArgs(f, line)[0]] = true
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		conf, err := redisConf(t, nodesconf.ServerOptions{Config: map[string]string{key: value}})
		if err != nil {
			return
		}
		var read []string
		for line := range strings.Lines(string(conf)) {
			args := splitArgs(t, line)
			if args[0] == key { // on several lines, if it is a list of groups
				read = append(read, args[1:]...)
			} else if !own[args[0]] {
				t.Errorf("%q %q brings in %q", key, value, line)
			}
		}
		if got := strings.Join(read, " "); key != "maxmemory" && got != value && got != strings.Join(strings.Fields(value), " ") {
			t.Errorf("%q is read back as %q", value, got)
		}
		if nodesconf.Denied(key) != "" {
			t.Errorf("%q is denied and was taken", key)
		}
	})
}

// splitArgs splits a line of redis.conf as servers do: words, and double quotes in which \
// escapes.
func splitArgs(t testing.TB, line string) []string {
	t.Helper()
	var args []string
	line = strings.Trim(line, " \t\r\n")
	for i := 0; i < len(line); {
		if line[i] == ' ' {
			i++
			continue
		}
		var word []byte
		if line[i] != '"' {
			for i < len(line) && line[i] != ' ' {
				word = append(word, line[i])
				i++
			}
			args = append(args, string(word))
			continue
		}
		for i++; ; i++ {
			if i == len(line) {
				t.Fatalf("unbalanced quotes: %q", line)
			}
			if line[i] == '"' {
				break
			}
			if line[i] == '\\' && i+1 < len(line) {
				i++
				if strings.IndexByte(`"\`, line[i]) < 0 {
					t.Fatalf("an escape that is not needed: %q", line)
				}
			}
			word = append(word, line[i])
		}
		i++
		if i < len(line) && line[i] != ' ' {
			t.Fatalf("a closing quote within a word: %q", line)
		}
		args = append(args, string(word))
	}
	return args
}
