package mailgun_test

import (
	"encoding/json"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/mailgun"
	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, mailgun.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, mailgun.Definition()) }

func BenchmarkParse(b *testing.B) { providertest.Benchmark(b, mailgun.Definition(), "delivered") }

// parse reads one event of these members.
func parse(t *testing.T, members map[string]any) event.Event {
	t.Helper()
	def := mailgun.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}

// TestFailures holds every severity and reason against testdata/failures.tsv:
// severity, reason, code, message, bounce type, and what comes out of it.
func TestFailures(t *testing.T) {
	file, err := os.ReadFile("testdata/failures.tsv")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(file), "\n")
	for line := range strings.Lines(lines) {
		c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(c) != 8 {
			t.Fatalf("%d columns: %s", len(c), line)
		}
		code, _ := strconv.Atoi(c[2])
		current := map[string]any{
			"id": "a", "event": "failed", "severity": c[0], "reason": c[1],
			"delivery-status": map[string]any{"code": code, "message": c[3], "bounce-type": c[4]},
		}
		e := parse(t, current)
		class, why := "", ""
		if e.Bounce != nil {
			class, why = string(e.Bounce.Class), string(e.Bounce.Category)
		}
		if e.Drop != nil {
			why = string(e.Drop.Reason)
		}
		if got := []string{string(e.Type), class, why}; strings.Join(got, " ") != strings.Join(c[5:], " ") {
			t.Errorf("%q: %q", c, got)
		}
		if e.SMTP != nil && e.SMTP.Code == 605 {
			t.Errorf("%q: a code that was on no wire: %+v", c, e.SMTP)
		}
	}
}

// A legacy form says the same of a bounce and has no signature in its event.
func TestLegacy(t *testing.T) {
	form := map[string]any{
		"event": "dropped", "token": "t", "timestamp": "1529006854",
		"signature": strings.Repeat("0123456789abcdef", 4), "my_var": "x",
	}
	for reason, want := range map[string]string{"hardfail": "dropped suppressed", "old": "bounced timeout", "": "dropped other", "new": "dropped other"} {
		members := maps.Clone(form)
		members["reason"] = reason
		e := parse(t, members)
		got := string(e.Type)
		if e.Drop != nil {
			got += " " + string(e.Drop.Reason)
		}
		if e.Bounce != nil {
			got += " " + string(e.Bounce.Category)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", reason, got, want)
		}
		if _, there := e.Metadata["signature"]; there || e.Metadata["my_var"] != "x" || e.ProviderEventID != "t" {
			t.Errorf("%q: %+v", reason, e)
		}
	}
	for code, want := range map[string]event.DropReason{"605": event.DropPreviousBounce, "606": event.DropUnsubscribed, "607": event.DropComplained} {
		members := maps.Clone(form)
		members["reason"], members["code"] = "hardfail", code
		if e := parse(t, members); e.Drop.Reason != want || e.SMTP != nil {
			t.Errorf("%s: %+v, smtp %+v", code, e.Drop, e.SMTP)
		}
	}
}

// A variable of the sender's called id stands beside the fields of a legacy form: it
// names no event, and does not make the form one of the current kind.
func TestLegacyVariableCalledID(t *testing.T) {
	signature := strings.Repeat("0123456789abcdef", 4)
	for token, who := range map[string]string{"t1": "a@example.com", "t2": "b@example.com"} {
		e := parse(t, map[string]any{
			"event": "bounced", "token": token, "timestamp": "1529006854", "signature": signature,
			"id": "order-1", "recipient": who, "code": "550", "error": "5.1.1 no such user", "Message-Id": "<m@example.com>",
		})
		if e.ProviderEventID != token || e.Metadata["id"] != "order-1" || e.MessageID != "m@example.com" || e.SMTP == nil || e.SMTP.Code != 550 {
			t.Errorf("%s: id %q, message %q, smtp %+v, metadata %v", token, e.ProviderEventID, e.MessageID, e.SMTP, e.Metadata)
		}
		for name, value := range e.Metadata {
			if value == signature || value == token {
				t.Errorf("%s: %s proves anything to whoever reads it", token, name)
			}
		}
	}
}

// Whatever a legacy form says, and in whatever case its signature is written, no event
// has all that proves one.
func TestNoEventHasTheLegacySignature(t *testing.T) {
	for _, word := range []string{"delivered", "teleported"} {
		signature := strings.Repeat("0123456789ABCDEF", 4)
		e := parse(t, map[string]any{"event": word, "token": "t", "timestamp": "1529006854", "signature": signature, "recipient": "a@example.com"})
		if b := string(e.AppendJSON(nil)); strings.Contains(b, signature) {
			t.Errorf("%s: %s", word, b)
		}
	}
}
