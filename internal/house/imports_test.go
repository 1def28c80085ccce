package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/clustersmith/clustersmith"

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	Standard   bool
	Imports    []string
	Deps       []string
	GoFiles    []string
	Dir        string
}

func list(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Name,Doc,Standard,Imports,Deps,GoFiles,Dir"}, patterns...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// Modules, by the short names of the table below.
var modules = map[string][]string{
	"uuid":       {"github.com/google/uuid"},
	"redigo":     {"github.com/gomodule/redigo"},
	"mesos-go":   {"github.com/mesos/mesos-go", "github.com/gogo/protobuf"},
	"nats.go":    {"github.com/nats-io/nats.go"},
	"nats":       {"github.com/nats-io/nats-server", "github.com/nats-io/nats.go"},
	"sys":        {"golang.org/x/sys"},
	"env":        {"github.com/caarlos0/env"},
	"prometheus": {"github.com/prometheus/client_golang"},
}

// table says what each package may import beside the standard library. "*" is anything.
var table = []struct {
	prefix string // of the package's path in the module; the first that matches counts
	may    []string
}{
	{"contracts/internal", []string{"*"}}, // generators
	{"contracts", []string{"uuid"}},
	{"chunkdist", nil},
	{"nodesconf", []string{"chunkdist"}},
	{"jobs", []string{"contracts", "chunkdist", "nodesconf", "jobs", "redigo"}},
	{"mesos", []string{"contracts", "chunkdist", "nodesconf", "mesos", "internal/proc", "internal/heldport", "internal/failpoint", "mesos-go", "uuid", "sys"}},
	{"worker", []string{"contracts", "chunkdist", "nodesconf", "jobs", "mesos", "internal/failpoint", "mesos-go", "nats.go", "uuid", "env", "prometheus"}},
	{"internal/failpoint", []string{"contracts"}},
	{"internal/proc", []string{"sys"}},
	{"internal/heldport", []string{"sys"}},
	{"internal/history", []string{"nats.go"}}, // it judges all others, so it shares nothing with them
	{"internal/redistest", []string{"chunkdist", "nodesconf", "internal/proc", "internal/heldport"}},
	{"cmd/clustersmith-executor", []string{"mesos/executor"}},
	{"", []string{"*"}},
}

// Planners and renderers are pure: none of these, not even through the standard library's own
// packages that one would import on purpose.
var impure = map[string][]string{
	"chunkdist": {"net", "os", "time", "log", "log/slog", "context"},
	"nodesconf": {"net", "os", "time", "log", "log/slog", "context"},
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		may := allowed(name)
		for _, imported := range p.Imports {
			if !permitted(imported, may) {
				t.Errorf("%s imports %s; it may import the standard library and %v", name, imported, may)
			}
			if slices.Contains(impure[name], imported) {
				t.Errorf("%s imports %s: it is pure, I/O and time belong to its callers", name, imported)
			}
		}
	}
}

func allowed(name string) []string {
	for _, row := range table {
		if name == row.prefix || row.prefix == "" || strings.HasPrefix(name, row.prefix+"/") {
			return row.may
		}
	}
	return nil
}

func permitted(imported string, may []string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	for _, m := range may {
		if m == "*" {
			return true
		}
		paths, external := modules[m]
		if !external {
			paths = []string{path.Join(module, m)}
		}
		for _, p := range paths {
			if imported == p || strings.HasPrefix(imported, p+"/") {
				return true
			}
		}
	}
	return false
}

// Another service can import contracts and gets uuid, nothing else.
func TestContractsDragInUUIDOnly(t *testing.T) {
	t.Parallel()
	for _, dep := range list(t, "./contracts")[0].Deps {
		if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") && dep != "github.com/google/uuid" {
			t.Errorf("contracts depends on %s", dep)
		}
	}
}

// The executor is what every agent runs: it speaks no NATS and verifies nothing.
func TestExecutorIsSmall(t *testing.T) {
	t.Parallel()
	for _, dep := range list(t, "./cmd/clustersmith-executor")[0].Deps {
		for _, heavy := range []string{"github.com/nats-io", "github.com/gomodule/redigo", "github.com/prometheus", module + "/worker", module + "/jobs"} {
			if strings.HasPrefix(dep, heavy) {
				t.Errorf("the executor depends on %s", dep)
			}
		}
	}
}

// The worker carries no NATS server; `dev` does.
func TestServersAreForDevOnly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"./worker", "./mesos", "./jobs/..."} {
		for _, p := range list(t, name) {
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, "github.com/nats-io/nats-server") || dep == module+"/mesos/local" {
					t.Errorf("%s depends on %s", p.ImportPath, dep)
				}
			}
		}
	}
}

// Every package says what it is for.
func TestPackageDocs(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		if len(p.GoFiles) == 0 {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package doc begins with %q, not %q", p.ImportPath, p.Doc, want)
		}
	}
}
