package archtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// standalone are the packages that say of themselves that they need nothing else.
var standalone = []string{"pkg/event", "pkg/webhook"}

// TestStandalonePackages builds a program of another module that imports them. It
// needs the standard library and nothing else: neither another package, nor as much
// as the go.mod of a module of other people, for there is no network and the module
// cache is empty. The test cache notices changes, since the other tests here read
// the source.
func TestStandalonePackages(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"go.mod":  fmt.Sprintf("module example.org/alone\n\ngo 1.26\n\nrequire %s v0.0.0\n\nreplace %s => %q\n", module, module, root),
		"main.go": importing(standalone),
	})
	goCommand(t, dir, "build", "-mod=mod", "-o", os.DevNull, ".")
	for path := range strings.Lines(goCommand(t, dir, "list", "-mod=mod", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")) {
		path = strings.TrimSpace(path)
		own, isOwn := strings.CutPrefix(path, module+"/")
		if path != "" && path != "example.org/alone" && (!isOwn || !matchesAny(standalone, own)) {
			t.Errorf("they pull in %s", path)
		}
	}
}

// importing is a program that imports packages of this module.
func importing(packages []string) string {
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "\t_ %q\n", module+"/"+p)
	}
	b.WriteString(")\n\nfunc main() {}\n")
	return b.String()
}

// writeFiles writes files into a folder.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// goCommand runs the go command without modules of other people and returns what
// it prints.
func goCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local", "GOMODCACHE="+filepath.Join(dir, "modules"))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("go %s: %v\n%s", args[0], err, said.String())
	}
	return out.String()
}
