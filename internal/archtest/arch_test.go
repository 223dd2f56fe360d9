package archtest

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// rules are the checks, by the name of the subtest that runs them.
var rules = []struct {
	name  string
	check func(tree) []string
}{
	{"imports", checkImports},
	{"clock", checkClock},
	{"package_docs", checkPackageDocs},
	{"package_names", checkNames},
	{"exported_docs", checkExportedDocs},
	{"sizes", checkSizes},
	{"no_init", checkNoInit},
	{"providers", checkProviders},
	{"touched", checkTouched},
}

// TestArchitecture holds the repository against every rule.
func TestArchitecture(t *testing.T) {
	repository := load(t, os.DirFS("../.."))
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, finding := range rule.check(repository) {
				t.Error(finding)
			}
		})
	}
}

// TestTableIsCurrent fails for a row that no package fits: a table with dead
// rows is not believed.
func TestTableIsCurrent(t *testing.T) {
	repository := load(t, os.DirFS("../.."))
	for _, r := range table {
		used := false
		for _, d := range repository.folders {
			used = used || matches(r.folder, d.path)
		}
		if !used {
			t.Errorf("table: no package fits the row %s; remove it", r.folder)
		}
	}
}

// TestRulesCatch plants one violation a rule in a clean tree and wants exactly
// that one reported.
func TestRulesCatch(t *testing.T) {
	long := "func steps() {\n" + strings.Repeat("\t_ = 1\n", maxFunctionLines) + "}\n"
	for _, tt := range []struct {
		name, file, text string // the planted file; it replaces the clean one
		want             string // in the one finding; "" if there must be none
	}{
		{"clean", "internal/provider/acme/acme.go", clean["internal/provider/acme/acme.go"], ""},
		{
			"package without a row", "internal/extra/extra.go", "// Package extra is new.\npackage extra\n",
			"internal/extra: no row in",
		},
		{
			"provider imports a provider", "internal/provider/acme/acme.go",
			"// Package acme is a provider.\npackage acme\n\nimport _ \"" + module + "/internal/provider/other\"\n",
			"imports " + module + "/internal/provider/other: its row",
		},
		{
			"provider imports an HTTP server", "internal/provider/acme/acme.go",
			"// Package acme is a provider.\npackage acme\n\nimport _ \"net/http\"\n",
			"imports net/http: this package is pure",
		},
		{
			"pure package may handle addresses", "internal/provider/acme/acme.go",
			"// Package acme is a provider.\npackage acme\n\nimport _ \"net/netip\"\n", "",
		},
		{
			"what a row excepts", "internal/normalize/normalize.go",
			"// Package normalize is pure.\npackage normalize\n\nimport _ \"net/http\"\n", "",
		},
		{
			"library outside its place", "internal/provider/acme/acme.go",
			"// Package acme is a provider.\npackage acme\n\nimport _ \"" + kafkaGo + "/sasl\"\n",
			"does not list that library",
		},
		{
			"test support in a program", "internal/app/app.go",
			"// Package app is the wiring.\npackage app\n\nimport _ \"" + module + "/internal/provider/providertest\"\n",
			"that package is for tests",
		},
		{
			"tests may import what they need", "internal/provider/acme/acme_test.go",
			"package acme\n\nimport _ \"" + cmp + "/cmp\"\n", "",
		},
		{
			"clock in a pure package", "internal/provider/acme/acme.go",
			"// Package acme is a provider.\npackage acme\n\nimport \"time\"\n\nvar _ = time.Now\n",
			"acme.go:6: time.Now in a pure package",
		},
		{
			"no package comment", "internal/provider/acme/acme.go", "package acme\n",
			"internal/provider/acme: 0 package comments",
		},
		{
			"two package comments", "internal/provider/acme/table.go", "// Package acme again.\npackage acme\n",
			"internal/provider/acme: 2 package comments",
		},
		{
			"package comment of another form", "internal/provider/acme/acme.go", "// This is a provider.\npackage acme\n",
			`must start with "Package acme "`,
		},
		{
			"command's comment", "cmd/postrider/main.go", "// Package main is a command.\npackage main\n",
			`must start with "Command postrider "`,
		},
		{
			"exported function", "internal/app/more.go", "package app\n\nfunc Run() {}\n",
			"more.go:3: exported Run has no comment",
		},
		{
			"method of an exported type", "internal/app/more.go", "package app\n\n// T is one.\ntype T[P any] struct{}\n\nfunc (t *T[P]) Run() {}\n",
			"more.go:6: exported Run has no comment",
		},
		{
			"method of an unexported type", "internal/app/more.go", "package app\n\ntype t struct{}\n\nfunc (t) Run() {}\n", "",
		},
		{
			"type in a group", "internal/app/more.go", "package app\n\n// Two types.\ntype (\n\tOne int\n)\n",
			"more.go:5: exported One has no comment",
		},
		{
			"constants under their group's comment", "internal/app/more.go", "package app\n\n// Two constants.\nconst (\n\tOne = 1\n\tTwo = 2\n)\n", "",
		},
		{
			"variable", "internal/app/more.go", "package app\n\nvar One, two = 1, 2\n",
			"more.go:3: exported One has no comment",
		},
		{"init", "internal/app/more.go", "package app\n\nfunc init() {}\n", "more.go:3: func init runs unasked"},
		{"long function", "internal/app/more.go", "package app\n\n" + long, "func steps has 62 lines, at most 60"},
		{
			"long file", "internal/app/more.go", "package app\n" + strings.Repeat("\n", maxFileLines), "more.go: 501 lines, at most 500",
		},
		{
			"long test", "internal/app/more_test.go", "package app\n\n" + long + strings.Repeat("\n", maxFileLines), "",
		},
		{
			"provider not in the list", "internal/provider/all/all.go", "// Package all is the list.\npackage all\n",
			"provider acme: not in the list",
		},
		{
			"provider without a page", "docs/providers/acme.md", "", "provider acme: no page docs/providers/acme.md",
		},
		{
			"provider not in a table of the README", "README.md", "There is also `acme`.\n",
			"provider acme: no row with",
		},
		{
			"provider in one file too many", "config.yaml", "# - name: acme\n#   provider: acme\n",
			"provider acme: named in 4 files that were there before, at most 3: internal/provider/all/all.go, pkg/webhook/scheme.go, README.md, config.yaml",
		},
		{"provider in prose", "docs/operations.md", "Acme's `acme` is an example.\n", ""},
		{"nested module", "internal/tools/init.go", "package tools\n\nfunc init() {}\n", ""},
		{"testdata", "internal/app/testdata/init.go", "package testdata\n\nfunc init() {}\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { wantFinding(t, planted(tt.file, tt.text), tt.want) })
	}
	t.Run("vague name", func(t *testing.T) {
		found := checkNames(load(t, planted("internal/util/util.go", "package util\n")))
		if len(found) != 1 || !strings.Contains(found[0], "internal/util: name the package") {
			t.Errorf("findings = %q, want one about internal/util", found)
		}
	})
}

// clean is a small tree that keeps every rule.
var clean = map[string]string{
	"go.mod":                         "module " + module + "\n",
	"internal/tools/go.mod":          "module tools\n",
	"cmd/postrider/main.go":          "// Command postrider runs.\npackage main\n\nimport _ \"" + module + "/internal/app\"\n",
	"internal/app/app.go":            "// Package app is the wiring.\npackage app\n\nimport _ \"" + zap + "/zapcore\"\n",
	"internal/provider/acme/acme.go": "// Package acme is a provider.\npackage acme\n\nimport _ \"" + module + "/pkg/event\"\n",
	"internal/provider/all/all.go":   "// Package all is the list.\npackage all\n\nimport _ \"" + module + "/internal/provider/acme\"\n",
	"pkg/webhook/scheme.go":          "// Package webhook proves.\npackage webhook\n\nvar _ = \"acme\"\n",
	"docs/providers/acme.md":         "# Acme\n",
	"README.md":                      "| Provider | id |\n|---|---|\n| Acme | `acme` |\n",
}

// planted is the clean tree with one file set.
func planted(file, text string) fs.FS {
	root := fstest.MapFS{}
	for name, text := range clean {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	root[file] = &fstest.MapFile{Data: []byte(text)}
	return root
}

// wantFinding runs every rule and wants one finding that contains want, or none.
func wantFinding(t *testing.T, root fs.FS, want string) {
	t.Helper()
	parsed := load(t, root)
	found := make([]string, 0, 1)
	for _, rule := range rules {
		found = append(found, rule.check(parsed)...)
	}
	switch {
	case want == "" && len(found) == 0:
	case want != "" && len(found) == 1 && strings.Contains(found[0], want):
	default:
		t.Errorf("findings = %q, want one with %q", found, want)
	}
}
