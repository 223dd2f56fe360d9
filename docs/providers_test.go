package docs_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/all"
)

// pageSections are those of every provider's page, in order.
var pageSections = []string{"## Set up", "## Proof", "## Retries and answers", "## Mapping", "## Traps"}

// deviations end a page where there are any.
const deviations = "## Where we deviate, and why"

// Every provider has a page that says what the code does: its id and title, the
// address of the provider's page, the auth type of a source that one would write,
// and each word of its vocabulary.
func TestEveryProviderHasAPage(t *testing.T) {
	for _, def := range all.Definitions() {
		page := text(t, "providers/"+def.ID+".md")
		for what, part := range map[string]string{
			"title": "# " + def.Title + "\n", "id": "Provider id `" + def.ID + "`", "address of the provider's page": def.Doc, "auth type": "type: " + def.Auth,
		} {
			if !strings.Contains(page, part) {
				t.Errorf("%s.md: no %s: %q", def.ID, what, part)
			}
		}
		if !strings.HasPrefix(page, "# "+def.Title+"\n") {
			t.Errorf("%s.md does not begin with its title", def.ID)
		}
		for _, row := range def.Types {
			if !strings.Contains(page, "`"+row.ProviderType+"`") {
				t.Errorf("%s.md: type %s is not named", def.ID, row.ProviderType)
			}
		}
		inOrder(t, def.ID+".md", page, pageSections)
	}
}

// inOrder wants the headings in a page, one after the other.
func inOrder(t *testing.T, name, page string, headings []string) {
	t.Helper()
	for _, heading := range headings {
		_, rest, ok := strings.Cut("\n"+page, "\n"+heading+"\n")
		if !ok {
			t.Errorf("%s: no %q behind the one before it", name, heading)
			return
		}
		page = rest
	}
}

// No page describes a provider that is not there, and the index has every section.
func TestPagesAreOfProviders(t *testing.T) {
	files, err := filepath.Glob("providers/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".md")
		if _, ok := all.Lookup(id); !ok && id != "README" && id != "adding" {
			t.Errorf("%s: there is no provider %s", file, id)
		}
	}
	index := text(t, "providers/README.md")
	for _, heading := range append(slices.Clone(pageSections), deviations) {
		if !strings.Contains(index, "- **"+strings.TrimPrefix(heading, "## ")+"**") {
			t.Errorf("providers/README.md says nothing of %q", heading)
		}
	}
}

// What the page on adding a provider names is there, and its functions, too.
func TestAddingAProvider(t *testing.T) {
	page := text(t, "providers/adding.md")
	place := regexp.MustCompile(`^(?:internal|pkg|docs)/[^<]+$|^README\.md$`)
	count := 0
	for _, code := range codes(strings.ReplaceAll(page, "```", "")) {
		if !place.MatchString(code) {
			continue
		}
		count++
		if found, err := filepath.Glob(filepath.Join("..", code)); err != nil || len(found) != 1 {
			t.Errorf("adding.md: there is no %s", code)
		}
	}
	if count < 8 {
		t.Errorf("only %d places found", count)
	}
	suite := text(t, "../internal/provider/providertest/providertest.go") + text(t, "../internal/provider/providertest/fuzz.go")
	for _, m := range regexp.MustCompile(`providertest\.(\w+)\(`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(suite, "func "+m[1]+"(") {
			t.Errorf("adding.md: there is no providertest.%s", m[1])
		}
	}
	if !strings.Contains(text(t, "../CONTRIBUTING.md"), "(docs/providers/adding.md)") {
		t.Error("CONTRIBUTING.md does not lead to it")
	}
}
