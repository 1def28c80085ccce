package nodesconf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue is the longest value of a directive, in bytes.
const maxValue = 1024

// denied are the directives that a user cannot set, by what they would decide. A trailing *
// stands for any ending.
var denied = []struct {
	reason string
	keys   []string
}{
	{"it decides where the node listens and what it is called", []string{
		"port", "bind", "bind-source-addr", "unixsocket*", "rdma-*", "protected-mode",
		"cluster-enabled", "cluster-port", "cluster-announce-*",
		"replica-announce-*", "replica-announced", "slave-announce-*",
	}},
	{"it decides which files the server reads and writes", []string{
		"include", "loadmodule*", "dir", "dbfilename", "appendfilename", "appenddirname",
		"cluster-config-file", "logfile", "pidfile", "syslog-*", "aclfile",
	}},
	{"it decides how the server is run", []string{
		"daemonize", "supervised", "upstart", "enable-*", "rename-command", "sentinel*", "oom-score-adj-relative",
	}},
	{"it decides the cluster's layout", []string{
		"replicaof", "slaveof", "cluster-allow-replica-migration", "cluster-migration-barrier",
	}},
	{"redis.persistence decides it", []string{
		"save", "appendonly",
	}},
	{"passwords and TLS are not supported", []string{
		"requirepass", "masterauth", "masteruser", "primaryauth", "primaryuser", "user", "tls-*",
	}},
}

// DeniedKeys lists the directives that a user's configuration cannot hold, sorted. A trailing
// * stands for any ending.
func DeniedKeys() []string {
	var keys []string
	for _, group := range denied {
		keys = append(keys, group.keys...)
	}
	slices.Sort(keys)
	return keys
}

// Denied says why a user's configuration cannot hold a directive; "" means that it can.
func Denied(key string) string {
	for _, group := range denied {
		for _, k := range group.keys {
			prefix, wild := strings.CutSuffix(k, "*")
			if key == k || wild && strings.HasPrefix(key, prefix) {
				return group.reason
			}
		}
	}
	return ""
}

// ConfigError says which directive of a user's configuration is refused, and why.
type ConfigError struct {
	Key    string
	Reason string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("redis.conf: %.60q: %s", e.Key, e.Reason) }

// CheckConfig refuses a user's configuration that no server may get. The error is the
// *ConfigError of the first directive, in order of their names, that is refused.
func CheckConfig(config map[string]string) error {
	for _, key := range sortedKeys(config) {
		if err := checkDirective(key, config[key]); err != nil {
			return err
		}
	}
	return nil
}

// bufferLimits are the groups of client-output-buffer-limit that a server takes.
var bufferLimits = regexp.MustCompile(`(?i)^( *(normal|replica|slave|pubsub)( +[0-9]{1,15}([kmg]b?|b)?){2} +[0-9]{1,9}( |$))+ *$`)

func checkDirective(key, value string) error {
	refuse := func(format string, args ...any) error {
		return &ConfigError{Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	if key == "" || len(key) > 64 || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || key[0] == '-' {
		return refuse("a directive's name is made of a-z, 0-9 and '-'")
	}
	if reason := Denied(key); reason != "" {
		return refuse("cannot be set: %s", reason)
	}
	if len(value) > maxValue {
		return refuse("the value is longer than %d bytes", maxValue)
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return refuse("the value holds a control character or is not UTF-8")
	}
	switch key {
	case "cluster-replica-validity-factor", "cluster-slave-validity-factor":
		if strings.Trim(value, "0 ") == "" {
			return refuse("0 lets replicas take over while the cluster boots")
		}
	case "maxmemory":
		if _, err := parseBytes(value); err != nil {
			return refuse("%v", err)
		}
	case "client-output-buffer-limit":
		if !bufferLimits.MatchString(value) {
			return refuse("the value is groups of four words: normal, replica or pubsub; hard limit; soft limit; seconds")
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// appendWord appends a space and one argument of a directive, quoted such that the server
// reads back exactly its bytes.
func appendWord(dst []byte, word string) []byte {
	dst = append(dst, ' ', '"')
	for i := range len(word) {
		if c := word[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, word[i])
	}
	return append(dst, '"')
}
