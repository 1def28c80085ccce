package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// object is a YAML mapping that keeps its order.
type object []member

type member struct {
	name  string
	value any
}

var plainKey = regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_.$-]*$`)

// appendYAML appends a value as YAML: objects and lists in block style, everything else as JSON, of
// which YAML is a superset. Objects and lists begin on a line of their own.
func appendYAML(dst []byte, value any, indent int) []byte {
	pad := strings.Repeat("  ", indent)
	switch v := value.(type) {
	case object:
		for _, m := range v {
			key := m.name
			if !plainKey.MatchString(key) {
				key = string(scalar(key))
			}
			dst = fmt.Appendf(dst, "%s%s:", pad, key)
			dst = appendNested(dst, m.value, indent+1)
		}
	case []any:
		for _, item := range v {
			dst = fmt.Appendf(dst, "%s-", pad)
			dst = appendNested(dst, item, indent+1)
		}
	default:
		dst = append(append(dst, pad...), scalar(value)...)
		dst = append(dst, '\n')
	}
	return dst
}

func appendNested(dst []byte, value any, indent int) []byte {
	switch value.(type) {
	case object, []any:
		return appendYAML(append(dst, '\n'), value, indent)
	}
	return append(append(append(dst, ' '), scalar(value)...), '\n')
}

func scalar(value any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic(fmt.Sprintf("genschema: %T cannot be written: %v", value, err))
	}
	return bytes.TrimSpace(b.Bytes())
}
