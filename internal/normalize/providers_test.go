package normalize_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

// TestEverySampleOfEveryProviderNormalizes takes every sample through the path
// and holds the published JSON against the published schema, with the address
// in the clear and as a hash.
func TestEverySampleOfEveryProviderNormalizes(t *testing.T) {
	schema := providertest.Schema(t)
	for _, def := range all.Definitions() {
		p, err := def.New(nil)
		if err != nil {
			t.Fatalf("%s: %v", def.ID, err)
		}
		ids := map[string]string{}
		for i, sample := range def.Samples() {
			name := def.ID + " " + sample.Name
			for _, hashed := range []bool{false, true} {
				s := &normalize.Source{
					Name: def.ID, ID: def.ID, Provider: def.ID, Parser: p, Mapper: def.Mapper,
					QueryRecipient: "email", QueryMetadata: []string{"campaign", "email"}, Pepper: []byte("pepper"), HashRecipient: hashed,
				}
				out := run(t, s, proven("email=query@example.org&campaign=w", providertest.Fill(sample.Body, i)), "raw-1")
				if len(out.DeadLetters) != 0 || len(out.Events) == 0 {
					t.Errorf("%s: got %d events and dead letters %+v", name, len(out.Events), out.DeadLetters)
				}
				for j := range out.Events {
					holds(t, name, schema, &out.Events[j].Event, def)
					hides(t, name, &out.Events[j].Event, hashed)
					remember(t, ids, out.Events[j].Event.ID, fmt.Sprint(name, j))
				}
			}
		}
	}
}

// holds checks what is true of every published event.
func holds(t *testing.T, name string, schema *jsonschema.Schema, e *event.Event, def provider.Definition) {
	t.Helper()
	b := e.AppendJSON(nil)
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: not JSON: %v", name, err)
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("%s: %v\n%s", name, err, b)
	}
	if e.Provider != def.ID || e.Metadata["campaign"] != "w" && e.Metadata["query.campaign"] != "w" || !e.Route().Valid() {
		t.Errorf("%s: got %s", name, b)
	}
	if back, err := event.Decode(b); err != nil || !bytes.Equal(back.AppendJSON(nil), b) {
		t.Errorf("%s: does not survive a round trip (%v): %s", name, err, b)
	}
}

// hides checks that in hash mode, and only there, no recipient is to be read.
func hides(t *testing.T, name string, e *event.Event, hashed bool) {
	t.Helper()
	b := string(e.AppendJSON(nil))
	clear := strings.Contains(b, "recipient@example.com") || strings.Contains(b, "query@example.org")
	if clear == hashed || (hashed && e.RecipientHash == "") {
		t.Errorf("%s: hash mode %v, but got %s", name, hashed, b)
	}
}

// remember checks that an id belongs to one event.
func remember(t *testing.T, ids map[string]string, id, owner string) {
	t.Helper()
	if other, taken := ids[id]; taken && other != owner {
		t.Errorf("%s and %s have the same id", owner, other)
	}
	ids[id] = owner
}

// FuzzNormalize gives every built-in provider any body: each of its results
// must come out as a valid event or as a dead letter, twice the same.
func FuzzNormalize(f *testing.F) {
	var sources []*normalize.Source
	for i, def := range all.Definitions() {
		p, err := def.New(nil)
		if err != nil {
			f.Fatal(err)
		}
		sources = append(sources, &normalize.Source{Name: def.ID, ID: def.ID, Provider: def.ID, Parser: p, Mapper: def.Mapper, Pepper: []byte("pepper"), HashRecipient: i%2 == 0})
		for n, sample := range def.Samples() {
			f.Add([]byte(providertest.Fill(sample.Body, n)))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v := proven("campaign=w", string(body))
		for _, s := range sources {
			out := run(t, s, v, "raw-1")
			if got, want := len(out.Events)+len(out.DeadLetters), len(s.Parser.Parse(v)); got != want {
				t.Fatalf("%s: %d results became %d events and dead letters", s.Provider, want, got)
			}
			encoder := normalize.NewEncoder(s, v, "raw-1")
			for _, d := range out.DeadLetters {
				if d.Reason == normalize.ReasonParserPanic || !json.Valid(encoder.Record(&d).Value) {
					t.Fatalf("%s: dead letter %+v", s.Provider, d)
				}
			}
			again := run(t, s, v, "raw-1")
			for i := range out.Events {
				e := &out.Events[i].Event
				if b := e.AppendJSON(nil); e.Validate() != nil || !json.Valid(b) || !bytes.Equal(b, again.Events[i].Event.AppendJSON(nil)) {
					t.Fatalf("%s: invalid or not the same twice: %s", s.Provider, b)
				}
			}
		}
	})
}
