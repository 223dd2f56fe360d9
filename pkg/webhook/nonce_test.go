package webhook_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

// What a proof says of the webhook's id and of the body, for every way of
// signing them or not.
func TestProofTellsTheNonceAndWhetherTheBodyIsCovered(t *testing.T) {
	hmac := func(template string) webhook.Config {
		c := webhook.Config{Type: "hmac", Header: "X-Sig", IDHeader: "x-id", Template: template, Secrets: one(testSecret)}
		if strings.Contains(template, "{timestamp}") {
			c.Timestamp = "X-Time"
		}
		return c
	}
	static := func(typ string) webhook.Config { return webhook.Config{Type: typ, Secrets: one(testSecret)} }
	for _, c := range []struct {
		name, nonce string
		covered     bool
		cfg         webhook.Config
	}{
		{"standard webhooks", "id-7", true, webhook.Config{Type: "standard_webhooks", Secrets: one(testStandard)}},
		{"id and body", "id-7", true, hmac("{id}.{timestamp}.{body}")},
		{"id under its header's name", "id-7", true, hmac("{header:X-Id}.{body}")},
		{"id and no body", "id-7", false, hmac("{timestamp}.{id}")},
		{"body alone", "", true, hmac("{body}")},
		{"neither", "", false, hmac("{timestamp}")},
		{"jetemail, whose id is not signed", "", true, static("jetemail")},
		{"bearer", "", false, static("bearer")},
		{"token", "", false, static("token")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request("X-Id", "id-7", "Webhook-Id", "id-7", "X-Webhook-Id", "id-7")
			if err := webhook.Sign(c.cfg, c.cfg.Secrets[0], &r, signedAt); err != nil {
				t.Fatal(err)
			}
			v, err := verify(t, c.cfg, r)
			if err != nil {
				t.Fatal(err)
			}
			if p := v.Proof(); p.Nonce != c.nonce || p.Covered != c.covered {
				t.Errorf("nonce %q, covered %v; want %q, %v", p.Nonce, p.Covered, c.nonce, c.covered)
			}
		})
	}
}

// Svix spells the header in its own way; the nonce is that of the family whose
// signature held. One that somebody put beside it is no id, and refused.
func TestNonceIsThatOfTheSignature(t *testing.T) {
	cfg := webhook.Config{Type: "standard_webhooks", Secrets: one(testStandard)}
	r := request("Webhook-Id", "msg_genuine")
	if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		h["Svix-"+name] = r.Header["Webhook-"+name]
	}
	r.Header = h
	v, err := verify(t, cfg, r)
	if err != nil || v.Proof().Nonce != "msg_genuine" {
		t.Errorf("nonce %q, error %v; want the signed id", v.Proof().Nonce, err)
	}
	h["Webhook-Id"] = []string{"msg_forged"}
	if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMalformed {
		t.Errorf("with another id beside it: %q, want malformed", got.Reason)
	}
}

// A template that leaves out the body is what some providers sign: it must be
// possible, and start must say what it means.
func TestTemplateWithoutBodyIsTakenWithAWarning(t *testing.T) {
	for template, want := range map[string]string{
		"{timestamp}.{id}":        "an {id} that came already is refused with another body",
		"{timestamp}":             "add {id}",
		"{id}.{timestamp}.{body}": "",
	} {
		cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Timestamp: "X-Time", Template: template, Secrets: one(testSecret)}
		if strings.Contains(template, "{id}") {
			cfg.IDHeader = "X-Id"
		}
		if _, err := webhook.New(cfg); err != nil {
			t.Errorf("%s: %v", template, err)
		}
		var all []string
		for _, w := range cfg.Warnings() {
			all = append(all, w.Error())
		}
		if text := strings.Join(all, "\n"); (text == "") != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%s: warnings %q, want %q", template, text, want)
		}
	}
}

func TestIDHeaderThatIsNotSignedHasNoEffect(t *testing.T) {
	cfg := webhook.Config{Type: "hmac", Header: "X-Sig", IDHeader: "X-Id", Secrets: one(testSecret)}
	w := cfg.Warnings()
	if len(w) != 1 || w[0].Field != "id_header" {
		t.Errorf("warnings %v, want one of id_header", w)
	}
}

func TestReplayed(t *testing.T) {
	var err error = webhook.Replayed(webhook.Proof{Scheme: "hmac", Nonce: "id-7"})
	refused, ok := errors.AsType[*webhook.RefusedError](err)
	if !ok || refused.Reason != webhook.ReasonReplayed || refused.Scheme != "hmac" {
		t.Errorf("Replayed() = %#v", err)
	}
	if refused.Complete {
		t.Error("a replay is complete: other keys would make nothing of it")
	}
	if strings.Contains(err.Error(), "id-7") {
		t.Errorf("the text repeats what the sender chose: %s", err)
	}
}
