package archtest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// providersFolder holds one folder a provider, and two that are none.
const providersFolder = "internal/provider"

// checkProviders wants every provider in the list, in config.yaml and in the
// README's table. These are the three existing files that a new provider
// changes; a fourth would be a design error.
func checkProviders(t tree) []string {
	listed := imported(t, providersFolder+"/all")
	config, readme := t.text("config.yaml"), tableRows(t.text("README.md"))
	var found []string
	for _, id := range providers(t) {
		if !slices.Contains(listed, module+"/"+providersFolder+"/"+id) {
			found = append(found, fmt.Sprintf("provider %s: not in the list of internal/provider/all", id))
		}
		if !regexp.MustCompile(`\bprovider: ` + regexp.QuoteMeta(id) + `\b`).MatchString(config) {
			found = append(found, fmt.Sprintf("provider %s: no source with \"provider: %s\" in config.yaml, at least in a comment", id, id))
		}
		if !strings.Contains(readme, "`"+id+"`") {
			found = append(found, fmt.Sprintf("provider %s: no row with `%s` in a table of README.md", id, id))
		}
	}
	return found
}

// providers returns the ids of the providers: the names of their folders.
func providers(t tree) []string {
	var ids []string
	for _, d := range t.folders {
		id := path.Base(d.path)
		if path.Dir(d.path) == providersFolder && id != "all" && id != "providertest" {
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
