package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A mutant whose line is gone proves nothing, and nobody would notice before the
// next long run.
func TestEveryMutantStillFits(t *testing.T) {
	root, err := moduleRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	all, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there are no mutants")
	}
	for _, m := range all {
		for _, c := range m.changes {
			text, err := os.ReadFile(filepath.Join(root, c.file))
			if err != nil {
				t.Errorf("%s: %v", m.name, err)
				continue
			}
			if n := strings.Count(string(text), c.from); n != 1 {
				t.Errorf("%s: the text to replace occurs %d times in %s: %q", m.name, n, c.file, c.from)
			}
		}
	}
}

// module makes a module of one package with a function and its test.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.org/m\n\ngo 1.26\n",
		"m.go":      "package m\n\n// F adds.\nfunc F(a, b int) int { return a + b }\n\n// G is never looked at.\nfunc G() int { return 1 }\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif F(1, 2) != 3 {\n\t\tt.Error(\"wrong\")\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTry(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	const head = "what: adding\ntest: -run TestF ./...\n-- m.go --\n"
	for name, tc := range map[string]struct {
		text string
		want error
		says string
	}{
		"caught":           {head + "a + b\n==>\na - b\n", nil, ""},
		"survives":         {head + "return 1\n==>\nreturn 2\n", errSurvived, ""},
		"gone":             {head + "a * b\n==>\na - b\n", errGone, ""},
		"does not compile": {head + "a + b\n==>\na +\n", nil, "does not compile"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := module(t)
			before, err := os.ReadFile(filepath.Join(dir, "m.go"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := parse(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			err = m.try(t.Context(), dir)
			if tc.says == "" && !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want an error that says %q", err, tc.says)
			}
			after, err := os.ReadFile(filepath.Join(dir, "m.go"))
			if err != nil {
				t.Fatal(err)
			}
			if string(after) != string(before) {
				t.Errorf("the file was left changed:\n%s", after)
			}
		})
	}
}

func TestParseRefusesWhatIsNoMutant(t *testing.T) {
	for name, text := range map[string]string{
		"empty":     "",
		"no change": "what: x\ntest: ./...\n",
		"no arrow":  "what: x\ntest: ./...\n-- a.go --\nfrom\n",
		"no test":   "what: x\n-- a.go --\na\n==>\nb\n",
	} {
		if _, err := parse(text); !errors.Is(err, errForm) {
			t.Errorf("%s: got %v, want %v", name, err, errForm)
		}
	}
}
