package docs_test

import (
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/config"
	"github.com/postrider/postrider/pkg/event"
)

// The event that the page shows is one, to the letter.
func TestExampleEventIsValid(t *testing.T) {
	_, rest, _ := strings.Cut(text(t, "events.md"), "```json\n")
	example, _, ok := strings.Cut(rest, "\n```")
	if !ok {
		t.Fatal("no example")
	}
	e, err := event.Decode([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	compact := regexp.MustCompile(`\n *|(,|:) `).ReplaceAllString(example, "$1")
	if got := strings.ReplaceAll(string(e.AppendJSON(nil)), ": ", ":"); got != strings.ReplaceAll(compact, ": ", ":") {
		t.Errorf("written anew it is\n%s, and reads\n%s", got, compact)
	}
}

// keyPaths adds the path of every key below t.
func keyPaths(t reflect.Type, path string, into map[string]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for f := range t.Fields() {
		key := f.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		inner := strings.TrimPrefix(path+"."+key, ".")
		into[inner] = true
		keyPaths(f.Type, inner, into)
	}
}

// Every key of the configuration that a page names by its path exists.
func TestKeysExist(t *testing.T) {
	known := make(map[string]bool)
	keyPaths(reflect.TypeFor[config.Config](), "", known)
	key := regexp.MustCompile(`^(?:server|admin|kafka|spool|forward|log|pii|sources)(?:\[\])?(?:\.[a-z_]+(?:\[\])?)+`)
	count := 0
	for name, page := range pages(t) {
		for _, code := range codes(page) {
			found := key.FindString(code)
			if found == "" || slices.Contains([]string{".go", ".yaml"}, filepath.Ext(code)) {
				continue
			}
			count++
			if !known[strings.ReplaceAll(found, "[]", "")] {
				t.Errorf("%s: there is no key %s", name, found)
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d keys found", count)
	}
}

// Every command that a page shows exists, and so do its flags.
func TestCommandsExist(t *testing.T) {
	uses, flags := commands(t)
	count := 0
	for name, page := range pages(t) {
		for _, m := range regexp.MustCompile("(?:`|    )postrider ([a-z]+)([^`\n]*)").FindAllStringSubmatch(page, -1) {
			count++
			if !uses[m[1]] {
				t.Errorf("%s: there is no command %s", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(page, -1) {
			if !flags[m[1]] && m[1] != "help" {
				t.Errorf("%s: there is no flag --%s", name, m[1])
			}
		}
	}
	if count < 10 {
		t.Errorf("only %d commands found in the pages", count)
	}
}

// commands returns the names of commands and flags in the command line's code.
func commands(t *testing.T) (uses, flags map[string]bool) {
	t.Helper()
	uses, flags = make(map[string]bool), make(map[string]bool)
	files, err := filepath.Glob("../cmd/postrider/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source := text(t, file)
		for _, m := range regexp.MustCompile(`Use: +"([a-z]+)`).FindAllStringSubmatch(source, -1) {
			uses[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?:Flags\(\)|[a-z])\.(?:[A-Z]\w+)?VarP?\([^,"]+, "([a-z-]+)"`).FindAllStringSubmatch(source, -1) {
			flags[m[1]] = true
		}
	}
	if len(uses) < 5 || len(flags) < 5 {
		t.Fatalf("commands %v, flags %v", slices.Sorted(maps.Keys(uses)), slices.Sorted(maps.Keys(flags)))
	}
	return uses, flags
}
