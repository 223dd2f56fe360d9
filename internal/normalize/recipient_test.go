package normalize_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

func TestRecipientHash(t *testing.T) {
	// printf %s a@example.com | openssl dgst -sha256 -hmac pepper
	const want = "0d82dbe2be03899b10c80a2e6a717fa65f62bc302812870323d40b687f26808b"
	for _, address := range []string{"a@example.com", " A <a@EXAMPLE.com> "} {
		if got := normalize.RecipientHash([]byte("pepper"), address); got != want {
			t.Errorf("%q: got %s, want %s", address, got, want)
		}
	}
	s := source(gives(func() provider.Result { r := delivered("n"); r.Event.Recipient = "a@example.com"; return r }()))
	s.Pepper = []byte("pepper")
	e := run(t, s, proven("", "{}"), "raw").Events[0].Event
	if e.Recipient != "a@example.com" || e.RecipientHash != want {
		t.Errorf("clear mode: got recipient %q, hash %q", e.Recipient, e.RecipientHash)
	}
}

// crowded has the recipient's address in every text it may stand in.
func crowded(recipient string, several bool) provider.Result {
	says := "<Canary@EXAMPLE.com> " + recipient + " canary%40example.com; other@example.com"
	r := delivered("n")
	e := &r.Event
	e.Type, e.Family, e.ProviderType = event.Unknown, event.FamilyOther, "novel"
	e.ProviderSubtype, e.ProviderEventID, e.MessageID, e.SMTPMessageID, e.BatchID, e.CustomerRef = says, says, says, says, says, says
	e.Subject, e.Reason, e.Tags, e.Metadata = says, says, []string{says}, map[string]string{"k": says, "entity_value": recipient}
	e.SMTP, e.Drop, e.Complaint = &event.SMTP{Response: says}, &event.Drop{Reason: event.DropOther, Detail: says}, &event.Complaint{Type: says}
	e.Engagement = &event.Engagement{URL: "https://example.net/?e=canary%40example.com&f=canary@example.com"}
	e.Sender, e.Raw = "shop@example.net", json.RawMessage(`{"to":"`+recipient+`"}`)
	if several {
		e.Recipients = []string{recipient, "second@example.com"}
		e.Subject += "second@example.com"
	} else {
		e.Recipient = recipient
	}
	return r
}

func TestHashModeLeavesNoAddressBehind(t *testing.T) {
	for _, pepper := range []string{"pepper", ""} {
		for _, several := range []bool{false, true} {
			s := source(gives(crowded("Canary@Example.com", several)))
			s.HashRecipient, s.Pepper = true, []byte(pepper)
			out := run(t, s, proven("", "{}"), "raw")
			if len(out.Events) != 1 {
				t.Fatalf("got %+v", out.DeadLetters)
			}
			e := out.Events[0].Event
			published := string(e.AppendJSON(nil)) + e.Key() + e.RecipientKey() + e.EventKey() + text(e.AppendHeaders(nil, event.Stamp{}))
			for _, canary := range []string{"canary", "second@"} {
				if strings.Contains(strings.ToLower(published), canary) {
					t.Errorf("pepper %q: %q is left behind in %s", pepper, canary, published)
				}
			}
			if !strings.Contains(e.Reason, "other@example.com") || e.Sender != "shop@example.net" {
				t.Errorf("other addresses must stay: reason %q, sender %q", e.Reason, e.Sender)
			}
			if wantHash := pepper != "" && !several; (e.RecipientHash != "") != wantHash {
				t.Errorf("pepper %q, several %v: got hash %q", pepper, several, e.RecipientHash)
			}
		}
	}
}

func TestHashModeReplacesAddressesOnly(t *testing.T) {
	hash := normalize.RecipientHash([]byte("pepper"), "a@example.com")
	tests := map[string]struct{ recipient, reason, want string }{
		"twice":           {"a@example.com", "a@example.com, A@EXAMPLE.com.", hash + ", " + hash + "."},
		"in a longer one": {"a@example.com", "ba@example.com", "b" + hash},
		"another domain":  {"a@example.com", "a@example.org a@example.co @example.com a@", "a@example.org a@example.co @example.com a@"},
		"escaped":         {"a@example.com", "?e=a%40example.com", "?e=" + hash},
		"no address":      {"a", "a banana", "a banana"},
		"no address, all": {"UNKNOWN", "unknown", normalize.RecipientHash([]byte("pepper"), "UNKNOWN")},
		"only an at":      {"@", "@ and a@b", "[recipient]"},
		"no local part":   {"@b.de", "of a@b.de", "[recipient]"},
		"several in one":  {"a@example.com, b@example.com", "no b@example.com", "[recipient]"},
		"escaped in JSON": {"a@example.com", `{"to":"A\u0040example.com"}`, `{"to":"` + hash + `"}`},
	}
	for name, tt := range tests {
		r := delivered("n")
		r.Event.Recipient, r.Event.Reason = tt.recipient, tt.reason
		s := source(gives(r))
		s.Pepper, s.HashRecipient = []byte("pepper"), true
		out := run(t, s, proven("", "{}"), "raw")
		if len(out.Events) != 1 || out.Events[0].Event.Reason != tt.want {
			t.Errorf("%s: got %+v, want reason %q", name, out, tt.want)
		}
	}
}

func TestHashModeWithManyRecipientsTakesWholeTexts(t *testing.T) {
	r := delivered("n")
	for i := range 10000 {
		r.Event.Recipients = append(r.Event.Recipients, fmt.Sprintf("canary%d@example.com", i))
	}
	r.Event.MessageID = "<canary7@example.com>.1@mta"
	r.Event.Reason = strings.Repeat("canary9999@example.com ", 2800)
	r.Event.Subject = "nothing to hide"
	s := source(gives(r))
	s.HashRecipient = true
	e := run(t, s, proven("", "{}"), "raw").Events[0].Event
	if e.MessageID != "<[recipient]>.1@mta" || e.Reason != "[recipient]" || e.Subject != "nothing to hide" {
		t.Errorf("got message id %q, reason %.60q, subject %q", e.MessageID, e.Reason, e.Subject)
	}
}

// Where nobody can say whom the event is about, an address may stand anywhere.
func TestHashModeWithoutAKnownRecipientTakesEveryAddress(t *testing.T) {
	long := strings.Repeat("l", 400) + "-leaky@example.com"
	for name, recipient := range map[string]string{"none": "", "no address": "UNKNOWN", "too long": long} {
		r := delivered("n")
		e := &r.Event
		e.Recipient, e.Sender, e.MessageID = recipient, "Shop <shop@example.net>", "<1@mta.example.net>"
		e.Reason, e.Subject, e.Tags = "550 Leaky@Example.com unknown", "for leaky%40example.com", []string{"vip", "leaky@example.com"}
		e.SMTP, e.Drop = &event.SMTP{Code: 550, Response: "no leaky@example.com"}, &event.Drop{Reason: event.DropOther, Detail: long}
		e.Metadata = map[string]string{
			"to": `["Leaky@Example.com"]`, "nested": `{"email":"leaky\u0040example.com"}`, "entity_value": "leaky@EXAMPLE.com",
			"from": "shop@Example.net", "plan": "basic", "leaky@example.com": "opened",
		}
		s := source(gives(r))
		s.Pepper, s.HashRecipient = []byte("pepper"), true
		got := run(t, s, proven("", "{}"), "raw").Events[0].Event
		if published := strings.ToLower(string(got.AppendJSON(nil))); strings.Contains(published, "leaky") {
			t.Errorf("%s: left behind in %s", name, published)
		}
		hash := normalize.RecipientHash(s.Pepper, "leaky@example.com")
		want := map[string]string{
			"to": "[recipient]", "nested": "[recipient]", "entity_value": hash, "from": "shop@Example.net", "plan": "basic", hash: "opened",
		}
		if diff := cmp.Diff(want, got.Metadata); diff != "" {
			t.Errorf("%s: metadata (-want +got):\n%s", name, diff)
		}
		if got.Sender != e.Sender || got.MessageID != e.MessageID || got.SMTP.Code != 550 || got.Tags[0] != "vip" {
			t.Errorf("%s: want all else kept, got %+v", name, got)
		}
	}
}

// CM.com's recipient in a form that nobody documented, or longer than any is.
func TestHashModeHidesRecipientsOfTheWrongType(t *testing.T) {
	for _, to := range []string{`["Leaky@Example.com"]`, `{"email":"Leaky@Example.com"}`, `"` + strings.Repeat("x", 3000) + `Leaky@Example.com"`} {
		for _, s := range sources(t) {
			s.Pepper, s.HashRecipient = []byte("pepper"), true
			hash := normalize.RecipientHash(s.Pepper, "Leaky@example.com")
			body := fmt.Sprintf(`{"type":"delivered","event":"delivered","createdAt":"2025-11-28T06:29:57+00:00","to":%s,"data":{"to":%[1]s,"from":"shop@example.net"}}`, to)
			for _, item := range run(t, s, proven("", body), "raw").Events {
				if got := strings.ToLower(string(item.Event.AppendJSON(nil))); strings.Contains(got, "leaky") || !strings.Contains(got, "[recipient]") && !strings.Contains(got, hash) {
					t.Errorf("%s: got %s", s.Provider, got)
				}
			}
		}
	}
}

// A sender-side event has no recipient; its key is made of what it is about.
func TestHashModeKeepsKeysOfEntitiesApart(t *testing.T) {
	keys := map[string]bool{}
	for _, address := range []string{"a@example.com", "b@example.com", "A@other.example", "b@Example.com"} {
		r := delivered("n")
		r.Event.MessageID, r.Event.Metadata = "", map[string]string{"entity_type": "from", "entity_value": address}
		s := source(gives(r))
		s.Pepper, s.HashRecipient = []byte("pepper"), true
		e := run(t, s, proven("", "{}"), "raw").Events[0].Event
		if strings.Contains(string(e.AppendJSON(nil))+e.Key(), address) {
			t.Errorf("%s is left behind in %s", address, e.AppendJSON(nil))
		}
		keys[e.Key()] = true
	}
	if len(keys) != 3 {
		t.Errorf("got keys %v, want one for each of three addresses", keys)
	}
}

func TestHashModeKeepsTheKey(t *testing.T) {
	r := delivered("n")
	r.Event.MessageID, r.Event.Recipient = "", "a@example.com"
	s := source(gives(r))
	s.Pepper = []byte("pepper")
	clearly := run(t, s, proven("", "{}"), "raw").Events[0].Event
	s.HashRecipient = true
	hashed := run(t, s, proven("", "{}"), "raw").Events[0].Event
	if clearly.Key() != hashed.Key() || clearly.ID != hashed.ID {
		t.Errorf("got key %s and id %s, in hash mode %s and %s", clearly.Key(), clearly.ID, hashed.Key(), hashed.ID)
	}
	if hashed.RecipientKey() != hashed.RecipientHash {
		t.Errorf("got recipient key %q, want the hash", hashed.RecipientKey())
	}
}
