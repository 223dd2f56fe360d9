package normalize_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// An event about one recipient of a message may name the others, where the provider
// keeps the message's recipients or headers.
func TestHashModeHidesTheOtherRecipients(t *testing.T) {
	for name, body := range map[string]string{
		"ses": `{"eventType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"anna@example.com"}]},
			"mail":{"messageId":"m","source":"shop@example.org","destination":["anna@example.com","Joe@Example.com"],"tags":{},
			"headers":[{"name":"From","value":"Shop <shop@example.org>"},{"name":"To","value":"\"A\" <anna@example.com>,\\r\\n\tjoe@example.com"}],
			"commonHeaders":{"from":["shop@example.org"],"to":["Anna <anna@example.com>"],"cc":["joe@example.com"],"bcc":["joe@example.com"]}}}`,
		"mailgun": `{"event":"delivered","id":"1","recipient":"anna@example.com","envelope":{"sender":"shop@example.org","targets":"anna@example.com,joe@example.com"},
			"message":{"headers":{"to":"anna@example.com, Joe <joe@example.com>","message-id":"m@example.org","from":"shop@example.org"}}}`,
		"resend":    `{"type":"email.delivered","data":{"email_id":"1","from":"shop@example.org","to":["anna@example.com"],"cc":["joe@example.com"],"bcc":["joe@example.com"]}}`,
		"sparkpost": `{"msys":{"message_event":{"type":"delivery","event_id":"1","friendly_from":"shop@example.org","raw_rcpt_to":"anna@example.com","rcpt_to":"joe@example.com"}}}`,
	} {
		s := named(t, name)
		s.HashRecipient, s.Pepper = true, []byte("a pepper of enough bytes")
		out := run(t, s, proven("", body), "raw-1")
		if len(out.Events) != 1 {
			t.Fatalf("%s: %d events, %v", name, len(out.Events), out.DeadLetters)
		}
		e := out.Events[0].Event
		got := string(e.AppendJSON(nil))
		if low := strings.ToLower(got); strings.Contains(low, "joe@") || strings.Contains(low, "anna@") || e.Sender != "shop@example.org" {
			t.Errorf("%s: %s", name, got)
		}
		if !strings.Contains(got, normalize.RecipientHash(s.Pepper, "joe@example.com")) {
			t.Errorf("%s: the other recipient has no hash: %s", name, got)
		}
	}
}

// named is a source of one built-in provider.
func named(t *testing.T, id string) *normalize.Source {
	t.Helper()
	for _, s := range sources(t) {
		if s.Provider == id {
			return s
		}
	}
	t.Fatalf("no provider %s", id)
	return nil
}

func TestListsOfRecipients(t *testing.T) {
	pepper := []byte("a pepper of enough bytes")
	hash := func(address string) string { return normalize.RecipientHash(pepper, address) }
	b, c := hash("b@example.com"), hash("c@example.com")
	for _, one := range []struct{ name, in, want string }{
		{"to", "b@example.com, c@example.com.", b + ", " + c + "."},
		{"To", `Bob <b@example.com>;<c@example.com>`, `Bob <` + b + `>;<` + c + `>`},
		{"mail.headers", `[{"name":"Cc","value":"x\n\tb@example.com\r\nc@example.com"}]`, `[{"name":"Cc","value":"x\n\t` + b + `\r\n` + c + `"}]`},
		{"Message_Headers", `[["From","s@example.org"],["To","b@example.com"]]`, `[["From","s@example.org"],["To","` + b + `"]]`},
		{"cc", "jürgen@bücher.example", hash("jürgen@bücher.example")},
		{"cc", `"b c"@example.com`, "[recipient]"},
		{"cc", "b%40example.com", "[recipient]"},
		{"cc", `["b\u0040example.com"]`, "[recipient]"},
		{"cc", "@", "[recipient]"},
		{"cc", "b@", "[recipient]"},
		{"cc", "a@example.com@c@example.com", "[recipient]"},
		{"destination", "nobody", "nobody"},
		{"note", "b@example.com", "b@example.com"},
		{"a_very_long_name_of_a_variable.and_a_longer_one_than_any_header", "b@example.com", "b@example.com"},
	} {
		s := source(gives(provider.Result{NativeID: "n", Event: event.Event{
			Type: event.Delivered, Direction: event.Outbound, ProviderType: "x", Recipient: "a@example.com", Sender: "s@example.org",
			Metadata: map[string]string{one.name: one.in},
		}}))
		s.HashRecipient, s.Pepper = true, pepper
		got := run(t, s, proven("", "{}"), "raw-1").Events[0].Event.Metadata[one.name]
		if want := strings.ReplaceAll(one.want, "a@example.com", hash("a@example.com")); got != want {
			t.Errorf("%s: %s: got %s, want %s", one.name, one.in, got, want)
		}
		if got != "[recipient]" && json.Valid([]byte(one.in)) != json.Valid([]byte(got)) {
			t.Errorf("%s: %s became another kind of text: %s", one.name, one.in, got)
		}
	}
}

// Whatever a list looks like, no address is left of it but the sender's.
func TestNoAddressIsLeftInAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.StringOf(rapid.SampledFrom([]rune(`ab@@.-<>,;"\u0040%né {}[]:`))).Draw(t, "list")
		s := source(gives(provider.Result{NativeID: "n", Event: event.Event{
			Type: event.Delivered, Direction: event.Outbound, ProviderType: "x", Recipient: "r@example.com", Sender: "s@example.org",
			Metadata: map[string]string{"cc": list + ",s@example.org"},
		}}))
		s.HashRecipient, s.Pepper = true, []byte("a pepper of enough bytes")
		v := webhook.AssumeProvenForReplayAndTests(webhook.Request{Body: []byte("{}"), ReceivedAt: receivedAt})
		out, err := normalize.Normalize(context.Background(), s, v, "raw-1")
		if err != nil || len(out.Events) != 1 {
			t.Fatal(err, out.DeadLetters)
		}
		got := out.Events[0].Event.Metadata["cc"]
		if rest := strings.TrimSuffix(got, "s@example.org"); strings.ContainsAny(rest, "@") || strings.Contains(rest, "%40") {
			t.Errorf("%q became %q", list, got)
		}
	})
}
