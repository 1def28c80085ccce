package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..")
	files, err := Generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v); run go generate ./contracts", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(dir, "schemas", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(documents) {
		t.Errorf("schemas/ holds %d files, %d are generated; remove what is left over", len(there), len(documents))
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	got := string(appendYAML(nil, object{
		{"plain", "a: b # c"},
		{"needs quotes", object{{"$ref", "./x"}, {"list", []any{"-", 1, object{{"k", true}}}}}},
	}, 0))
	want := `plain: "a: b # c"
"needs quotes":
  $ref: "./x"
  list:
    - "-"
    - 1
    -
      k: true
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
