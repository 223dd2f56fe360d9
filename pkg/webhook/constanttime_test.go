package webhook_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProofsAreComparedInConstantTime reads the package's code: nothing in it
// compares bytes in a way whose duration tells how many of them are right. What
// is compared as text is a name, a label or a prefix, never a proof.
func TestProofsAreComparedInConstantTime(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	constant := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				switch called := selector(n.Fun); {
				case slices.Contains([]string{"hmac.Equal", "subtle.ConstantTimeCompare"}, called):
					constant++
				case slices.Contains([]string{"bytes.Equal", "bytes.Compare", "strings.Compare", "reflect.DeepEqual", "slices.Equal", "slices.Compare"}, called):
					t.Errorf("%s: %s takes longer the more bytes are right: use hmac.Equal or subtle.ConstantTimeCompare", set.Position(n.Pos()), called)
				}
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (convertsToString(n.X) || convertsToString(n.Y)) {
					t.Errorf("%s: bytes are compared as text: use hmac.Equal or subtle.ConstantTimeCompare", set.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if constant < 3 {
		t.Errorf("%d comparisons in constant time: where are the proofs compared?", constant)
	}
}

// selector writes a function as package.Name; "" if it is another expression.
func selector(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}

// convertsToString reports whether an expression is string(…).
func convertsToString(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.Ident)
	return ok && f.Name == "string"
}
