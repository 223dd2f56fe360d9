package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that every package of the project starts with.
const module = "github.com/postrider/postrider"

// sourceFile is one parsed Go file.
type sourceFile struct {
	path   string // from the repository's root
	syntax *ast.File
	lines  int
	isTest bool
}

// imports returns the file's import paths.
func (f sourceFile) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// folder is one package folder: its path from the root and its files.
type folder struct {
	path  string
	files []sourceFile
}

// code returns the files that are not tests.
func (d folder) code() []sourceFile {
	return slices.DeleteFunc(slices.Clone(d.files), func(f sourceFile) bool { return f.isTest })
}

// tree is the parsed repository.
type tree struct {
	root    fs.FS
	fset    *token.FileSet
	folders []folder // in path order
}

// at says where a node is, for a person to jump to.
func (t tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// lines returns how many lines a node takes.
func (t tree) lines(n ast.Node) int {
	return t.fset.Position(n.End()).Line - t.fset.Position(n.Pos()).Line + 1
}

// text returns a file of the repository; "" if there is none.
func (t tree) text(name string) string {
	b, err := fs.ReadFile(t.root, name)
	if err != nil {
		return ""
	}
	return string(b)
}

// load parses every Go file of the module under root. Nested modules, testdata
// and hidden folders are left out, as the go command does.
func load(tb testing.TB, root fs.FS) tree {
	tb.Helper()
	t := tree{root: root, fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipFolder(root, p)
		case !strings.HasSuffix(p, ".go"):
			return nil
		}
		return parse(&t, p)
	})
	if err != nil {
		tb.Fatalf("read the source tree: %v", err)
	}
	if len(t.folders) == 0 {
		tb.Fatal("read the source tree: no Go file found")
	}
	return t
}

// skipFolder returns fs.SkipDir for a folder that is no part of the module.
func skipFolder(root fs.FS, p string) error {
	base := path.Base(p)
	if p == "." {
		return nil
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(p, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// parse adds one file to its folder.
func parse(t *tree, p string) error {
	src, err := fs.ReadFile(t.root, p)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(p)
	i := slices.IndexFunc(t.folders, func(d folder) bool { return d.path == dir })
	if i < 0 {
		i = len(t.folders)
		t.folders = append(t.folders, folder{path: dir})
	}
	t.folders[i].files = append(t.folders[i].files, sourceFile{
		path:   p,
		syntax: syntax,
		lines:  strings.Count(string(src), "\n"),
		isTest: strings.HasSuffix(p, "_test.go"),
	})
	return nil
}

// codeFiles yields every file that is no test.
func (t tree) codeFiles() iter.Seq[sourceFile] {
	return func(yield func(sourceFile) bool) {
		for _, d := range t.folders {
			for _, f := range d.code() {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// functions yields the functions and methods that a file declares.
func functions(f sourceFile) iter.Seq[*ast.FuncDecl] {
	return func(yield func(*ast.FuncDecl) bool) {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && !yield(fn) {
				return
			}
		}
	}
}
