package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// Bounds of the code that is no test.
const (
	maxFileLines     = 500
	maxFunctionLines = 60
)

// checkPackageDocs wants one package comment a package, in the usual form.
func checkPackageDocs(t tree) []string {
	var found []string
	for _, d := range t.folders {
		var docs []string
		for _, f := range d.code() {
			if f.syntax.Doc == nil {
				continue
			}
			docs = append(docs, f.path)
			if want := docStart(f.syntax.Name.Name, d.path); !strings.HasPrefix(f.syntax.Doc.Text(), want) {
				found = append(found, fmt.Sprintf("%s: the package comment must start with %q", f.path, want))
			}
		}
		if len(d.code()) > 0 && len(docs) != 1 {
			found = append(found, fmt.Sprintf("%s: %d package comments %v, want exactly one that says what the package is for",
				d.path, len(docs), docs))
		}
	}
	return found
}

// docStart is how a package's comment begins.
func docStart(name, folder string) string {
	if name == "main" {
		return "Command " + path.Base(folder) + " "
	}
	return "Package " + name + " "
}

// checkNames refuses package names that say nothing.
func checkNames(t tree) []string {
	vague := []string{"base", "common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"}
	var found []string
	for _, d := range t.folders {
		if slices.Contains(vague, path.Base(d.path)) {
			found = append(found, d.path+": name the package after what it is about")
		}
	}
	return found
}

// checkSizes bounds files and functions.
func checkSizes(t tree) []string {
	var found []string
	for f := range t.codeFiles() {
		if f.lines > maxFileLines {
			found = append(found, fmt.Sprintf("%s: %d lines, at most %d; split it by concern", f.path, f.lines, maxFileLines))
		}
		for fn := range functions(f) {
			if n := t.lines(fn); n > maxFunctionLines {
				found = append(found, fmt.Sprintf("%s: func %s has %d lines, at most %d; give its steps names",
					t.at(fn), fn.Name.Name, n, maxFunctionLines))
			}
		}
	}
	return found
}

// checkNoInit refuses init functions.
func checkNoInit(t tree) []string {
	var found []string
	for f := range t.codeFiles() {
		for fn := range functions(f) {
			if fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, t.at(fn)+": func init runs unasked and in no order one can read; call it from main or internal/app")
			}
		}
	}
	return found
}

// clockReaders are the functions of package time that pure packages must do
// without. LoadLocation is one of them: what it returns depends on the machine.
var clockReaders = []string{
	"After", "AfterFunc", "LoadLocation", "Local", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until",
}

// checkClock refuses the clock in pure packages.
func checkClock(t tree) []string {
	var found []string
	for _, d := range t.folders {
		if r, ok := rowOf(d.path); !ok || !r.pure {
			continue
		}
		for _, f := range d.code() {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if name := clockUse(n); name != "" {
					found = append(found, fmt.Sprintf("%s: time.%s in a pure package; take the time from the request or the caller", t.at(n), name))
				}
				return true
			})
		}
	}
	return found
}

// clockUse returns which clock reader a node names; "" if none.
func clockUse(n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clockReaders, sel.Sel.Name) {
		return sel.Sel.Name
	}
	return ""
}

// checkExportedDocs wants a comment on every exported name.
func checkExportedDocs(t tree) []string {
	var found []string
	for f := range t.codeFiles() {
		for _, decl := range f.syntax.Decls {
			for _, id := range undocumented(decl) {
				found = append(found, fmt.Sprintf("%s: exported %s has no comment; say what it is, its unit and bounds", t.at(id), id.Name))
			}
		}
	}
	return found
}

// undocumented returns the exported names of a declaration that have no comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}
		return undocumentedSpecs(d)
	}
	return nil
}

// undocumentedSpecs looks into one type, const or var declaration. The comment
// of a group speaks for constants and variables, not for types.
func undocumentedSpecs(d *ast.GenDecl) []*ast.Ident {
	var ids []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && (d.Doc == nil || d.Lparen.IsValid()) {
				ids = append(ids, s.Name)
			}
		case *ast.ValueSpec:
			if s.Doc == nil && s.Comment == nil && d.Doc == nil {
				ids = append(ids, slices.DeleteFunc(slices.Clone(s.Names), func(id *ast.Ident) bool { return !id.IsExported() })...)
			}
		}
	}
	return ids
}

// exportedReceiver reports whether a function is no method, or one of an
// exported type.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return true
	}
	exported := true
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = id.IsExported()
			return false
		}
		return exported
	})
	return exported
}
