package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"a@example.com":                  "a@example.com",
		"A@Example.COM":                  "A@Example.COM",
		`"A" <a@example.com>`:            "a@example.com",
		"Anna B. <a@example.com>":        "a@example.com",
		`"Smith, <J>" <j@example.com>`:   "j@example.com",
		`"quote \" <x>" <j@example.com>`: "j@example.com",
		`"open <j@example.com>`:          "j@example.com",
		"<a@example.com>":                "a@example.com",
		`<"a<b"@example.com>`:            `"a<b"@example.com`,
		`"a<b>"@example.com`:             `"a<b>"@example.com`,
		"<>":                             "<>",
		"Nobody <>":                      "Nobody <>",
		"[email\u00a0protected]":         "[email\u00a0protected]",
		"Jürgen <jürgen@bücher.example>": "jürgen@bücher.example",
		"a@example.com, b@example.com":   "a@example.com, b@example.com",
		">":                              ">",
		"a>":                             "a>",
		"":                               "",
	} {
		if got := provider.Address(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTakeTime(t *testing.T) {
	for text, want := range map[string]string{
		`1704825600`:                            "2024-01-09T18:40:00Z",
		`"1457141619"`:                          "2016-03-05T01:33:39Z",
		`1704825600.5`:                          "2024-01-09T18:40:00.5Z",
		`"1704825600.120000000"`:                "2024-01-09T18:40:00.120000000Z",
		`946684800`:                             "2000-01-01T00:00:00Z",
		`4133980799`:                            "2100-12-31T23:59:59Z",
		`"2025-11-28T06:29:34+00:00"`:           "2025-11-28T06:29:34Z",
		`"2025-11-28T06:36:18.8261187+00:00"`:   "2025-11-28T06:36:18.8261187Z",
		`"2025-11-28T06:36:18.123456789+05:30"`: "2025-11-28T01:06:18.123456789Z",
		`"2025-11-28T06:36:18.100Z"`:            "2025-11-28T06:36:18.100Z",
		`946684799`:                             "", // 1999
		`4133980800`:                            "", // 2101
		`0`:                                     "",
		`-1704825600`:                           "",
		`1704825600000`:                         "", // milliseconds
		`1.7e9`:                                 "",
		`1e400`:                                 "",
		`1704825600.1234567890`:                 "",
		`"1704825600."`:                         "",
		`"0001-01-01T00:00:00Z"`:                "",
		`"2025-11-28T06:29:34"`:                 "", // no zone
		`"yesterday"`:                           "",
		`""`:                                    "",
		`" 1704825600"`:                         "",
		`true`:                                  "",
		`{"unix":1704825600}`:                   "",
		`"99999999999999999999999999999999"`:    "",
	} {
		doc, err := jsondoc.Parse([]byte(`{"at":` + text + `}`))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		o, _ := doc.Root().Object(false)
		got := provider.TakeTime(o, "at")
		if got.String() != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if _, kept := o.Rest(nil)["at"]; kept != (want == "" && text != `""`) {
			t.Errorf("%s: kept for the metadata is %v", text, kept)
		}
	}
}

// word reads the member "type" of each object, as a provider would.
func word(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	e.ProviderType = o.String("type")
	if e.ProviderType == "" {
		return "x", provider.MissingType("type")
	}
	return o.String("id"), nil
}

// request is a request of which nothing is known but its body.
func request(body string) webhook.Request {
	return webhook.Request{Method: "POST", Body: []byte(body)}
}

func TestItems(t *testing.T) {
	strict, tolerant := provider.Reading{Item: word}, provider.Reading{Item: word, Tolerant: true, Fold: true}
	const body = ` [ {"type":"a","id":"1"} , {"type":"b"}, {"id":"3"}, null ] `
	got := strict.Read(request(body))
	hash := got[1].NativeID
	want := []provider.Result{
		{Index: 0, Item: []byte(`{"type":"a","id":"1"}`), Compact: true, NativeID: "1", Event: event.Event{ProviderType: "a"}},
		{Index: 1, Item: []byte(`{"type":"b"}`), Compact: true, NativeID: hash, Derived: true, Event: event.Event{ProviderType: "b"}},
		{Index: 2, Item: []byte(`{"id":"3"}`), Compact: true, Malformed: provider.MissingType("type")},
		{Index: 3, Item: []byte(`null`), Malformed: &provider.Malformed{Reason: provider.ReasonNotAnObject, Detail: "item 3 is no object"}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b event.Time) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(hash) != 64 {
		t.Errorf("derived id %q", hash)
	}
	const comma = `{"TYPE":"a","id":"1",}`
	if r := strict.Read(request(comma))[0]; r.Malformed == nil || r.Index != -1 || string(r.Item) != comma {
		t.Errorf("strict: %+v", r)
	}
	if r := tolerant.Read(request(comma))[0]; r.Malformed != nil || r.Event.ProviderType != "a" || string(r.Item) != comma {
		t.Errorf("tolerant: %+v", r)
	}
}

func TestMalformedNamesNoPayload(t *testing.T) {
	for _, body := range []string{`{"secret":`, `["secret"]`, `"secret"`, `{"secret":"secret"}`, `secret`} {
		for _, r := range (provider.Reading{Item: word}).Read(request(body)) {
			if r.Malformed == nil || strings.Contains(r.Malformed.Error(), "secret") {
				t.Errorf("%s: %v", body, r.Malformed)
			}
		}
	}
}

func TestNoOptions(t *testing.T) {
	if err := provider.NoOptions("x", nil); err != nil {
		t.Error(err)
	}
	err := provider.NoOptions("x", map[string]string{"b": "1", "a": "secret"})
	if err == nil || !strings.Contains(err.Error(), `"a"`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v, want one that names option a", err)
	}
}
