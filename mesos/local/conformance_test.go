package local_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unrecorded is the scenario whose recording is too large for testdata.
const unrecorded = "16"

// Every recorded scenario has a test that says so in its comment: "Scenario 07: …", or
// "Scenarios 08 and 09: …".
func TestEveryScenarioHasATest(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?s)^Scenarios? .*?:|, and \d\d:`)
	tests := map[string][]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			for _, number := range regexp.MustCompile(`\d\d`).FindAllString(strings.Join(said.FindAllString(f.Doc.Text(), -1), " "), -1) {
				tests[number] = append(tests[number], f.Name.Name)
			}
		}
	}
	recordings, err := os.ReadDir(filepath.Join("testdata", "traces"))
	if err != nil {
		t.Fatal(err)
	}
	scenarios := []string{unrecorded}
	for _, r := range recordings {
		if number, _, ok := strings.Cut(r.Name(), "-"); ok && strings.HasSuffix(r.Name(), ".jsonl") {
			scenarios = append(scenarios, number)
		}
	}
	if len(scenarios) != 18 {
		t.Errorf("%d scenarios: %v", len(scenarios), scenarios)
	}
	for _, number := range scenarios {
		if len(tests[number]) == 0 {
			t.Errorf("no test says that it is about scenario %s", number)
		}
		t.Logf("%s: %s", number, strings.Join(tests[number], ", "))
	}
}
