package archtest

import (
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// providersFolder holds one folder a provider, and two that are none.
const providersFolder = "internal/provider"

// checkProviders wants every provider listed where providers are looked for.
func checkProviders(t tree) []string {
	listed := imported(t, providersFolder+"/all")
	readme := tableRows(t.text("README.md"))
	var found []string
	for _, folder := range providers(t) {
		id := t.providerID(folder)
		if !slices.Contains(listed, module+"/"+providersFolder+"/"+folder) {
			found = append(found, fmt.Sprintf("provider %s: not in the list of internal/provider/all", id))
		}
		if !strings.Contains(readme, "`"+id+"`") {
			found = append(found, fmt.Sprintf("provider %s: no row with `%s` in a table of README.md", id, id))
		}
		if page := providerPage(id); t.text(page) == "" {
			found = append(found, fmt.Sprintf("provider %s: no page %s", id, page))
		}
	}
	return found
}

// mostTouched is how many files that were there before a provider may change: the
// list, the README's table and, where the provider signs in a way of its own, the
// table of the schemes.
const mostTouched = 3

// checkTouched counts the files beside a provider's own that name it as data: those
// that whoever adds one like it has to change. A provider's own are its folder, its
// page, its scheme and its mapping.
func checkTouched(t tree) []string {
	var found []string
	for _, folder := range providers(t) {
		id := t.providerID(folder)
		if slices.Contains(firstProviders, id) || slices.Contains(formats, id) {
			continue
		}
		if files := t.naming(folder, id); len(files) > mostTouched {
			found = append(found, fmt.Sprintf("provider %s: named in %d files that were there before, at most %d: %s", id, len(files), mostTouched, strings.Join(files, ", ")))
		}
	}
	return found
}

// firstProviders are also what a first run makes sources of, and what docs and
// commands have for examples.
var firstProviders = []string{"vfs", "cmcom", "jetemail"}

// formats are read like providers, and are more than that: ways to sign and to deliver.
var formats = []string{"cloudevents", "standard_webhooks"}

// naming lists the files beside a provider's own that name it as data: as a string
// or an import in code, in a heading or a row of a table in a text, or as a source.
func (t tree) naming(folder, id string) []string {
	var files []string
	for f := range t.codeFiles() {
		r, ok := rowOf(path.Dir(f.path))
		own := strings.HasPrefix(f.path, providersFolder+"/"+folder+"/") || f.path == "pkg/webhook/"+id+".go"
		if !own && ok && !r.tests && f.mentions(strconv.Quote(id), strconv.Quote(module+"/"+providersFolder+"/"+folder)) {
			files = append(files, f.path)
		}
	}
	for _, name := range t.texts() {
		if name != providerPage(id) && namesInText(t.text(name), id) {
			files = append(files, name)
		}
	}
	return files
}

// mentions reports whether one of some literals is in the file's code.
func (f sourceFile) mentions(literals ...string) bool {
	found := false
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		found = found || ok && slices.Contains(literals, lit.Value)
		return !found
	})
	return found
}

// texts lists the documents for people, and the commented configuration.
func (t tree) texts() []string {
	names := []string{"README.md", "CONTRIBUTING.md", "config.yaml"}
	for _, pattern := range []string{"docs/*.md", "docs/providers/*.md"} {
		found, _ := fs.Glob(t.root, pattern) // the pattern is well-formed
		names = append(names, found...)
	}
	return names
}

// namesInText reports whether a text has a heading, a row or a source of a provider.
func namesInText(text, id string) bool {
	source := regexp.MustCompile(`\bprovider: ` + regexp.QuoteMeta(id) + `\b`)
	for line := range strings.Lines(text) {
		entry := strings.HasPrefix(line, "#") || strings.HasPrefix(strings.TrimSpace(line), "|")
		if entry && strings.Contains(line, "`"+id+"`") || source.MatchString(line) {
			return true
		}
	}
	return false
}

func providerPage(id string) string { return "docs/providers/" + id + ".md" }

// providerID is the id that a provider's definition has; the folder's name where it
// has none.
func (t tree) providerID(folder string) string {
	id := regexp.MustCompile(`\bID:\s+"([a-z0-9_]+)"`)
	for _, d := range t.folders {
		if d.path != providersFolder+"/"+folder {
			continue
		}
		for _, f := range d.code() {
			if m := id.FindStringSubmatch(t.text(f.path)); m != nil {
				return m[1]
			}
		}
	}
	return folder
}

// noProviders are folders beside the providers: mapping reads what a configuration
// declares.
var noProviders = []string{"all", "mapping", "providertest"}

// providers returns the names of the providers' folders.
func providers(t tree) []string {
	var ids []string
	for _, d := range t.folders {
		id := path.Base(d.path)
		if path.Dir(d.path) == providersFolder && !slices.Contains(noProviders, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// imported returns what the code of a folder imports.
func imported(t tree, where string) []string {
	var paths []string
	for _, d := range t.folders {
		if d.path != where {
			continue
		}
		for _, f := range d.code() {
			paths = append(paths, f.imports()...)
		}
	}
	return paths
}

// tableRows returns the lines of a Markdown text that are rows of a table.
func tableRows(text string) string {
	var rows []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "|") {
			rows = append(rows, line)
		}
	}
	return strings.Join(rows, "")
}
