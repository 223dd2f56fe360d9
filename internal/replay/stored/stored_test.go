package stored_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/provider/all"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/replay/stored"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

var receivedAt = time.Date(2025, 11, 28, 7, 29, 58, 113999999, time.FixedZone("CET", 3600))

// original is a request as the receiver gets it.
func original(query url.Values, body string) webhook.Verified {
	return webhook.AssumeProvenForReplayAndTests(webhook.Request{
		Method: http.MethodPost, URL: "https://hooks.example.org/v1/webhooks/s", Query: query, Body: []byte(body),
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "X-Webhook-Id": {"one", "two"}, "User-Agent": {"prov\u00edder/1"},
		},
		RemoteAddr: netip.MustParseAddr("2001:db8::7"), ReceivedAt: receivedAt,
	})
}

// source is one that uses all that a stored request has.
func source(t testing.TB, def provider.Definition) *normalize.Source {
	t.Helper()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &normalize.Source{
		Name: def.ID + "-prod", ID: def.ID, Provider: def.ID, Parser: p, Mapper: def.Mapper,
		QueryRecipient: "email", QueryMetadata: []string{"campaign", "email"}, Pepper: []byte("pepper"),
	}
}

// TestARawRecordIsTheRequestAgain takes every sample of every provider, alone and
// in one batch with things that are no events, through its raw record.
func TestARawRecordIsTheRequestAgain(t *testing.T) {
	query := url.Values{"email": {"joe+shop@example.org"}, "campaign": {"a b&c=d", "second"}, "token": {"not to be kept"}, "x": {"neither"}}
	for _, def := range all.Definitions() {
		s := source(t, def)
		for name, body := range bodies(def) {
			for _, hashed := range []bool{false, true} {
				s.HashRecipient = hashed
				v := original(query, body)
				if hashed { // the parameter that names the recipient is not kept
					v = original(url.Values{"campaign": {"a b&c=d"}}, body)
				}
				raw := normalize.RawRecord(s, v, "raw-1", normalize.Counts{Events: 3, DeadLetters: 2, Repeats: 1})
				got, err := stored.Raw(raw.Headers, raw.Value)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got.Source != s.Name || got.Provider != def.ID || got.ID != "raw-1" || got.Mapper != def.Mapper ||
					got.Events != 3 || got.DeadLetters != 2 || got.Repeats != 1 || got.Scheme != "assumed" {
					t.Errorf("%s: got %+v", name, got)
				}
				if d := cmp.Diff(published(t, s, v, "raw-1"), published(t, s, got.Verified, "raw-1")); d != "" {
					t.Errorf("%s, hash mode %v: published (-of the original +of the stored):\n%s", name, hashed, d)
				}
				again := normalize.RawRecord(s, got.Verified, "raw-1", normalize.Counts{Events: 3, DeadLetters: 2, Repeats: 1})
				if d := cmp.Diff(raw, again); d != "" {
					t.Errorf("%s, hash mode %v: raw record (-original +stored):\n%s", name, hashed, d)
				}
			}
		}
	}
}

// bodies are a provider's samples, one by one and all together.
func bodies(def provider.Definition) map[string]string {
	list := map[string]string{"empty": "", "no JSON": "{", "unusable items": `[1, {"type":7}, "x"]`}
	var batch []string
	for i, sample := range def.Samples() {
		body := providertest.Fill(sample.Body, i)
		list[def.ID+" "+sample.Name] = body
		if strings.HasPrefix(body, "{") {
			batch = append(batch, body, "null", body+" ", "["+body+"]")
		}
	}
	list[def.ID+" all"] = "[" + strings.Join(batch, ",\n") + "]"
	return list
}

// published is all that a request would publish, as text.
func published(t *testing.T, s *normalize.Source, v webhook.Verified, rawID string) []string {
	t.Helper()
	out, err := normalize.Normalize(t.Context(), s, v, rawID)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range out.Events {
		e := &out.Events[i].Event
		list = append(list, fmt.Sprint(e.ID, out.Events[i].Content(), string(e.AppendJSON(nil)), texts(e.AppendHeaders(nil, event.Stamp{Mapper: s.Mapper}))))
	}
	letters := normalize.NewEncoder(s, v, rawID)
	for i := range out.DeadLetters {
		r := letters.Record(&out.DeadLetters[i])
		list = append(list, fmt.Sprint(out.DeadLetters[i].Identity(s), r.Key, texts(r.Headers), string(r.Value)))
	}
	return list
}

func texts(headers []event.Header) (list []string) {
	for _, h := range headers {
		list = append(list, h.Key+": "+string(h.Value))
	}
	return list
}

// parser is one whose findings a test decides.
type parser func(v webhook.Verified) []provider.Result

func (p parser) Parse(v webhook.Verified) []provider.Result { return p(v) }

// refusing refuses every item that a real parser takes for an event.
func refusing(p provider.Parser) provider.Parser {
	return parser(func(v webhook.Verified) []provider.Result {
		results := p.Parse(v)
		for i := range results {
			results[i].Event, results[i].NativeID, results[i].Derived = event.Event{}, "", false
			results[i].Malformed = &provider.Malformed{Reason: provider.ReasonMissingType, Detail: "not in this version"}
		}
		return results
	})
}

// TestADeadLetterIsItsItemAgain refuses every item of a batch and reads the dead
// letters back: each, alone, has to become the event that it is in its batch.
func TestADeadLetterIsItsItemAgain(t *testing.T) {
	for _, def := range all.Definitions() {
		s := source(t, def)
		strict := *s
		strict.Parser = refusing(s.Parser)
		v := original(url.Values{"email": {"joe@example.org"}, "campaign": {"w"}}, bodies(def)[def.ID+" all"])
		want, err := normalize.Normalize(t.Context(), s, v, "raw-1")
		if err != nil {
			t.Fatal(err)
		}
		dead, err := normalize.Normalize(t.Context(), &strict, v, "raw-1")
		if err != nil || len(dead.DeadLetters) != len(want.Events)+len(want.DeadLetters) {
			t.Fatalf("%s: %d dead letters, %v", def.ID, len(dead.DeadLetters), err)
		}
		letters := normalize.NewEncoder(&strict, v, "raw-1")
		record := normalize.RawRecord(s, v, "raw-1", normalize.Counts{})
		raw, err := stored.Raw(record.Headers, record.Value)
		if err != nil {
			t.Fatal(err)
		}
		byPlace := map[int]normalize.Item{}
		for _, e := range want.Events {
			byPlace[e.Index] = e
		}
		for i := range dead.DeadLetters {
			l, err := stored.DeadLetter(letters.Record(&dead.DeadLetters[i]).Value)
			if err != nil {
				t.Fatal(err)
			}
			if l.Index != i || l.RawID != "raw-1" || !l.Complete || l.BodyLost() || l.Event() || l.Reason != "missing_type" || l.Stage != "parse" ||
				l.Source != s.Name || l.Provider != def.ID || l.Mapper != def.Mapper || !l.ReceivedAt.Equal(receivedAt.Truncate(time.Millisecond)) {
				t.Fatalf("%s: item %d: got %+v", def.ID, i, l)
			}
			alone, err := normalize.Normalize(t.Context(), s, l.Verified, l.RawID)
			if err != nil {
				t.Fatal(err)
			}
			in, is := byPlace[i]
			if is != (len(alone.Events) == 1) || len(alone.Events)+len(alone.DeadLetters) != 1 {
				t.Fatalf("%s: item %d: %d events and %d dead letters", def.ID, i, len(alone.Events), len(alone.DeadLetters))
			}
			if is && def.ID == "unisender" { // whose user and project stand around the item
				if e := alone.Events[0].Event; e.ID != in.Event.ID || e.Type != in.Event.Type || e.Recipient != in.Event.Recipient || e.MessageID != in.Event.MessageID {
					t.Errorf("%s: item %d is another event alone", def.ID, i)
				}
			} else if is && (in.Content() != alone.Events[0].Content() || !bytes.Equal(in.Event.AppendJSON(nil), alone.Events[0].Event.AppendJSON(nil))) {
				t.Errorf("%s: item %d:\n got %s\nwant %s", def.ID, i, alone.Events[0].Event.AppendJSON(nil), in.Event.AppendJSON(nil))
			}
			if d := cmp.Diff(published(t, s, l.Verified, "raw-1"), published(t, s, raw.Alone(l.Body), "raw-1")); d != "" {
				t.Errorf("%s: item %d (-with what the letter has +with what the raw record has):\n%s", def.ID, i, d)
			}
		}
	}
}

func TestWhatADeadLettersBodyIs(t *testing.T) {
	def, _ := all.Lookup("jetemail")
	s := source(t, def)
	v := original(nil, `[{"type":1},{"type":2}]`)
	enc := normalize.NewEncoder(s, v, "raw-1")
	letter := func(d normalize.DeadLetter) stored.Letter {
		t.Helper()
		l, err := stored.DeadLetter(enc.Record(&d).Value)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := letter(normalize.DeadLetter{Reason: "empty_body", Stage: "parse", Index: -1}); l.BodyLost() || l.Index != -1 || l.Event() {
		t.Errorf("an empty body: got %+v", l)
	}
	if l := letter(normalize.DeadLetter{Reason: "too_large", Stage: "publish", Index: 1}); !l.BodyLost() || l.Event() {
		t.Errorf("a lost body: got %+v", l)
	}
	out, err := normalize.Normalize(t.Context(), s, original(nil, providertest.Fill(def.Samples()[0].Body, 1)), "raw-1")
	if err != nil || len(out.Events) != 1 {
		t.Fatalf("%d events, %v", len(out.Events), err)
	}
	value := out.Events[0].Event.AppendJSON(nil)
	r, err := normalize.RefusedEvent(value, nil, "refused_by_broker", "why")
	if err != nil {
		t.Fatal(err)
	}
	l, err := stored.DeadLetter(r.Value)
	if err != nil || !l.Event() || l.Complete || l.Mapper != 0 || !bytes.Equal(l.Body, value) {
		t.Errorf("a refused event: got %+v, %v", l, err)
	}
	// With thousands of items, the headers are left out at some point.
	for i := range 10_000 {
		if last := letter(normalize.DeadLetter{Reason: "missing_type", Stage: "parse", Index: i, Item: []byte("1")}); !last.Complete {
			return
		}
	}
	t.Error("every letter has the headers")
}

func TestPlacesInThePayload(t *testing.T) {
	headers := func(text string) []event.Header {
		return []event.Header{
			{Key: "replay-id", Value: []byte("a mark")},
			{Key: "provider", Value: []byte("p")},
			{Key: "source", Value: []byte("s")},
			{Key: "id", Value: []byte("i")},
			{Key: "received_at", Value: []byte("2025-11-28T06:29:58.113Z")},
			{Key: "left-out", Value: []byte(text)},
			{Key: "conflicts", Value: []byte("7")},
		}
	}
	for text, want := range map[string][]int{
		"0": {0}, "0,3-5": {0, 3, 4, 5}, "0-1,2,3-4": {0, 1, 2, 3, 4}, "9999": {9999},
		"": nil, ",": nil, "-1": nil, "1-": nil, "-": nil, "3-3": nil, "5-3": nil, "1,1": nil, "2,1": nil, "0-5,5": nil, "10000": nil, "0-10000": nil,
		"01": nil, "+1": nil, "1 ,2": nil, "1,,2": nil, "x": nil, "1-2-3": nil, "99999999999999999999": nil,
	} {
		got, err := stored.Raw(headers(text), nil)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "left-out") {
				t.Errorf("%q: got %v, %v, want an error that names the header", text, got.LeftOut, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got.LeftOut, want) || !slices.Equal(got.Conflicts, []int{7}) || got.Events != -1 || got.Repeats != -1 {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	longest, err := stored.Raw(headers("0-9999"), nil)
	if err != nil || len(longest.LeftOut) != 10_000 {
		t.Errorf("the longest list: %d places, %v", len(longest.LeftOut), err)
	}
}

func TestErrorsSayWhatIsMissing(t *testing.T) {
	def, _ := all.Lookup("vfs")
	raw := normalize.RawRecord(source(t, def), original(url.Values{"email": {"a@example.org"}}, "{}"), "raw-1", normalize.Counts{})
	for key, bad := range map[string]string{
		"provider": "", "source": "", "id": "", "received_at": "", "mapper-version": "-1", "events": "many", "dead-letters": "1.5", "repeats": "",
		"remote-address": "somewhere", "query": "%zz",
	} {
		headers := slices.Clone(raw.Headers)
		i := slices.IndexFunc(headers, func(h event.Header) bool { return h.Key == key })
		headers[i].Value = []byte(bad)
		if _, err := stored.Raw(headers, raw.Value); err == nil || !strings.Contains(err.Error(), "header "+key+": ") || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%s = %q: got %v", key, bad, err)
		}
	}
	const good = `{"reason":"r","stage":"s","provider":"p","source":"s","received_at":"2025-11-28T06:29:58.113Z","mapper":1,"index":0,"headers":{},"query":{},"body":"e30="}`
	if _, err := stored.DeadLetter([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for member, bad := range map[string]any{
		"reason": "", "stage": nil, "provider": 7, "source": "", "received_at": "yesterday", "body": nil, "index": -1, "mapper": -4, "headers": "none",
	} {
		var doc map[string]any
		if err := json.Unmarshal([]byte(good), &doc); err != nil {
			t.Fatal(err)
		}
		doc[member] = bad
		value, _ := json.Marshal(doc)
		if _, err := stored.DeadLetter(value); err == nil || !strings.Contains(err.Error(), "member "+member) {
			t.Errorf("%s = %v: got %v", member, bad, err)
		}
	}
	for _, value := range []string{"", "[]", "{", `"x"`, strings.Replace(good, "e30=", "***", 1)} {
		if _, err := stored.DeadLetter([]byte(value)); err == nil || strings.Contains(err.Error(), "***") {
			t.Errorf("%q: got %v", value, err)
		}
	}
}

// TestAnyRequestSurvives draws headers and queries as a server may get them.
func TestAnyRequestSurvives(t *testing.T) {
	def, _ := all.Lookup("jetemail")
	s := source(t, def)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.StringMatching(`[A-Z][a-z0-9]{0,8}(-[A-Z][a-z0-9]{0,8}){0,2}`)
		values := rapid.SliceOfN(rapid.StringMatching(`[ -~\x{80}-\x{ff}]{1,20}`), 1, 3)
		v := webhook.AssumeProvenForReplayAndTests(webhook.Request{
			Method: "POST", Header: rapid.MapOfN(names, values, 0, 5).Draw(t, "header"),
			Query: url.Values{"email": values.Draw(t, "email"), "campaign": values.Draw(t, "campaign")},
			Body:  rapid.SliceOf(rapid.Byte()).Draw(t, "body"), ReceivedAt: receivedAt,
		})
		raw := normalize.RawRecord(s, v, "raw-1", normalize.Counts{})
		got, err := stored.Raw(raw.Headers, raw.Value)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(raw, normalize.RawRecord(s, got.Verified, "raw-1", normalize.Counts{})); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzDeadLetter(f *testing.F) {
	f.Add([]byte(`{"reason":"r","stage":"s","provider":"p","source":"s","received_at":"2025-11-28T06:29:58.113Z","body":"e30="}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if l, err := stored.DeadLetter(value); err == nil && (!l.Verified.OK() || l.Reason == "" || l.Index < -1) {
			t.Fatalf("%q: %+v", value, l)
		}
	})
}
