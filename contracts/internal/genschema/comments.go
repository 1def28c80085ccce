package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// readComments collects the comments of the types and fields in dir, by "Type" and "Type.Field".
func readComments(dir string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("read comments: %w", err)
		}
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.TYPE {
				collect(gen, comments)
			}
		}
	}
	return comments, nil
}

func collect(gen *ast.GenDecl, comments map[string]string) {
	for _, spec := range gen.Specs {
		ts := spec.(*ast.TypeSpec)
		doc := ts.Doc
		if doc == nil {
			doc = gen.Doc
		}
		comments[ts.Name.Name] = sentence(doc)
		st, ok := ts.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range st.Fields.List {
			text := sentence(field.Doc)
			if text == "" {
				text = sentence(field.Comment)
			}
			for _, name := range field.Names {
				comments[ts.Name.Name+"."+name.Name] = text
			}
		}
	}
}

func sentence(group *ast.CommentGroup) string {
	return strings.Join(strings.Fields(group.Text()), " ")
}
