package event_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/event/internal/eventtest"
)

func TestKey(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	const address = "08168cd80dfd534ab0f10af10f1303fe" // printf %s a@example.com | sha256sum | head -c 32
	tests := map[string]struct {
		e    event.Event
		want string
	}{
		"message id":     {event.Event{MessageID: "m/1", Recipient: "a@example.com", RecipientHash: hash}, "p/s/m/1"},
		"recipient hash": {event.Event{Recipient: "a@example.com", RecipientHash: hash}, "p/s/" + hash[:32]},
		"recipient":      {event.Event{Recipient: "a@EXAMPLE.com", ID: "id"}, "p/s/" + address},
		"entity value":   {event.Event{Metadata: map[string]string{"entity_value": "a@example.com"}, ID: "id"}, "p/s/" + address},
		"event id":       {event.Event{ID: "id"}, "p/s/id"},
	}
	for name, tt := range tests {
		tt.e.Provider, tt.e.Source = "p", "s"
		got := tt.e.Key()
		if got != tt.want {
			t.Errorf("%s: got key %q, want %q", name, got, tt.want)
		}
	}
}

func TestKeyHoldsNoClearAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := eventtest.Valid().Draw(t, "event")
		e.Recipient, e.MessageID = "canary@example.com", ""
		e.Metadata = map[string]string{"entity_value": "canary@example.com"}
		if key := e.Key(); strings.Contains(key, "canary") {
			t.Fatalf("key %q holds the address", key)
		}
	})
}

func TestRecipientAndEventKey(t *testing.T) {
	e := event.Event{ID: "id", Provider: "p", Source: "s", MessageID: "m", Recipient: "Joe <Joe.Bloggs@Example.COM>", RecipientHash: "abc"}
	if got := e.RecipientKey(); got != "joe.bloggs@example.com" {
		t.Errorf("got %q", got)
	}
	if e.Recipient = ""; e.RecipientKey() != "abc" {
		t.Errorf("got %q, want the hash", e.RecipientKey())
	}
	if e.RecipientHash = ""; e.RecipientKey() != "p/s/m" {
		t.Errorf("got %q, want the default key", e.RecipientKey())
	}
	if e.EventKey() != "id" {
		t.Errorf("got %q, want the id", e.EventKey())
	}
}

func TestNormalizeAddress(t *testing.T) {
	tests := map[string]string{
		"a@example.com":              "a@example.com",
		" A.b@EXAMPLE.Com\n":         "A.b@example.com",
		"Joe <Joe@Example.com>":      "Joe@example.com",
		`"x@Y" <"a@B"@C.de>`:         `"a@B"@c.de`,
		"Ünï@EXÄMPLE.de":             "Ünï@exÄmple.de",
		"no address":                 "no address",
		"":                           "",
		"[email\u00a0protected]":     "[email\u00a0protected]",
		"a@[IPv6:2001:DB8::1]":       "a@[ipv6:2001:db8::1]",
		"undisclosed-recipients:;<>": "",
		"half <open@EXAMPLE.com":     "half <open@example.com",
		"postmaster":                 "postmaster",
	}
	for in, want := range tests {
		got := event.NormalizeAddress(in)
		if got != want {
			t.Errorf("NormalizeAddress(%q): got %q, want %q", in, got, want)
		}
		if again := event.NormalizeAddress(got); again != got {
			t.Errorf("NormalizeAddress(%q): a second time gives %q", in, again)
		}
	}
}

func TestHeaders(t *testing.T) {
	e := typical()
	e.Test = true
	got := asText(e.AppendHeaders([]event.Header{{Key: "kept"}}, event.Stamp{Mapper: 3, Conflict: true, Duplicate: true}))
	want := []string{
		"kept=", "ce_specversion=1.0", "ce_id=" + e.ID, "ce_source=/cmcom/cm-prod", "ce_type=email.bounced.v1",
		"ce_time=2025-11-28T06:29:57.8261187Z", "ce_subject=8814fd39-7c6b-4f0c-a0ac-5cc3e3f0a001", "content-type=application/json",
		"provider=cmcom", "source=cm-prod", "mapper-version=3", "bounce-class=hard", "bounce-will-retry=false", "test=true", "conflict=true", "duplicate=true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestHeadersLeaveOutWhatIsNotKnown(t *testing.T) {
	e := event.Event{ID: "id", Type: event.Delivered, Direction: event.Inbound, Provider: "a b", Source: "s/é", Bounce: &event.Bounce{Class: event.Soft}}
	want := []string{
		"ce_specversion=1.0", "ce_id=id", "ce_source=/a%20b/s%2F%C3%A9", "ce_type=email.inbound.delivered.v1",
		"content-type=application/json", "provider=a b", "source=s/é",
	}
	if diff := cmp.Diff(want, asText(e.AppendHeaders(nil, event.Stamp{}))); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	e.Type, e.Bounce = event.Bounced, &event.Bounce{Class: event.UndeterminedClass}
	got := asText(e.AppendHeaders(nil, event.Stamp{}))
	if last := got[len(got)-1]; last != "bounce-class=undetermined" {
		t.Errorf("got last header %q, want the class and nothing about a retry", last)
	}
}

func TestHeaderValuesAreCleanAndBounded(t *testing.T) {
	tests := map[string]string{
		"a\x00b\x1b[31m\x7f\u0085c":    "ab[31mc",
		"x\ufdd0y\uffffz\U0001fffe":    "xyz",
		"a\xffb":                       "a\uFFFDb",
		strings.Repeat("é", 600):       strings.Repeat("é", 512),
		"a" + strings.Repeat("é", 600): "a" + strings.Repeat("é", 511),
		"\x01\x02":                     "",
	}
	for in, want := range tests {
		e := event.Event{MessageID: in}
		got, found := "", false
		for _, h := range e.AppendHeaders(nil, event.Stamp{}) {
			if h.Key == "ce_subject" {
				got, found = string(h.Value), true
			}
		}
		if got != want || found != (want != "") {
			t.Errorf("subject %.20q: got %.40q (present: %v), want %.40q", in, got, found, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		e := eventtest.Any().Draw(t, "event")
		e.MessageID = rapid.String().Draw(t, "message id")
		for _, h := range e.AppendHeaders(nil, event.Stamp{Mapper: 1}) {
			if len(h.Value) == 0 || len(h.Value) > 1024 || !utf8.Valid(h.Value) || strings.ContainsAny(string(h.Value), "\x00\n\r\t\x7f") {
				t.Fatalf("header %s has value %q", h.Key, h.Value)
			}
		}
	})
}

func TestRoutes(t *testing.T) {
	routes := event.Routes()
	seen := map[event.Route]bool{}
	for _, r := range routes {
		if !r.Valid() || seen[r] {
			t.Errorf("route %v: invalid or listed twice", r)
		}
		seen[r] = true
	}
	if len(routes) != 15+8 {
		t.Errorf("got %d routes, want 15 outbound and 8 inbound", len(routes))
	}
	if seen[event.Route{Direction: event.Outbound, Type: event.Received}] || !seen[event.Route{Direction: event.Inbound, Type: event.Unknown}] {
		t.Errorf("outbound.received must not exist and inbound.unknown must: %v", routes)
	}
}

func asText(headers []event.Header) []string {
	var out []string
	for _, h := range headers {
		out = append(out, h.Key+"="+string(h.Value))
	}
	return out
}

func BenchmarkHeaders(b *testing.B) {
	e := typical()
	var list []event.Header
	b.ReportAllocs()
	for b.Loop() {
		list = e.AppendHeaders(list[:0], event.Stamp{Mapper: 1})
	}
}
