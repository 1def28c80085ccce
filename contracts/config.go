package contracts

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// denied are the directives that redis.config cannot hold, by the reason. A trailing * stands
// for any ending.
var denied = []struct {
	why  string
	keys []string
}{
	{"it decides where the node listens and what it is called, which the plan does", []string{
		"port", "bind", "bind-source-addr", "unixsocket*", "rdma-*", "protected-mode",
		"cluster-enabled", "cluster-port", "cluster-announce-*",
		"replica-announce-*", "replica-announced", "slave-announce-*",
	}},
	{"it decides which files the server reads and writes", []string{
		"include", "loadmodule*", "dir", "dbfilename", "appendfilename", "appenddirname",
		"cluster-config-file", "logfile", "pidfile", "syslog-*", "aclfile",
	}},
	{"it decides how the server is run, which the executor does", []string{
		"daemonize", "supervised", "upstart", "enable-*", "rename-command", "sentinel*", "oom-score-adj-relative",
	}},
	{"it decides the cluster's layout, which the plan does", []string{
		"replicaof", "slaveof", "cluster-allow-replica-migration", "cluster-migration-barrier",
	}},
	{"redis.persistence decides it", []string{"save", "appendonly"}},
	{"passwords, users and TLS are not supported yet", []string{
		"requirepass", "masterauth", "masteruser", "primaryauth", "primaryuser", "user", "tls-*",
	}},
}

// DeniedKeys lists the directives that redis.config cannot hold, sorted. A trailing * stands
// for any ending.
func DeniedKeys() []string {
	var keys []string
	for _, d := range denied {
		keys = append(keys, d.keys...)
	}
	slices.Sort(keys)
	return keys
}

func deniedBecause(key string) string {
	for _, d := range denied {
		for _, k := range d.keys {
			if prefix, wild := strings.CutSuffix(k, "*"); key == k || wild && strings.HasPrefix(key, prefix) {
				return d.why
			}
		}
	}
	return ""
}

var configKey = regexp.MustCompile(PatternConfigKey)

// checkConfig refuses directives that could decide more than a setting. What a setting may be
// is the server's to judge, and how much memory it may take the renderer's.
func checkConfig(field string, config map[string]string) error {
	if len(config) > MaxConfigKeys {
		return refuse(field, "holds %d directives; at most %d are taken", len(config), MaxConfigKeys)
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		at, value := join(field, key), config[key]
		if !configKey.MatchString(key) {
			return refuse(at, "is no directive: a name is 1 to %d of a-z, 0-9 and '-', in lower case", MaxConfigKeyLength)
		}
		if why := deniedBecause(key); why != "" {
			return refuse(at, "cannot be set: %s; leave it out", why)
		}
		if len(value) > MaxConfigValue {
			return refuse(at, "is %d bytes long; at most %d are taken", len(value), MaxConfigValue)
		}
		if i := strings.IndexFunc(value, func(r rune) bool {
			return unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
		}); i >= 0 || !utf8.ValidString(value) {
			return refuse(at, "holds a line break, another control character or broken text; a value is one line")
		}
		if err := checkSetting(at, key, value); err != nil {
			return err
		}
	}
	return nil
}

// bufferLimits are groups that a server takes; the renderer, which splits them, has the same.
var bufferLimits = regexp.MustCompile(`(?i)^( *(normal|replica|slave|pubsub)( +[0-9]{1,15}([kmg]b?|b)?){2} +[0-9]{1,9}( |$))+ *$`)

// checkSetting refuses two settings that every server takes and no cluster survives or reads
// as meant.
func checkSetting(at, key, value string) error {
	switch key {
	case "cluster-replica-validity-factor", "cluster-slave-validity-factor":
		if strings.Trim(value, "0 ") == "" {
			return refuse(at, "must be 1 or more: with 0 replicas take over while the cluster boots")
		}
	case "client-output-buffer-limit":
		if !bufferLimits.MatchString(value) {
			return refuse(at, "must be groups of four words (normal, replica or pubsub; hard limit; soft limit; seconds), such as replica 256mb 64mb 60, not %s", fmt.Sprintf("%+.60q", value))
		}
	}
	return nil
}
