package normalize_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/normalize"
)

// contentOf is the content of an item that came with this query.
func contentOf(t testing.TB, item, query, recipient string) [16]byte {
	t.Helper()
	r := delivered("n")
	r.Item, r.Event.Recipient = []byte(item), recipient
	s := source(gives(r))
	s.QueryRecipient, s.QueryMetadata = "email", []string{"campaign", "note"}
	out := run(t, s, proven(query, "{}"), "raw-1")
	return out.Events[0].Content()
}

func TestContentTellsWhatItemsSay(t *testing.T) {
	type request struct{ item, query, recipient string }
	same := func(want bool, a, b request) {
		t.Helper()
		equal := contentOf(t, a.item, a.query, a.recipient) == contentOf(t, b.item, b.query, b.recipient)
		if equal != want {
			t.Errorf("%+v and %+v: same %v, want %v", a, b, equal, want)
		}
	}
	plain := request{item: `{"a":"b c","d":[1,2]}`}
	same(true, plain, request{item: " \n{ \"a\" : \"b c\",\r\n\t\"d\": [1 ,2] }\n"})
	same(true, plain, request{item: plain.item, query: "other=1&token=2"})
	same(true, plain, request{item: plain.item, query: "email=x@example.com", recipient: "x@example.com"})
	same(false, plain, request{item: `{"a":"bc","d":[1,2]}`})
	same(false, plain, request{item: `{"a":"b  c","d":[1,2]}`})
	same(false, plain, request{item: `{"a":"b c","d":[1,2.0]}`})
	same(false, plain, request{item: plain.item, query: "campaign=1"})
	same(false, plain, request{item: plain.item, query: "email=x@example.com"})
	same(false, request{item: "{}", query: "campaign=1"}, request{item: "{}", query: "campaign=2"})
	same(false, request{item: "{}", query: "campaign=1"}, request{item: "{}", query: "note=1"})
	same(false, request{item: `{"a":"\""," b":1}`}, request{item: `{"a":"\"","b":1}`})
	same(false, request{item: `{"a":"\\" ,"b":" "}`}, request{item: `{"a":"\\","b":""}`})
	same(true, request{item: `{"a":"\\" ,"b":" "}`}, request{item: `{"a":"\\","b":" "}`})
	same(false, request{item: "text that is no JSON"}, request{item: "textthatisnoJSON"})
	long := strings.Repeat("x", 5000)
	same(false, request{item: `{"a":"` + long + `y"}`}, request{item: `{"a":"` + long + `z"}`})
	same(true, request{item: `{"a":"` + long + `y"}`}, request{item: `{ "a": "` + long + `y"}`})
}

// What compact JSON says does not depend on its white space.
func FuzzContent(f *testing.F) {
	f.Add(`{"a": [1, "b c\\", "\"", {} ]}`)
	f.Add(`"unfinished`)
	f.Fuzz(func(t *testing.T, item string) {
		got := (&normalize.Item{Body: []byte(item)}).Content()
		var compact, indented bytes.Buffer
		if json.Compact(&compact, []byte(item)) != nil || json.Indent(&indented, []byte(item), " ", "\t") != nil {
			return
		}
		if first := strings.TrimLeft(item, " \t\r\n"); first[0] != '{' && first[0] != '[' {
			return
		}
		for _, same := range [][]byte{compact.Bytes(), indented.Bytes()} {
			if (&normalize.Item{Body: same}).Content() != got {
				t.Errorf("%q and %q differ", item, same)
			}
		}
	})
}

func TestDeadLettersAreToldApart(t *testing.T) {
	s := source(gives())
	one := normalize.DeadLetter{Index: 1, Item: []byte("17"), Reason: "not_an_object"}
	id := one.Identity(s)
	again := one
	if again.Reason = "another"; again.Identity(s) != id {
		t.Error("what we say of an item is no part of it")
	}
	other := *s
	other.ID = "other"
	place, text, whole := one, one, one
	place.Index, text.Item, whole.Index = 2, []byte("18"), -1
	for name, got := range map[string][16]byte{
		"another source": one.Identity(&other), "another place": place.Identity(s), "another text": text.Identity(s), "the whole body": whole.Identity(s),
	} {
		if got == id {
			t.Errorf("%s: the same identity", name)
		}
	}
}

// A derived id comes from what the item says, in whatever order it says it: the
// same item with its members in another order is no other content.
func TestContentOfADerivedIDKnowsNoOrder(t *testing.T) {
	for _, s := range sources(t) {
		if s.Provider != "cmcom" {
			continue
		}
		var items []normalize.Item
		for _, body := range []string{
			`{"type":"delivered","messageId":"m","data":{"to":"a@example.com","from":"b@example.com"}}`,
			`{"data":{"from":"b@example.com","to":"a@example.com"},"messageId":"m","type":"delivered"}`,
		} {
			out := run(t, s, proven("", body), "raw-1")
			items = append(items, out.Events...)
		}
		if len(items) != 2 || items[0].Event.ID != items[1].Event.ID {
			t.Fatalf("%d events, or not of one id", len(items))
		}
		if items[0].Content() != items[1].Content() {
			t.Error("the order of members makes another content")
		}
	}
}
