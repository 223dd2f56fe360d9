// Package eventtest makes events for tests: one with every field set, and
// generators of valid and of arbitrary ones.
package eventtest

import (
	"encoding/json"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
)

// Full returns a valid event of type unknown with every field of the struct set.
func Full() event.Event {
	yes, no := true, false
	at := time.Date(2025, 11, 28, 6, 29, 57, 826118700, time.UTC)
	return event.Event{
		Schema: event.Schema, ID: "0123456789abcdef0123456789abcdef",
		Type: event.Unknown, Family: event.FamilyOther, Direction: event.Outbound,
		Provider: "jetemail", Source: "jet-prod", ProviderType: "outbound.moved", ProviderSubtype: "a/b", ProviderEventID: "evt_1",
		OccurredAt: event.NewTime(at, 7), ReceivedAt: event.NewTime(at, 3),
		MessageID: "m-1", SMTPMessageID: "a.b@example.net", BatchID: "job-1", CustomerRef: "order-1",
		Recipient: "someone@example.com", RecipientHash: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		Recipients: []string{"a@example.com", "b@example.com"}, Sender: "shop@example.net", Subject: "Your order",
		Tags: []string{"welcome", "de"}, Metadata: map[string]string{"contact": "42", "campaign": "winter"},
		SMTP:       &event.SMTP{Code: 550, Enhanced: "5.1.1", Response: "550 5.1.1 unknown", MX: "mx.example.com", Remote: "2001:db8::1", Attempt: 2},
		Bounce:     &event.Bounce{Class: event.Hard, Category: event.InvalidRecipient, CodeAssumed: "5.1.1", WillRetry: &no},
		Drop:       &event.Drop{Reason: event.DropPolicy, Detail: "on our list"},
		Complaint:  &event.Complaint{Type: "abuse"},
		Engagement: &event.Engagement{URL: "https://example.com/?a=1&b=2", IP: "192.0.2.1", UserAgent: "Mozilla/5.0", Bot: &yes, First: &no, Country: "AU", Client: "Gmail"},
		Reason:     "free text", Test: true, RawID: "raw-1", Raw: json.RawMessage(`{"type":"outbound.moved","n":1}`),
	}
}

// Valid generates valid events of every route, whose texts are UTF-8 and whose
// Raw is in the form that event.Decode gives it.
func Valid() *rapid.Generator[event.Event] {
	return rapid.Custom(func(t *rapid.T) event.Event {
		route := rapid.SampledFrom(event.Routes()).Draw(t, "route")
		e := event.Event{
			Schema: event.Schema, ID: hex(t, 32), Type: route.Type, Family: route.Type.Family(), Direction: route.Direction,
			Provider: some(t), Source: some(t), ProviderType: some(t), ProviderSubtype: text(t), ProviderEventID: text(t),
			ReceivedAt: instant(t),
			MessageID:  text(t), SMTPMessageID: text(t), BatchID: text(t), CustomerRef: text(t),
			Recipient: text(t), Recipients: texts(t), Sender: text(t), Subject: text(t), Tags: texts(t),
			Reason: text(t), Test: rapid.Bool().Draw(t, "test"), RawID: text(t),
		}
		if rapid.Bool().Draw(t, "occurred") {
			e.OccurredAt = instant(t)
		}
		if rapid.Bool().Draw(t, "hash") {
			e.RecipientHash = hex(t, 64)
		}
		e.Metadata = rapid.SampledFrom([]map[string]string{nil, {"a": "1", "b\"é": some(t)}, {some(t): some(t), "": "x"}}).Draw(t, "metadata")
		addDetails(t, &e)
		if e.Type == event.Unknown {
			e.Raw = rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{}`), json.RawMessage(`{"a":[1,2.50,"x y"]}`), json.RawMessage(`"text"`)}).Draw(t, "raw")
		}
		return e
	})
}

func addDetails(t *rapid.T, e *event.Event) {
	if rapid.Bool().Draw(t, "smtp") {
		e.SMTP = &event.SMTP{Code: rapid.IntRange(200, 599).Draw(t, "code"), Enhanced: enhanced(t), Response: text(t), MX: text(t), Remote: text(t), Attempt: rapid.IntRange(0, 9).Draw(t, "attempt")}
	}
	if e.Type == event.Bounced || rapid.Bool().Draw(t, "bounce") {
		e.Bounce = &event.Bounce{
			Class: rapid.SampledFrom(event.BounceClasses()).Draw(t, "class"), Category: rapid.SampledFrom(append(event.BounceCategories(), "")).Draw(t, "category"),
			CodeAssumed: enhanced(t), WillRetry: maybe(t),
		}
	}
	if e.Type == event.Dropped || rapid.Bool().Draw(t, "drop") {
		e.Drop = &event.Drop{Reason: rapid.SampledFrom(event.DropReasons()).Draw(t, "reason"), Detail: text(t)}
	}
	if rapid.Bool().Draw(t, "complaint") {
		e.Complaint = &event.Complaint{Type: some(t)}
	}
	if rapid.Bool().Draw(t, "engagement") {
		e.Engagement = &event.Engagement{URL: text(t), IP: text(t), UserAgent: text(t), Bot: maybe(t), First: maybe(t), Country: some(t), Client: text(t)}
	}
}

// Any generates arbitrary events: valid ones, and ones with texts, times,
// numbers and objects that no rule allows, invalid UTF-8 included.
func Any() *rapid.Generator[event.Event] {
	return rapid.Custom(func(t *rapid.T) event.Event {
		e := Valid().Draw(t, "valid")
		wild := rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, '\n', '"', '\\', '<', 'é', 0x2028, 0x1F4E8, 0xFFFD}), 0, 6, -1)
		bytes := rapid.SampledFrom([]string{"\xff", "a\xc3", "\xed\xa0\x80z"})
		change := rapid.IntRange(0, 9).Draw(t, "change")
		switch change {
		case 0:
			e = event.Event{}
		case 1:
			e.SMTP, e.Complaint, e.Engagement = &event.SMTP{}, &event.Complaint{}, &event.Engagement{}
		case 2:
			e.SMTP = &event.SMTP{Code: rapid.Int().Draw(t, "n"), Attempt: rapid.Int().Draw(t, "n")}
		case 3:
			e.Tags, e.Metadata = []string{"", bytes.Draw(t, "bytes")}, map[string]string{}
		case 4:
			e.Raw = json.RawMessage(rapid.SampledFrom([]string{" [ 1 ]\n", "null", "{,}", `{"a":"` + bytes.Draw(t, "bytes") + `"}`}).Draw(t, "raw"))
		case 5:
			e.Metadata = rapid.MapOf(wild, wild).Draw(t, "metadata")
		case 6:
			e.Bounce, e.Drop = &event.Bounce{}, &event.Drop{}
		}
		e.Subject, e.Reason = wild.Draw(t, "subject"), bytes.Draw(t, "reason")
		e.ProviderType = wild.Draw(t, "provider type")
		return e
	})
}

func text(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "x", "a b/c", "é\"\\<\n", "someone@example.com"}).Draw(t, "text")
}

func some(t *rapid.T) string {
	return rapid.SampledFrom([]string{"x", "a b", "\U0001F4E8", "a\tb"}).Draw(t, "some")
}

func texts(t *rapid.T) []string {
	return rapid.SampledFrom([][]string{nil, {"a"}, {"a", "é\""}}).Draw(t, "texts")
}

func hex(t *rapid.T, n int) string {
	return rapid.StringOfN(rapid.RuneFrom([]rune("0123456789abcdef")), n, n, n).Draw(t, "hex")
}

func enhanced(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "5.1.1", "4.7.26", "2.100.999"}).Draw(t, "enhanced")
}

func maybe(t *rapid.T) *bool {
	yes, no := true, false
	return rapid.SampledFrom([]*bool{nil, &yes, &no}).Draw(t, "maybe")
}

func instant(t *rapid.T) event.Time {
	first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2100, 12, 31, 23, 59, 59, 0, time.UTC)
	sec := rapid.Int64Range(first.Unix(), last.Unix()).Draw(t, "second")
	nano := rapid.Int64Range(0, 999999999).Draw(t, "nano")
	return event.NewTime(time.Unix(sec, nano), rapid.IntRange(0, 9).Draw(t, "digits"))
}
