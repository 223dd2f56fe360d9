package all_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
)

// updating reports whether the README's table is to be rewritten: by the flag -update
// of package providertest.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

const readme = "../../../README.md"

// TestReadmeListsTheProviders holds the README's table against the definitions.
func TestReadmeListsTheProviders(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- providers: go test ./internal/provider/all -update -->\n", "<!-- end of providers -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md: no table between %q and %q", begin, end)
	}
	want := providerTable()
	if got == want {
		return
	}
	if !updating() {
		t.Fatalf("README.md: the table of providers is not what the definitions say; run: go test ./internal/provider/all -update\ngot\n%s\nwant\n%s", got, want)
	}
	if err := os.WriteFile(readme, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Error("README.md: table rewritten: read it, then run without -update")
}

func providerTable() string {
	var b strings.Builder
	b.WriteString("| provider | id | events (documented words) | proof | an event is itself by | sent again | waits | events a request | handshake |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, d := range all.Definitions() {
		fmt.Fprintf(&b, "| [%s](docs/providers/%s.md) | `%s` | %s (%d) | `%s` | %s | %s | %s | %s | %s |\n", d.Title, d.ID, d.ID,
			canonical(d.Types), len(words(d.Types)), d.Auth, d.Identity, d.Policy.Retries, waits(d.Policy.Timeout), events(d.MaxEvents), cmp.Or(d.Handshake, "–"))
	}
	return b.String()
}

// canonical names the canonical types of a vocabulary, in their own order.
func canonical(rows []provider.TypeInfo) string {
	var names []string
	for _, route := range event.Routes() {
		is := func(r provider.TypeInfo) bool { return r.Type == route.Type && r.Direction == route.Direction }
		if !slices.ContainsFunc(rows, is) {
			continue
		}
		name := string(route.Type)
		if route.Direction == event.Inbound {
			name = "inbound." + name
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// words are the provider's own, each once.
func words(rows []provider.TypeInfo) map[string]bool {
	set := make(map[string]bool)
	for _, r := range rows {
		set[r.ProviderType] = true
	}
	return set
}

func waits(d time.Duration) string {
	if d == 0 {
		return "not documented"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

func events(n int) string {
	switch n {
	case 0:
		return "batch, no bound documented"
	case 1:
		return "1"
	}
	return "up to " + strconv.Itoa(n)
}
