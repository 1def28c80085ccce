// Command envtable writes the table of a worker's environment variables into the README, from
// the fields of worker.Config, so that the two cannot disagree.
package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/clustersmith/clustersmith/worker"
)

const (
	begin = "<!-- begin: environment (generated: go generate ./worker) -->\n"
	end   = "<!-- end: environment -->"
)

func main() {
	if err := run("../README.md"); err != nil {
		fmt.Fprintln(os.Stderr, "envtable:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s lacks the markers %q and %q", file, strings.TrimSpace(begin), end)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(begin)
	out.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for field := range reflect.TypeFor[worker.Config]().Fields() {
		value := ""
		if d := field.Tag.Get("default"); d != "" {
			value = "`" + d + "`"
		}
		fmt.Fprintf(&out, "| `%s%s` | %s | %s |\n", worker.EnvPrefix, field.Tag.Get("env"), value, field.Tag.Get("desc"))
	}
	out.WriteString(end)
	out.Write(after)
	return os.WriteFile(file, out.Bytes(), 0o644)
}
