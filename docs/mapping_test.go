package docs_test

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/internal/mapspec"
)

// specKeys lists the keys of a declaration, those of groups within it too.
func specKeys(t reflect.Type) []string {
	var keys []string
	for f := range t.Fields() {
		key := f.Tag.Get("yaml")
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		inner := f.Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, specKeys(inner)...)
		}
	}
	return keys
}

// The page has a row for every key of a mapping, and for none that does not exist.
func TestMappingKeysAreDocumented(t *testing.T) {
	page := section(t, text(t, "mapping.md"), "## Keys")
	known := specKeys(reflect.TypeFor[mapspec.Spec]())
	all := codes(page)
	for _, key := range known {
		if !slices.Contains(all, key) {
			t.Errorf("the key %s is not documented", key)
		}
	}
	for _, cell := range firstCells(page) {
		if regexp.MustCompile(`^[a-z_]+$`).MatchString(cell) && cell != "skip" && !slices.Contains(known, cell) {
			t.Errorf("there is no key %s", cell)
		}
	}
	if len(known) < 50 {
		t.Errorf("%d keys", len(known))
	}
}

// The page's whole mapping is one.
func TestMappingExampleIsInOrder(t *testing.T) {
	_, rest, _ := strings.Cut(text(t, "mapping.md"), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	_, err := config.Load(config.Options{
		File: "config.yaml", Providers: app.ProviderIDs(), Check: app.CheckSources,
		ReadFile: func(name string) ([]byte, error) {
			if strings.HasSuffix(name, "config.yaml") {
				return []byte(example), nil
			}
			return []byte("0123456789abcdef0123456789abcdef"), nil
		},
	})
	if err != nil {
		t.Error(err)
	}
}
