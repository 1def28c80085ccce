package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/clustersmith/clustersmith/worker"
)

var variable = regexp.MustCompile(`CLUSTERSMITH_[A-Z][A-Z0-9_]*[A-Z0-9]`)

// Every name of ours in capitals that the documents speak of, an environment variable or a stream, is
// one that the code knows, and the document about Mesos speaks of all variables about Mesos.
func TestVariablesInDocuments(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	var ours []string
	config := reflect.TypeFor[worker.Config]()
	for i := range config.NumField() {
		name := worker.EnvPrefix + config.Field(i).Tag.Get("env")
		known[name] = true
		if strings.Contains(name, "_MESOS_") || strings.Contains(name, "_EXECUTOR") || strings.Contains(name, "_REDIS_SERVER") || strings.Contains(name, "FAILOVER") {
			ours = append(ours, name)
		}
	}
	read := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	walk := func(root string, do func(path string)) {
		t.Helper()
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				do(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range []string{"cmd", "contracts", "integration", "internal", "jobs", "mesos", "nodesconf", "worker"} {
		walk("../../"+root, func(path string) {
			if strings.HasSuffix(path, ".go") {
				for _, name := range variable.FindAllString(read(path), -1) {
					known[name] = true
				}
			}
		})
	}
	check := func(path string) {
		if !strings.HasSuffix(path, ".md") {
			return
		}
		for _, name := range variable.FindAllString(read(path), -1) {
			if !known[name] {
				t.Errorf("%s speaks of %s, which no code knows", path, name)
			}
		}
	}
	walk("../../docs", check)
	check("../../README.md")
	about := read("../../docs/mesos.md")
	for _, name := range ours {
		if !strings.Contains(about, "`"+name+"`") {
			t.Errorf("docs/mesos.md does not speak of %s", name)
		}
	}
}
