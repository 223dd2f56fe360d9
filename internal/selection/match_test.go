package selection_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/internal/selection"
	"github.com/postrider/postrider/pkg/event"
)

// at is when the tests' records are from.
func at(minute int) time.Time { return time.Date(2026, 11, 21, 9, minute, 0, 0, time.UTC) }

// typed is the record of an event, as it is published.
func typed(e event.Event) *selection.Record {
	return &selection.Record{
		Topic: "email." + string(e.Type), Partition: 1, Offset: 7, Time: at(30),
		Key: []byte(e.Key()), Headers: e.AppendHeaders(nil, event.Stamp{Mapper: 1}), Value: e.AppendJSON(nil),
	}
}

// bounced is an event with all that the tests ask for.
func bounced() event.Event {
	yes := true
	return event.Event{
		Schema: event.Schema, ID: "c677cee09e04e08cc97c635766b11fb0", Type: event.Bounced, Family: event.FamilyDelivery,
		Direction: event.Outbound, Provider: "jetemail", Source: "jet-eu", ProviderType: "email.bounced",
		ReceivedAt: event.NewTime(at(30), 3), MessageID: "a/b/c", Recipient: "Someone@Example.com", RecipientHash: strings.Repeat("ab", 32),
		Tags: []string{"news", "weekly"}, Metadata: map[string]string{"job": "7"}, SMTP: &event.SMTP{Code: 550},
		Bounce: &event.Bounce{Class: event.Hard, WillRetry: &yes},
	}
}

// raw is a raw request. Its body looks like an event, and is none.
func raw() *selection.Record {
	return &selection.Record{
		Topic: "email.raw", Time: at(30), Key: []byte("jet-eu/019a1b2c"), Value: []byte(`{"id":"x","type":"bounced","schema":"email-event/1"}`),
		Headers: []event.Header{
			{Key: "provider", Value: []byte("jetemail")}, {Key: "source", Value: []byte("jet-eu")}, {Key: "id", Value: []byte("019a1b2c")},
		},
	}
}

func match(t *testing.T, s selection.Selection, r *selection.Record) selection.Verdict {
	t.Helper()
	m, err := selection.Compile(s, selection.Options{KeyKind: selection.KeyMessage})
	if err != nil {
		t.Fatal(err)
	}
	v, err := m.Match(r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// undecoded are selections that mean bounced() and that headers and key tell.
func undecoded() map[string]selection.Selection {
	return map[string]selection.Selection{
		"all":            {All: true},
		"topic":          {All: true, Topics: []string{"email.bounced"}},
		"pattern":        {All: true, Topics: []string{"email.b*"}},
		"partition":      {Partitions: []int{0, 1}},
		"offsets":        {Offsets: []selection.Span{{Partition: 1, From: 7, To: 8}}},
		"offsets' topic": {Offsets: []selection.Span{{Topic: "email.bounced", Partition: 1}}},
		"time":           {From: at(30), To: at(31)},
		"provider":       {Providers: []string{"vfs", "jetemail"}},
		"source":         {Sources: []string{"jet-eu"}},
		"type":           {Types: []string{"bounced"}},
		"event id":       {EventIDs: []string{"c677cee09e04e08cc97c635766b11fb0"}},
		"message id":     {MessageIDs: []string{"a/b/c"}},
		"header":         {Headers: []selection.Header{{Name: "bounce-class", Value: "soft"}, {Name: "bounce-class", Value: "hard"}}},
		"where":          {Where: `type == "bounced" and provider == "jetemail" and source == "jet-eu" and direction == "outbound"`},
		"where, id":      {Where: `id startsWith "c677"`},
		"where, record":  {Where: `topic == "email.bounced" and partition == 1 and offset == 7 and key contains "/a/" and headers.test == ""`},
		"where, time":    {Where: `time >= date("2026-11-21T09:30:00Z")`},
	}
}

// others are selections that differ from undecoded in one thing: none means bounced().
func others() map[string]selection.Selection {
	return map[string]selection.Selection{
		"topic":            {All: true, Topics: []string{"email.bounce"}},
		"pattern":          {All: true, Topics: []string{"email.*.bounced"}},
		"partition":        {Partitions: []int{0}},
		"offsets before":   {Offsets: []selection.Span{{Partition: 1, From: 6, To: 7}}},
		"offsets after":    {Offsets: []selection.Span{{Partition: 1, From: 8}}},
		"offsets of other": {Offsets: []selection.Span{{Partition: 0}}},
		"offsets' topic":   {Offsets: []selection.Span{{Topic: "email.sent", Partition: 1}}},
		"before":           {To: at(30)},
		"after":            {From: at(31)},
		"provider":         {Providers: []string{"vfs"}},
		"source":           {Sources: []string{"jet"}},
		"type":             {Types: []string{"inbound.bounced"}},
		"event id":         {EventIDs: []string{"d677cee09e04e08cc97c635766b11fb0"}},
		"message id":       {MessageIDs: []string{"a/b"}},
		"header":           {Headers: []selection.Header{{Name: "bounce-class", Value: "hard"}, {Name: "test", Value: "true"}}},
		"where":            {Where: `type != "bounced"`},
	}
}

func TestWhatHeadersAndKeyTellNeedsNoValue(t *testing.T) {
	t.Parallel()
	r := typed(bounced())
	r.Value = []byte("no JSON")
	for name, s := range undecoded() {
		if got := match(t, s, r); got != selection.Yes {
			t.Errorf("%s: %s, want yes", name, got)
		}
		if m, _ := selection.Compile(s, selection.Options{KeyKind: selection.KeyMessage}); m.Decodes() {
			t.Errorf("%s: Decodes, though headers tell", name)
		}
	}
	for name, s := range others() {
		if got := match(t, s, r); got != selection.No {
			t.Errorf("other %s: %s, want no", name, got)
		}
	}
}

func TestForeignRecordsAreDecoded(t *testing.T) {
	t.Parallel()
	for name, s := range undecoded() {
		r := typed(bounced())
		r.Headers = []event.Header{{Key: "bounce-class", Value: []byte("hard")}}
		if got := match(t, s, r); got != selection.Yes {
			t.Errorf("%s: %s, want yes", name, got)
		}
	}
	for name, s := range others() {
		r := typed(bounced())
		r.Headers = []event.Header{{Key: "bounce-class", Value: []byte("hard")}}
		if got := match(t, s, r); got != selection.No {
			t.Errorf("other %s: %s, want no", name, got)
		}
	}
}

func TestWhatOnlyTheValueTells(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]selection.Selection{
		"recipient":      {Recipients: []string{"someone@EXAMPLE.com"}},
		"display name":   {Recipients: []string{"Somebody <someone@example.com>"}},
		"recipient hash": {RecipientHashes: []string{strings.Repeat("ab", 32)}},
		"either":         {Recipients: []string{"x@example.com"}, RecipientHashes: []string{strings.Repeat("ab", 32)}},
		"where":          {Where: `bounce.class == "hard" and bounce.will_retry and "news" in tags and metadata["job"] == "7" and smtp.code == 550`},
		"where, absent":  {Where: `drop.reason == "" and engagement.bot == false and metadata["none"] == "" and not test`},
		"where, times":   {Where: `received_at == date("2026-11-21T09:30:00Z") and occurred_at < received_at`},
	} {
		r := typed(bounced())
		if got := match(t, s, r); got != selection.Yes {
			t.Errorf("%s: %s, want yes", name, got)
		}
		if m, _ := selection.Compile(s, selection.Options{}); !m.Decodes() {
			t.Errorf("%s: does not decode", name)
		}
		for _, value := range []string{"no JSON", "", "{}", "null", `{"schema":"other/1"}`} {
			r.Value = []byte(value)
			if got := match(t, s, r); got != selection.Undecodable {
				t.Errorf("%s of %q: %s, want undecodable", name, value, got)
			}
		}
	}
}

func TestMessageIDWhereTheKeyIsAnother(t *testing.T) {
	t.Parallel()
	r := typed(bounced())
	r.Key = []byte("someone@example.com")
	s := selection.Selection{MessageIDs: []string{"a/b/c"}}
	for _, o := range []selection.Options{{KeyKind: "recipient"}, {KeyKind: selection.KeyMessage}} {
		m, err := selection.Compile(s, o)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Match(r); got != selection.Yes {
			t.Errorf("%+v: %s, want yes", o, got)
		}
		if m.Decodes() != (o.KeyKind == "recipient") {
			t.Errorf("%+v: Decodes is %t", o, m.Decodes())
		}
	}
	// A key that only looks like one of ours is not asked.
	r.Key = []byte("jetemail/jet-eu/other")
	if m, _ := selection.Compile(s, selection.Options{KeyKind: "recipient"}); m == nil {
		t.Error("does not compile")
	} else if got, _ := m.Match(r); got != selection.Yes {
		t.Errorf("key of another kind: %s, want yes", got)
	}
	// The header excludes an id without the value; it alone proves none.
	m, _ := selection.Compile(selection.Selection{MessageIDs: []string{"a/b"}}, selection.Options{KeyKind: "recipient"})
	r.Value = []byte("no JSON")
	if got, _ := m.Match(r); got != selection.No {
		t.Errorf("another message id: %s, want no", got)
	}
}

func TestKeyWithoutMessageID(t *testing.T) {
	t.Parallel()
	e := bounced()
	e.MessageID = ""
	if got := match(t, selection.Selection{MessageIDs: []string{strings.Repeat("ab", 16)}}, typed(e)); got != selection.No {
		t.Errorf("the recipient's hash in the key was taken for a message id: %s", got)
	}
}

func TestRequestsAndDeadLetters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s    selection.Selection
		want selection.Verdict
	}{
		"provider":       {selection.Selection{Providers: []string{"jetemail"}}, selection.Yes},
		"source":         {selection.Selection{Sources: []string{"jet-eu"}}, selection.Yes},
		"id":             {selection.Selection{EventIDs: []string{"019a1b2c"}}, selection.Yes},
		"other id":       {selection.Selection{EventIDs: []string{"x"}}, selection.No},
		"where":          {selection.Selection{Where: `provider == "jetemail" and source == "jet-eu" and id == "019a1b2c"`}, selection.Yes},
		"type":           {selection.Selection{Types: []string{"bounced"}}, selection.Undecodable},
		"message id":     {selection.Selection{MessageIDs: []string{"x"}}, selection.Undecodable},
		"where, type":    {selection.Selection{Where: `type == "bounced"`}, selection.Undecodable},
		"other provider": {selection.Selection{Providers: []string{"vfs"}, Types: []string{"bounced"}}, selection.No},
	} {
		if got := match(t, c.s, raw()); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestCopiesAreLeftOut(t *testing.T) {
	t.Parallel()
	r := typed(bounced())
	r.Headers = append(r.Headers, event.Header{Key: "replay-id", Value: []byte("1")})
	for _, c := range []struct {
		s    selection.Selection
		want selection.Verdict
	}{
		{selection.Selection{All: true}, selection.Replayed},
		{selection.Selection{All: true, Replayed: true}, selection.Yes},
		{selection.Selection{Providers: []string{"vfs"}}, selection.No},
		{selection.Selection{Recipients: []string{"someone@example.com"}}, selection.Replayed},
	} {
		if got := match(t, c.s, r); got != c.want {
			t.Errorf("%+v: %s, want %s", c.s, got, c.want)
		}
	}
}
