package event_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/event/internal/eventtest"
)

// plain is Event without its methods, so that encoding/json writes it by the struct tags.
type plain event.Event

// meaning decodes JSON into plain values, numbers as text.
func meaning(t interface{ Fatalf(string, ...any) }, b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, b)
	}
	return v
}

func TestAppendJSONMeansWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := eventtest.Any().Draw(t, "event")
		want, err := json.Marshal(plain(e))
		if err != nil {
			t.Skip("encoding/json refuses Raw that is not JSON")
		}
		got := e.AppendJSON(nil)
		if diff := cmp.Diff(meaning(t, want), meaning(t, got)); diff != "" {
			t.Fatalf("AppendJSON means something else (-encoding/json +AppendJSON):\n%s", diff)
		}
		viaMarshal, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(meaning(t, want), meaning(t, viaMarshal)); diff != "" {
			t.Fatalf("MarshalJSON means something else:\n%s", diff)
		}
	})
}

func TestAppendJSONKeepsTheOrderOfTheStruct(t *testing.T) {
	e := eventtest.Full()
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain(e)); err != nil {
		t.Fatal(err)
	}
	if got := string(e.AppendJSON(nil)); got+"\n" != want.String() {
		t.Errorf("AppendJSON:\n got %s\nwant %s", got, want.String())
	}
}

func TestDecodeReversesAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := eventtest.Valid().Draw(t, "event")
		got, err := event.Decode(want.AppendJSON([]byte("kept"))[len("kept"):])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(plain(want), plain(got), cmp.Comparer(sameTime)); diff != "" {
			t.Fatalf("decoded event differs (-want +got):\n%s", diff)
		}
	})
}

func sameTime(a, b event.Time) bool { return a == b }

func TestAppendJSONReplacesWhatIsNotUTF8(t *testing.T) {
	tests := map[string]string{
		"a\xffb":             `"a�b"`,
		"\xed\xa0\x80":       `"���"`,
		"\x00\x1f\"\\":       `"\u0000\u001f\"\\"`,
		"<&>\u2028":          "\"<&>\u2028\"",
		"tab\tline\r\n\x7f":  "\"tab\\tline\\r\\n\x7f\"",
		"\U0001F4E8 é\uFFFD": "\"\U0001F4E8 é\uFFFD\"",
	}
	for in, want := range tests {
		e := event.Event{Subject: in}
		got := string(e.AppendJSON(nil))
		if !strings.Contains(got, `"subject":`+want) {
			t.Errorf("subject %q: got %s, want it to hold %s", in, got, want)
		}
	}
}

func TestAppendStringEscapesAtEveryPlace(t *testing.T) {
	for c := range 256 {
		for size := range 19 {
			for at := range size {
				in := []byte(strings.Repeat("~", size))
				in[at] = byte(c)
				got := event.AppendString([]byte("before"), string(in))
				var back string
				if err := json.Unmarshal(bytes.TrimPrefix(got, []byte("before")), &back); err != nil {
					t.Fatalf("%q: %v", got, err)
				}
				if want := strings.ToValidUTF8(string(in), "\uFFFD"); back != want {
					t.Errorf("byte %#x at %d of %d: got %q, want %q", c, at, size, back, want)
				}
			}
		}
	}
}

func TestMetadataIsInTheOrderOfItsNames(t *testing.T) {
	e := event.Event{Metadata: make(map[string]string)}
	for i := range 40 {
		e.Metadata[strconv.Itoa(i*17%40)] = strconv.Itoa(i)
		var want []string
		for _, name := range slices.Sorted(maps.Keys(e.Metadata)) {
			want = append(want, strconv.Quote(name)+":"+strconv.Quote(e.Metadata[name]))
		}
		for range 3 { // a map has another order each time
			if got := string(e.AppendJSON(nil)); !strings.Contains(got, `"metadata":{`+strings.Join(want, ",")+"}") {
				t.Fatalf("%d members: got %s, want %v", i+1, got, want)
			}
		}
	}
}

func TestAnIDIsHexDigitsAtEveryPlace(t *testing.T) {
	e := typical()
	for c := range 256 {
		for at := range len(e.ID) {
			id := []byte(strings.Repeat("7c", 16))
			id[at] = byte(c)
			e.ID = string(id)
			if got, want := e.Validate() == nil, strings.IndexByte("0123456789abcdef", byte(c)) >= 0; got != want {
				t.Fatalf("byte %#x at %d: got valid %v, want %v", c, at, got, want)
			}
		}
	}
}

func TestAppendJSONRaw(t *testing.T) {
	tests := map[string]string{
		" { \"a b\" : [ 1 , \"\\\" \\\\\" ] }\n": `{"a b":[1,"\" \\"]}`,
		`{"a":1,}`:                               `"{\"a\":1,}"`,
		"{\"a\":\"x\xff\"}":                      `{"a":"x�"}`,
		`{"n":1e400,"é":"é"}`:                    `{"n":1e400,"é":"é"}`,
	}
	for in, want := range tests {
		e := event.Event{Raw: json.RawMessage(in)}
		got := e.AppendJSON(nil)
		if !json.Valid(got) || !strings.HasSuffix(string(got), `,"raw":`+want+`}`) {
			t.Errorf("raw %q: got %s, want %s", in, got, want)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	tests := map[string]string{
		`{"smtp":{"code":"550"}}`:              "smtp.code",
		`{"occurred_at":"secret@example.com"}`: "RFC 3339",
		`{"schema":`:                           "unexpected end",
		`{} x`:                                 "after top-level value",
	}
	for in, want := range tests {
		_, err := event.Decode([]byte(in))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "event: decode") {
			t.Errorf("Decode(%s): got %v, want an error that says %q", in, err, want)
		} else if strings.Contains(err.Error(), "secret@") {
			t.Errorf("the error shows a value: %v", err)
		}
	}
	if _, err := event.Decode([]byte(`{"schema":"email-event/1","later":{"field":[1]}}`)); err != nil {
		t.Errorf("unknown fields must be ignored: %v", err)
	}
}

func FuzzAppendJSON(f *testing.F) {
	full := eventtest.Full()
	f.Add(full.AppendJSON(nil), "subject", []byte(`{"a": [1, "\\\" x"]}`))
	f.Add([]byte(`{"smtp":{},"tags":[""]}`), "\xff\x00<\u2028", []byte(`{"a":1,}`))
	f.Fuzz(func(t *testing.T, doc []byte, text string, raw []byte) {
		e, err := event.Decode(doc)
		if err != nil {
			e = event.Event{}
		}
		e.Subject, e.Raw = text, raw
		b := e.AppendJSON(nil)
		if !json.Valid(b) {
			t.Fatalf("not JSON: %q", b)
		}
		back, err := event.Decode(b)
		if err != nil {
			t.Fatalf("does not decode: %v: %s", err, b)
		}
		if again := back.AppendJSON(nil); !bytes.Equal(again, b) {
			t.Fatalf("second encoding differs:\n%s\n%s", b, again)
		}
	})
}

func TestAppendJSONAndValidateDoNotAllocate(t *testing.T) {
	e := eventtest.Full()
	e.Type, e.Family, e.Raw = event.Bounced, event.FamilyDelivery, nil
	buf := make([]byte, 0, 8192)
	allocs := testing.AllocsPerRun(100, func() {
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		buf = e.AppendJSON(buf[:0])
	})
	if allocs != 0 {
		t.Errorf("got %v allocations, want 0", allocs)
	}
}

// typical is a bounce as most providers send it.
func typical() event.Event {
	retry := false
	at, now := time.Unix(1764311397, 826118700), time.Unix(1764311398, 113000000)
	return event.Event{
		Schema: event.Schema, ID: strings.Repeat("0a", 16), Type: event.Bounced, Family: event.FamilyDelivery, Direction: event.Outbound,
		Provider: "cmcom", Source: "cm-prod", ProviderType: "bounced", ProviderSubtype: "Hard Bounce/Invalid Recipient",
		OccurredAt: event.NewTime(at, 7), ReceivedAt: event.NewTime(now, 3),
		MessageID: "8814fd39-7c6b-4f0c-a0ac-5cc3e3f0a001", CustomerRef: "order-8812", Recipient: "someone@example.com", Sender: "shop@example.net",
		Metadata: map[string]string{"campaign": "winter", "contact": "42", "id": "c7699f04"},
		SMTP:     &event.SMTP{Code: 550, Enhanced: "5.1.1", Response: "550 5.1.1 User unknown"},
		Bounce:   &event.Bounce{Class: event.Hard, Category: event.InvalidRecipient, CodeAssumed: "5.1.1", WillRetry: &retry},
		Reason:   "The recipient's server says that the mailbox does not exist.", RawID: "0190b5c1-6a5e-7000-8000-000000000000",
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	e := typical()
	buf := e.AppendJSON(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
}

func BenchmarkValidate(b *testing.B) {
	e := typical()
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
