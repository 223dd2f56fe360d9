package vocabulary_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/vocabulary"
	"github.com/postrider/postrider/pkg/event"
)

// rows reads a table of testdata: columns separated by tabs.
func rows(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "#") {
			row := strings.Split(line, "\t")
			for len(row) < columns {
				row = append(row, "")
			}
			out = append(out, row)
		}
	}
	return out
}

// read reads data as that of an event called word.
func read(t *testing.T, word, data string) provider.Result {
	t.Helper()
	doc, err := jsondoc.Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Release()
	o, _ := doc.Root().Object(true)
	return vocabulary.New().Read(vocabulary.Envelope{Word: word, Field: "type", NativeID: "n"}, o, o)
}

func TestWords(t *testing.T) {
	r := vocabulary.New()
	for _, row := range rows(t, "words.tsv", 5) {
		want := vocabulary.Meaning{
			Type: event.Type(row[2]), Direction: event.Direction(row[1]), Class: event.BounceClass(row[3]), Drop: event.DropReason(row[4]),
		}
		if got := r.Meaning(row[0]); got != want {
			t.Errorf("%q is %+v, want %+v", row[0], got, want)
		}
	}
}

// Every route has its own name, as postrider's own events have it.
func TestOwnWords(t *testing.T) {
	r := vocabulary.New()
	for _, route := range event.Routes() {
		word := "email." + string(route.Type) + ".v1"
		if route.Direction == event.Inbound {
			word = "email.inbound." + string(route.Type) + ".v1"
		}
		if got := r.Meaning(word); got.Type != route.Type || got.Direction != route.Direction {
			t.Errorf("%s is %+v", word, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, row := range rows(t, "names.tsv", 5) {
		res := read(t, row[0], `{"`+row[1]+`":`+row[2]+`}`)
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(res.Event.AppendJSON(nil), &fields); err != nil {
			t.Fatal(err)
		}
		if got := string(fields[row[3]]); got != row[4] {
			t.Errorf("%s: %s %s is %s %s, want %s", row[0], row[1], row[2], row[3], got, row[4])
		}
	}
}

// What the fields have room for once stays where it came twice.
func TestSecondNameStays(t *testing.T) {
	e := read(t, "delivered", `{"to":"a@b.example","email":"c@b.example","timestamp":1767323045,"time":"noon"}`).Event
	if e.Recipient != "a@b.example" || e.Metadata["email"] != "c@b.example" || e.Metadata["time"] != "noon" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
}

// A canonical event is itself, by whatever way and after however many receivers: its
// identity is its first id, and says that the content is the same.
func TestCanonicalIdentity(t *testing.T) {
	const first, later = "0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"
	direct := read(t, "email.sent.v1", `{"schema":"email-event/1","id":"`+first+`","type":"sent","provider":"jetemail","provider_type":"out.sent"}`)
	round := read(t, "", `{"schema":"email-event/1","id":"`+later+`","type":"sent","provider":"cloudevents","provider_type":"out.sent","metadata":{"origin_id":"`+first+`"}}`)
	for _, r := range []provider.Result{direct, round} {
		if r.NativeID != first || !r.Derived || r.Event.ProviderType != "out.sent" || r.Event.Metadata[vocabulary.OriginID] != first {
			t.Errorf("%q, derived %v: %s", r.NativeID, r.Derived, r.Event.AppendJSON(nil))
		}
	}
	if direct.Event.Metadata[vocabulary.OriginProvider] != "jetemail" {
		t.Errorf("origin %q", direct.Event.Metadata[vocabulary.OriginProvider])
	}
}

// The sender of a mail may call anything of theirs origin_id. Two opens of that mail are
// two events all the same, straight from their receiver and behind a second one.
func TestOriginIsNotTheSendersWord(t *testing.T) {
	const own, theirs = "0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"
	r := read(t, "", `{"schema":"email-event/1","id":"`+own+`","type":"opened","provider":"resend","metadata":{"origin_id":"`+theirs+`"}}`)
	if m := r.Event.Metadata; r.NativeID != own || m[vocabulary.OriginID] != own || m["metadata.origin_id"] != theirs {
		t.Errorf("%q: %v", r.NativeID, m)
	}
	for _, data := range []string{`{"origin_id":"` + theirs + `"}`, `{"metadata":{"origin_id":"` + theirs + `"}}`} {
		if m := read(t, "opened", data).Event.Metadata; m[vocabulary.OriginID] != "" || m["item.origin_id"] != theirs {
			t.Errorf("%s: %v", data, m)
		}
	}
}

// Whatever a canonical event holds comes out as it went in.
func TestCanonicalKeepsFields(t *testing.T) {
	const in = `{"schema":"email-event/1","id":"0123456789abcdef0123456789abcdef","type":"deferred","family":"delivery","direction":"inbound",` +
		`"provider_type":"x","recipient_hash":"` + "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" + `","smtp":{"code":451},` +
		`"bounce":{"class":"soft","will_retry":true},"engagement":{"ip":"192.0.2.1"}}`
	out := read(t, "", in).Event
	for _, want := range []string{`"smtp":{"code":451}`, `"bounce":{"class":"soft","will_retry":true}`, `"engagement":{"ip":"192.0.2.1"}`, `"direction":"inbound"`, `00112233`} {
		if !bytes.Contains(out.AppendJSON(nil), []byte(want)) {
			t.Errorf("no %s in %s", want, out.AppendJSON(nil))
		}
	}
}
