package local_test

import (
	"encoding/base64"
	"os"
)

// obj makes an object of alternating names and values; value an ID.
func obj(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func value(id string) map[string]any { return obj("value", id) }

func list(items ...any) []any { return items }

// lookup follows a path of names.
func lookup(v any, path ...string) (any, bool) {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

func at(v any, path ...string) any {
	found, _ := lookup(v, path...)
	return found
}

func encode64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func decode64(s string) []byte {
	b, _ := base64.StdEncoding.DecodeString(s)
	return b
}

func scalar(name string, x float64) map[string]any {
	return obj("name", name, "type", "SCALAR", "scalar", obj("value", x))
}

func portResource(ranges ...[2]int) map[string]any {
	var all []any
	for _, r := range ranges {
		all = append(all, obj("begin", r[0], "end", r[1]))
	}
	return obj("name", "ports", "type", "RANGES", "ranges", obj("range", all))
}

// task makes a TaskInfo for an offer's agent; more replaces or adds fields.
func task(id string, offer map[string]any, more map[string]any) map[string]any {
	t := obj("name", id, "task_id", value(id), "agent_id", at(offer, "agent_id"), "resources", list(scalar("cpus", 0.1), scalar("mem", 32)))
	for k, v := range more {
		if v == nil {
			delete(t, k)
		} else {
			t[k] = v
		}
	}
	return t
}

func shell(command string) map[string]any {
	return obj("command", obj("value", command))
}

// custom makes the fields of a task for the test executor.
func custom(id string, args ...any) map[string]any {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return obj("executor", obj(
		"type", "CUSTOM", "executor_id", value(id), "name", id,
		"resources", list(scalar("cpus", 0.1), scalar("mem", 64)),
		"command", obj("shell", false, "value", exe, "arguments", append(list(exe), args...), "environment", obj(
			"variables", list(obj("name", "LOCAL_TEST_EXECUTOR", "value", "1"))))))
}
