// Command genschema writes contracts/schemas/*.json and contracts/asyncapi.yaml. It takes the shapes
// from the Go types, the descriptions from their comments, the ranges from the constants and the
// examples from testdata/examples. It is run by go generate in the folder contracts.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	files, err := Generate(".")
	if err == nil {
		err = write(".", files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "genschema:", err)
		os.Exit(1)
	}
}

// Generate makes the generated files of the package in dir, by their paths in it.
func Generate(dir string) (map[string][]byte, error) {
	comments, err := readComments(dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, d := range documents {
		schema, err := d.build(comments)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		if files["schemas/"+d.name+".json"], err = render(schema); err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
	}
	examples, err := readExamples(filepath.Join(dir, "testdata", "examples"))
	if err != nil {
		return nil, err
	}
	files["asyncapi.yaml"] = appendYAML([]byte("# Written by go generate; change internal/genschema instead.\n"), asyncAPI(examples), 0)
	return files, nil
}

func write(dir string, files map[string][]byte) error {
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
