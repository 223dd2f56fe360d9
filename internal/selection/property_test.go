package selection_test

import (
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/event"
)

// anyWord draws from few words, so that conditions are met often.
func anyWord(words ...string) *rapid.Generator[string] { return rapid.SampledFrom(words) }

// anyEvent draws an event: of few providers, ids and people.
func anyEvent(t *rapid.T) event.Event {
	route := rapid.SampledFrom(event.Routes()).Draw(t, "route")
	e := event.Event{
		Schema: event.Schema, ID: anyWord("e1", "e2").Draw(t, "id"), Type: route.Type, Direction: route.Direction, Family: route.Type.Family(),
		Provider: anyWord("jetemail", "vfs").Draw(t, "provider"), Source: anyWord("s", "s/x", "vfs").Draw(t, "source"),
		MessageID: anyWord("", "m", "s/x/m", "x/m", "m\x01", strings.Repeat("m", 2000)).Draw(t, "message"),
		Recipient: anyWord("", "a@b.c", "A@b.C", "d@e.f").Draw(t, "recipient"), RecipientHash: anyWord("", strings.Repeat("h", 64)).Draw(t, "hash"),
	}
	if rapid.Bool().Draw(t, "several") {
		e.Recipient, e.Recipients = "", []string{"x@y.z", "a@b.c"}
	}
	return e
}

// anyRecord draws the record of an event, keyed in one of the three ways, of our
// making or a foreign producer's.
func anyRecord(t *rapid.T, e *event.Event, kind string) *selection.Record {
	r := &selection.Record{
		Topic: anyWord("email.a", "email.b").Draw(t, "topic"), Partition: rapid.IntRange(0, 2).Draw(t, "partition"),
		Offset: rapid.Int64Range(0, 5).Draw(t, "offset"), Time: at(rapid.IntRange(0, 5).Draw(t, "minute")),
		Key: []byte(map[string]string{"message": e.Key(), "recipient": e.RecipientKey(), "event": e.EventKey()}[kind]), Value: e.AppendJSON(nil),
	}
	if rapid.Bool().Draw(t, "ours") {
		r.Headers = e.AppendHeaders(nil, event.Stamp{})
	}
	if rapid.Bool().Draw(t, "copy") {
		r.Headers = append(r.Headers, event.Header{Key: "replay-id", Value: []byte("1")})
	}
	return r
}

// some draws a condition: mostly none.
func some[T any](t *rapid.T, name string, g *rapid.Generator[T]) []T {
	if rapid.IntRange(0, 2).Draw(t, "with "+name) > 0 {
		return nil
	}
	return rapid.SliceOfN(g, 1, 2).Draw(t, name)
}

// anySelection draws a selection without an expression, valid or not.
func anySelection(t *rapid.T) selection.Selection {
	s := selection.Selection{
		Topics: some(t, "topics", anyWord("email.a", "email.*", "*.b")), Partitions: some(t, "partitions", rapid.IntRange(0, 2)),
		Providers: some(t, "providers", anyWord("jetemail", "vfs")), Sources: some(t, "sources", anyWord("s", "s/x")),
		Types: some(t, "types", anyWord(selection.TypeNames()...)), EventIDs: some(t, "ids", anyWord("e1", "e3")),
		Recipients: some(t, "recipients", anyWord("a@b.c", "x@y.z")), RecipientHashes: some(t, "hashes", anyWord(strings.Repeat("h", 64), "i")),
		MessageIDs: some(t, "messages", anyWord("m", "x/m", "s/x/m", "m\x01", strings.Repeat("m", 2000), strings.Repeat("h", 32), "e1")),
		Replayed:   rapid.Bool().Draw(t, "replayed"),
	}
	for _, from := range some(t, "offsets", rapid.Int64Range(0, 3)) {
		s.Offsets = append(s.Offsets, selection.Span{Partition: 1, From: from, To: from + rapid.Int64Range(1, 3).Draw(t, "span")})
	}
	if rapid.Bool().Draw(t, "times") {
		s.From, s.To = at(rapid.IntRange(0, 2).Draw(t, "from")), at(rapid.IntRange(3, 5).Draw(t, "to"))
	}
	s.All = s.Validate() != nil
	return s
}

// naive is what Match must say: everything is asked of the event, nothing of headers.
func naive(s *selection.Selection, r *selection.Record, e *event.Event) selection.Verdict {
	word := string(e.Type)
	if e.Direction == event.Inbound {
		word = "inbound." + word
	}
	in := func(list []string, text string) bool { return len(list) == 0 || slices.Contains(list, text) }
	fits := (len(s.Topics) == 0 || slices.ContainsFunc(s.Topics, func(p string) bool { ok, _ := path.Match(p, r.Topic); return ok })) &&
		(len(s.Partitions) == 0 || slices.Contains(s.Partitions, r.Partition)) && naiveOffsets(s, r) &&
		(s.From.IsZero() || !r.Time.Before(s.From)) && (s.To.IsZero() || r.Time.Before(s.To)) &&
		in(s.Providers, e.Provider) && in(s.Sources, e.Source) && in(s.Types, word) && in(s.EventIDs, e.ID) &&
		in(s.MessageIDs, e.MessageID) && naiveRecipient(s, e)
	copied := slices.ContainsFunc(r.Headers, func(h event.Header) bool { return h.Key == "replay-id" })
	switch {
	case !fits:
		return selection.No
	case copied && !s.Replayed:
		return selection.Replayed
	}
	return selection.Yes
}

func naiveOffsets(s *selection.Selection, r *selection.Record) bool {
	return len(s.Offsets) == 0 || slices.ContainsFunc(s.Offsets, func(o selection.Span) bool {
		return o.Partition == r.Partition && o.From <= r.Offset && r.Offset < o.To
	})
}

func naiveRecipient(s *selection.Selection, e *event.Event) bool {
	if len(s.Recipients)+len(s.RecipientHashes) == 0 {
		return true
	}
	for _, address := range append([]string{e.Recipient}, e.Recipients...) {
		if slices.ContainsFunc(s.Recipients, func(r string) bool { return strings.EqualFold(r, address) }) {
			return true
		}
	}
	return slices.Contains(s.RecipientHashes, e.RecipientHash)
}

func TestMatchIsWhatTheEventSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := anyWord("message", "recipient", "event").Draw(t, "key")
		s, e := anySelection(t), anyEvent(t)
		r := anyRecord(t, &e, kind)
		if err := s.Validate(); err != nil { // All, and bad otherwise
			t.Skip(err)
		}
		m, err := selection.Compile(s, selection.Options{KeyKind: kind})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Match(r); err != nil || got != naive(&s, r, &e) {
			t.Fatalf("%s %v, want %s\n%+v\n%s %s", got, err, naive(&s, r, &e), s, r.Key, r.Value)
		}
	})
}

// TestValidateAndMatchNeverPanic feeds what nobody would write.
func TestValidateAndMatchNeverPanic(t *testing.T) {
	t.Parallel()
	words := rapid.SliceOfN(rapid.String(), 0, 2)
	bytes := rapid.SliceOf(rapid.Byte())
	rapid.Check(t, func(t *rapid.T) {
		s := selection.Selection{
			Topics: words.Draw(t, "topics"), From: time.Unix(rapid.Int64().Draw(t, "from"), 0), Providers: words.Draw(t, "providers"),
			Recipients: words.Draw(t, "recipients"), MessageIDs: words.Draw(t, "messages"), Types: words.Draw(t, "types"),
			Where: anyWord("", "topic == key", `"x" in tags`, "type", rapid.String().Draw(t, "where")).Draw(t, "expression"),
		}
		m, err := selection.Compile(s, selection.Options{KeyKind: selection.KeyMessage})
		if (err == nil) != (s.Validate() == nil) {
			t.Fatalf("Compile says %v, Validate %v", err, s.Validate())
		}
		if err != nil {
			return
		}
		_, _ = m.Match(&selection.Record{Key: bytes.Draw(t, "key"), Value: bytes.Draw(t, "value"), Headers: []event.Header{
			{Key: "ce_type", Value: bytes.Draw(t, "type")}, {Key: "provider", Value: bytes.Draw(t, "provider")},
		}})
	})
}

// TestExpandTopicsNamesWhatIsThere holds the result to the existing topics.
func TestExpandTopicsNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	names := anyWord("email.a", "email.b", "email.inbound.a", "raw", "[")
	rapid.Check(t, func(t *rapid.T) {
		existing := rapid.SliceOfDistinct(names, rapid.ID).Draw(t, "existing")
		patterns := rapid.SliceOf(rapid.OneOf(names, anyWord("*", "email.?", "x*", "[", ""))).Draw(t, "patterns")
		got, err := selection.ExpandTopics(patterns, existing)
		for _, p := range patterns {
			meant := slices.ContainsFunc(existing, func(n string) bool { ok, _ := path.Match(p, n); return ok || p == n })
			if !meant && err == nil {
				t.Fatalf("%q means nothing, and there is no error", p)
			}
		}
		for i, name := range got {
			if !slices.Contains(existing, name) || slices.Contains(got[:i], name) {
				t.Fatalf("%q of %q: %q", patterns, existing, got)
			}
		}
	})
}
