package normalize_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// sources returns a source of every built-in provider.
func sources(t testing.TB) []*normalize.Source {
	t.Helper()
	var list []*normalize.Source
	for _, def := range all.Definitions() {
		p, err := def.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &normalize.Source{Name: def.ID, ID: def.ID, Provider: def.ID, Parser: p, Mapper: def.Mapper})
	}
	return list
}

// A batch of tiny bad items under large headers and a long query must not become
// many times its size.
func TestDeadLettersOfABatchAreSmall(t *testing.T) {
	const items = 10_000
	body := "[" + strings.TrimSuffix(strings.Repeat("1,", items), ",") + "]"
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Header: http.Header{"X-Large": {strings.Repeat("h", 15<<10)}, "User-Agent": {"u"}}, Body: []byte(body), ReceivedAt: receivedAt,
		Query: url.Values{"campaign": {strings.Repeat("q", 15<<10)}},
	})
	for _, s := range sources(t) {
		s.Name, s.QueryMetadata = strings.Repeat("s", 63), []string{"campaign"}
		out := run(t, s, v, strings.Repeat("r", 36))
		if len(out.DeadLetters) != items {
			t.Fatalf("%s: %d dead letters", s.Provider, len(out.DeadLetters))
		}
		encoder := normalize.NewEncoder(s, v, strings.Repeat("r", 36))
		with, size := 0, 0
		for _, d := range out.DeadLetters {
			d.Detail = strings.Repeat("ü", 1000)
			rec := encoder.Record(&d)
			if bytes.Contains(rec.Value, []byte(`"headers":{`)) {
				with++
			}
			if strings.Contains(string(rec.Value), "\uFFFD") {
				t.Fatalf("%s: half a character in %.1000s", s.Provider, rec.Value)
			}
			size += len(rec.Key) + len(rec.Value) + len(text(rec.Headers))
		}
		if most := items<<10 + 256<<10; with != 8 || size > most {
			t.Errorf("%s: %d dead letters with headers and query, %d bytes in all; want 8 (of 30 KiB) and at most %d", s.Provider, with, size, most)
		}
		whole := encoder.Record(&normalize.DeadLetter{Index: -1, Item: v.Request().Body})
		if !bytes.Contains(whole.Value, []byte(`"X-Large":["hhh`)) || !bytes.Contains(whole.Value, []byte(`"query":{"campaign":["qqq`)) {
			t.Errorf("%s: the whole body's dead letter must have headers and query", s.Provider)
		}
	}
}

// Where no raw record holds headers and query, each dead letter does.
func TestDeadLettersWithoutARawRecordStandAlone(t *testing.T) {
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Header: http.Header{"X-Large": {strings.Repeat("h", 30<<10)}}, Body: []byte("[1,2]"), ReceivedAt: receivedAt,
	})
	encoder := normalize.NewEncoder(source(gives()), v, "raw-1").WithoutRaw()
	for i := range 20 {
		rec := encoder.Record(&normalize.DeadLetter{Reason: "not_an_object", Stage: "parse", Index: i, Item: []byte("1")})
		if !json.Valid(rec.Value) || !bytes.Contains(rec.Value, []byte(`"headers":{"X-Large":["hhh`)) || bytes.Contains(rec.Value, []byte("raw_id")) {
			t.Fatalf("%d: got %.300s", i, rec.Value)
		}
		if rec.Key != "jet-prod/raw-1" || !strings.Contains(text(rec.Headers), "id=raw-1") {
			t.Errorf("key %s, headers %s: want the request's id kept", rec.Key, text(rec.Headers))
		}
	}
}

// The first dead letter of a request has its headers, however large they are.
func TestFirstDeadLetterHasItsHeaders(t *testing.T) {
	v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte("[1,2]"), Query: url.Values{"note": {strings.Repeat("\x01", 100<<10)}}})
	s := source(gives())
	s.QueryMetadata = []string{"note"}
	encoder := normalize.NewEncoder(s, v, "raw-1")
	for i, want := range []bool{true, false} {
		rec := encoder.Record(&normalize.DeadLetter{Index: i, Item: []byte("1")})
		if got := bytes.Contains(rec.Value, []byte(`"query":{"note"`)); got != want {
			t.Errorf("dead letter %d: query %v, want %v", i, got, want)
		}
	}
}

// countdown is a context that ends at the nth look at it.
type countdown struct {
	context.Context
	left *int
}

// Err implements context.Context.
func (c countdown) Err() error {
	if *c.left--; *c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func TestNormalizeEndsWithItsContext(t *testing.T) {
	parsed := 0
	p := parser(func([]byte) []provider.Result {
		parsed++
		return []provider.Result{delivered("a"), delivered("b"), delivered("c")}
	})
	for looks, want := range map[int]struct {
		parsed int
		text   string
	}{0: {0, "before the body"}, 1: {1, "before item 1 of 3"}, 3: {1, "before item 3 of 3"}, 4: {1, ""}} {
		parsed = 0
		left := looks
		out, err := normalize.Normalize(countdown{t.Context(), &left}, source(p), proven("", "[]"), "raw-1")
		switch {
		case parsed != want.parsed:
			t.Errorf("%d looks: parsed %d times, want %d", looks, parsed, want.parsed)
		case want.text == "" && (err != nil || len(out.Events) != 3):
			t.Errorf("%d looks: got %d events, %v", looks, len(out.Events), err)
		case want.text != "" && (!errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), want.text) || len(out.Events) != 0):
			t.Errorf("%d looks: got %d events, %v; want %s", looks, len(out.Events), err, want.text)
		}
	}
}

func TestCredentialsUnderOtherNamesAreNotStored(t *testing.T) {
	const secret = "canary-5e884898da28047151d0e56f"
	pair := base64.StdEncoding.EncodeToString([]byte("hooks:" + secret))
	list := []webhook.Secret{{ID: "a", Value: []byte(secret)}}
	for name, c := range map[string]struct {
		cfg    webhook.Config
		header http.Header
	}{
		"header": {webhook.Config{Type: "header", Header: "X-Shop", Secrets: list}, http.Header{"X-Shop": {secret}}},
		"bearer": {webhook.Config{Type: "bearer", Secrets: list}, http.Header{"Authorization": {"Bearer " + secret}}},
		"basic": {
			webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Username: "hooks", Password: []byte(secret)}}},
			http.Header{"Authorization": {"Basic " + pair}},
		},
	} {
		verifier, err := webhook.New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		h := c.header
		h["X-Auth"], h["X-Copy"], h["X-Kept"] = h["Authorization"], []string{"a " + secret}, []string{"kept"}
		h["Content-Type"] = []string{secret}
		v, err := webhook.Verify(verifier, webhook.Request{
			Header: h, Body: []byte("{"), ReceivedAt: receivedAt, Query: url.Values{"campaign": {secret, "kept"}, "note": {"kept"}},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s := source(gives(delivered("n")))
		s.QueryMetadata = []string{"campaign", "note"}
		e := run(t, s, v, "raw-1").Events[0].Event
		raw := normalize.RawRecord(s, v, "raw-1", normalize.Counts{Events: 1})
		dead := normalize.NewEncoder(s, v, "raw-1").Record(&normalize.DeadLetter{Index: -1})
		for _, stored := range []string{text(raw.Headers), string(dead.Value), string(e.AppendJSON(nil))} {
			if strings.Contains(stored, "canary") || strings.Contains(stored, pair) || !strings.Contains(stored, "kept") {
				t.Errorf("%s: want what repeats the credential left out and the rest kept: %s", name, stored)
			}
		}
	}
}

// Ids join their parts with NUL, which a native id may hold.
func TestEventIDsTellPartsWithNULApart(t *testing.T) {
	parts := []string{"", "a", "\x00", "a\x00", "\x00a", "a\x00b", "\x001", "1\x001\x001"}
	seen := map[string]string{}
	for _, source := range parts {
		for _, native := range parts {
			for _, typ := range parts {
				what := fmt.Sprintf("%q %q %q", source, native, typ)
				id := normalize.EventID("p", source, native, typ)
				if other, taken := seen[id]; taken {
					t.Errorf("%s has the id of %s", what, other)
				}
				seen[id] = what
			}
		}
	}
	// printf 'p\0s\0a\0b\0t\0001\0001\0003' | sha256sum | head -c 32
	if got, want := normalize.EventID("p", "s", "a\x00b", "t"), "3323c46b993b33a724f14b0d963d148f"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDuplicateNamesAreCounted(t *testing.T) {
	for _, s := range sources(t) {
		for body, want := range map[string]int{
			`{"type":"x","a":1,"a":2}`: 1, `[{"type":"x"},{"type":"x","a":1,"a":2,"a":3},7]`: 2, `{"type":"x"}`: 0, `[]`: 0, `{`: 0,
		} {
			if got := run(t, s, proven("", body), "raw-1").DuplicateNames; got != want {
				t.Errorf("%s: %s: got %d, want %d", s.Provider, body, got, want)
			}
		}
	}
}

// In hash mode the query, which we store apart from the body, names no recipient.
func TestHashModeKeepsTheRecipientOutOfTheStoredQuery(t *testing.T) {
	s := source(gives())
	s.QueryRecipient, s.QueryMetadata, s.Pepper = "email", []string{"email", "campaign"}, []byte("a pepper of enough bytes")
	v := proven("email=joe%2Bx@Example.com&campaign=for+JOE%2bx@example.com&campaign=w", "{")
	stored := func() string {
		dead := normalize.NewEncoder(s, v, "raw-1").Record(&normalize.DeadLetter{Index: -1})
		return strings.ToLower(text(normalize.RawRecord(s, v, "raw-1", normalize.Counts{Events: 1}).Headers) + string(dead.Value))
	}
	if got := stored(); strings.Count(got, "joe") != 4 {
		t.Errorf("in the clear both records hold what came: %s", got)
	}
	s.HashRecipient = true
	got, hash := stored(), normalize.RecipientHash(s.Pepper, "joe+x@example.com")
	if strings.Contains(got, "joe") || strings.Contains(got, "email=") || strings.Contains(got, `"email"`) || !strings.Contains(got, "query=campaign=for+"+hash+"&campaign=w") ||
		!strings.Contains(got, `"query":{"campaign":["for `+hash+`","w"]}`) {
		t.Errorf("got %s", got)
	}
}

// Each event of a batch repeats the query, so what it may bring is bounded.
func TestQueryParametersOfEventsAreBounded(t *testing.T) {
	s := source(gives(delivered("n")))
	s.QueryRecipient, s.QueryMetadata = "email", []string{"long", "campaign", "contact"}
	v := proven("email=a@example.com&campaign="+strings.Repeat("c", 1900)+"&long="+strings.Repeat("l", 2000)+"&contact="+strings.Repeat("d", 80), "{}")
	e := run(t, s, v, "raw-1").Events[0].Event
	if diff := cmp.Diff(map[string]string{"campaign": strings.Repeat("c", 1900)}, e.Metadata); diff != "" || e.Recipient != "a@example.com" {
		t.Errorf("recipient %q, metadata (-want +got):\n%s", e.Recipient, diff)
	}
	if raw := text(normalize.RawRecord(s, v, "raw-1", normalize.Counts{Events: 1}).Headers); !strings.Contains(raw, "long=lll") || !strings.Contains(raw, "contact=ddd") {
		t.Error("the raw record keeps every allow-listed parameter")
	}
}

// elsewhere is the type at the places where one provider or another has it.
const elsewhere = `,"event":"nobody-knows","eventType":"nobody-knows","RecordType":"nobody-knows","event_name":"nobody-knows","status":"nobody-knows",
	"metric":"nobody-knows","object_type":"email","eventName":"nobody-knows","event_type":"nobody-knows","msys":{"message_event":{"type":"nobody-knows"}}`

// An item of a type nobody knows is carried as raw: JSON again, and no longer
// than it came, whatever odd text it is. Only a byte that is no UTF-8 grows, to
// the three of U+FFFD.
func TestRawOfUnknownIsValidAndNoLongerThanTheItem(t *testing.T) {
	odd := []string{
		`{"type":"nobody-knows"}`,
		" { \"type\" : \"nobody-knows\" ,\n\"a\" : [ 1 , 2.50e+7 , { } , [ ] ] }",
		`{"type":"nobody-knows","s":"\ud800\u0000\/\u2028"}`,
		"{\"type\":\"nobody-knows\",\"s\":\"\xff\xfe\u2028\x7f\"}",
		`{"type":"nobody-knows","a":1,"a":{"b":1,"b":2},"a":3}`,
		`{"type":"nobody-knows","a":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`,
		`{"type":"nobody-knows","a":"` + strings.Repeat("x", 1<<20) + `"}`,
		`{"type":"nobody-knows","a":[` + strings.TrimSuffix(strings.Repeat("1,", 9000), ",") + `]}`,
	}
	for _, s := range sources(t) {
		for _, body := range append(odd, odd[0]+"x", "["+odd[1]+","+odd[4]+"]") {
			body = strings.ReplaceAll(body, "nobody-knows\"", "nobody-knows\""+elsewhere)
			out := run(t, s, proven("", body), "raw-1")
			for i := range out.Events {
				e := &out.Events[i].Event
				most := len(bytes.ToValidUTF8(out.Events[i].Body, nil))
				most += 3 * (len(out.Events[i].Body) - most)
				if e.Type != event.Unknown || !json.Valid(e.Raw) || len(e.Raw) > most {
					t.Errorf("%s: %s with raw of %d bytes for %.80q", s.Provider, e.Type, len(e.Raw), body)
				}
				if b := e.AppendJSON(nil); !json.Valid(b) {
					t.Errorf("%s: the event is no JSON: %.200s", s.Provider, b)
				}
			}
			if len(out.Events) == 0 && !strings.HasSuffix(body, "x") {
				t.Errorf("%s: no event of %.80q: %+v", s.Provider, body, out.DeadLetters[0].Detail)
			}
		}
	}
}

// BenchmarkLargestBody is what the largest body of each shape costs, 10 MiB
// unless a bound of the reader ends it earlier.
func BenchmarkLargestBody(b *testing.B) {
	const size = 10 << 20
	fill := func(item string, most int) string {
		n := min(most, (size-2)/(len(item)+1))
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	member := func(n int) string {
		var s strings.Builder
		for i := range n {
			fmt.Fprintf(&s, `,"m%d":1`, i)
		}
		return s.String()
	}
	for _, s := range sources(b) {
		s.Pepper, s.HashRecipient = []byte("pepper"), true
		for name, body := range map[string]string{
			"events":     fill(`{"type":"nobody-knows","email":"a@example.com","data":{"reason":"`+strings.Repeat("a@example.com ", 70)+`"}}`, 10_000),
			"members":    fill(`{"type":"nobody-knows"`+member(23)+`}`, 10_000),
			"one object": `{"type":"nobody-knows"` + member(249_000) + `}`,
			"hidden":     `{"type":"nobody-knows","a":0` + strings.Repeat(`,"a":1`, 249_000) + `}`,
			"levels":     `{"type":"nobody-knows","data":{"x":1` + member(124_000) + `}` + member(124_000) + `}`,
			"one string": `{"type":"nobody-knows","a":"` + strings.Repeat(`\u00e9`, size/6-10) + `"}`,
			"numbers":    fill("1", 10_000),
			"too many":   fill(fill("1", 9_000), 10_000),
			"depth":      fill(strings.Repeat("[", 60)+strings.Repeat("]", 60), 10_000),
		} {
			b.Run(s.Provider+"/"+name, func(b *testing.B) {
				v := proven("", body)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				var longest time.Duration
				for b.Loop() {
					start := time.Now()
					if _, err := normalize.Normalize(b.Context(), s, v, "raw-1"); err != nil {
						b.Fatal(err)
					}
					longest = max(longest, time.Since(start))
				}
				b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
			})
		}
	}
}
