package jetemail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/jetemail"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

// body reads the body of a case of testdata.
func body(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n")
	return []byte(body)
}

// The page shows the same id on ten of its types and another one on four: its
// fifteen examples, unchanged, are fifteen events all the same.
func TestExamplesAreDistinctEvents(t *testing.T) {
	def := jetemail.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	ids, topics := make(map[string]string), make(map[event.Route][]string)
	for _, row := range def.Types {
		name := strings.ReplaceAll(row.ProviderType, ".", "_")
		r := providertest.Parse(t, def, p, body(t, name))[0]
		id := r.NativeID + " " + r.Event.ProviderType
		if other, ok := ids[id]; ok {
			t.Errorf("%s and %s are one event", name, other)
		}
		ids[id] = name
		topics[r.Event.Route()] = append(topics[r.Event.Route()], name)
	}
	if len(ids) != 15 {
		t.Errorf("%d events, want 15", len(ids))
	}
	for route, names := range topics {
		for _, name := range names {
			if strings.HasPrefix(name, "inbound") != (route.Direction == event.Inbound) {
				t.Errorf("%s goes to the topic of %s %s", name, route.Direction, route.Type)
			}
		}
	}
}
