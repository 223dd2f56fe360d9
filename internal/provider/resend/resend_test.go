package resend_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/resend"
	"github.com/postrider/postrider/pkg/event"
)

func TestConformance(t *testing.T) { providertest.Run(t, resend.Definition()) }

func FuzzParse(f *testing.F) { providertest.Fuzz(f, resend.Definition()) }

func BenchmarkParse(b *testing.B) {
	providertest.Benchmark(b, resend.Definition(), "email_delivered")
}

// bounce sends one bounce through the parser.
func bounce(t *testing.T, object map[string]any) event.Event {
	t.Helper()
	def := resend.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"type": "email.bounced", "created_at": "2026-11-22T23:41:12.126Z",
		"data": map[string]any{"email_id": "56761188", "to": []string{"a@example.com"}, "bounce": object},
	})
	if err != nil {
		t.Fatal(err)
	}
	return providertest.Parse(t, def, p, body)[0].Event
}

// testdata/bounces.tsv is the page's list: type, sub-type, and what comes of it.
func TestEverySubType(t *testing.T) {
	text, err := os.ReadFile("testdata/bounces.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:]
	for _, row := range rows {
		c := strings.Split(row, "\t")
		e := bounce(t, map[string]any{"type": c[0], "subType": c[1], "message": "said why"})
		got := []string{c[0], c[1], string(e.Type), "", "", "", ""}
		if e.Bounce != nil {
			got[3], got[4], got[5] = string(e.Bounce.Class), string(e.Bounce.Category), e.Bounce.CodeAssumed
		}
		if e.Drop != nil {
			got[6] = string(e.Drop.Reason)
		}
		if g := strings.Join(got, "\t"); g != row {
			t.Errorf("%q\nwant %q", g, row)
		}
		if e.Reason != "said why" || e.ProviderSubtype != c[0]+"/"+c[1] {
			t.Errorf("%s: reason %q, sub-type %q", row, e.Reason, e.ProviderSubtype)
		}
	}
	if len(rows) != 10 {
		t.Errorf("%d rows, want the page's 10", len(rows))
	}
}

// A reply says why where the label does not, and its code is seen, not assumed; a
// label that says why stands.
func TestRepliesAndLabels(t *testing.T) {
	for _, c := range []struct {
		typ, sub, reply string
		want            event.Bounce
	}{
		{"Permanent", "General", "smtp; 550 5.1.1 user unknown", event.Bounce{Class: event.Hard, Category: event.InvalidRecipient}},
		{"Transient", "MailboxFull", "smtp; 552 5.7.1 no", event.Bounce{Class: event.Soft, Category: event.MailboxFull}},
		{"Transient", "NotYetKnown", "", event.Bounce{Class: event.Soft, Category: event.UndeterminedCategory}},
	} {
		e := bounce(t, map[string]any{"type": c.typ, "subType": c.sub, "diagnosticCode": []string{c.reply}})
		if *e.Bounce != c.want {
			t.Errorf("%s/%s %q: %+v, want %+v", c.typ, c.sub, c.reply, *e.Bounce, c.want)
		}
	}
	e := bounce(t, map[string]any{"type": "Permanent", "subType": "New", "message": "Resend has suppressed sending to this address"})
	if e.Type != event.Dropped {
		t.Errorf("%s, want dropped", e.Type)
	}
}

// What went to nobody but Resend's test addresses is a simulation.
func TestSimulations(t *testing.T) {
	def := resend.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]bool{
		`{"type":"email.bounced","data":{"to":["bounced@resend.dev"]}}`:                                true,
		`{"type":"email.sent","data":{"to":["Delivered+a@Resend.dev","complained@resend.dev"]}}`:       true,
		`{"type":"email.suppressed","data":{"to":"Test <suppressed@resend.dev>"}}`:                     true,
		`{"type":"email.sent","data":{"to":["delivered@resend.dev","a@example.com"]}}`:                 false,
		`{"type":"email.sent","data":{"to":["anna@resend.dev"]}}`:                                      false,
		`{"type":"email.sent","data":{"to":["delivered@resend.dev.example.com"]}}`:                     false,
		`{"type":"email.sent","data":{}}`:                                                              false,
		`{"type":"email.received","data":{"to":["delivered@resend.dev"],"from":"bounced@resend.dev"}}`: false,
	} {
		if e := providertest.Parse(t, def, p, []byte(body))[0].Event; e.Test != want {
			t.Errorf("%s: test %v", body, e.Test)
		}
	}
}
