package webhook_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

// The vectors of these tests are ours, made with Python's hmac and hashlib and
// with OpenSSL, but for those whose test says otherwise.
const (
	// sendGridKey and what it signed are published with SendGrid's own library
	// (https://github.com/sendgrid/sendgrid-go, helpers/eventwebhook/eventwebhook_test.go).
	sendGridKey  = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEDr2LjtURuePQzplybdC+u4CwrqDqBaWjcMMsTbhdbcwHBcepxo7yAQGhHPTnlvFYPAZFceEu/1FwCM/QmGUhA=="
	sendGridSig  = "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH2j/0="
	sendGridBody = `{"category":"example_payload","event":"test_event","message_id":"message_id"}`

	postalKey = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu6X/iGr9jbU2h+jVaCyZWlTlH6UcLmLuz6tdtiGlw608YwP/RIjE" +
		"KBzoeVSBDdQNt5ShxC9zbW7iqkz3x/Yy0jp/XeDwCty4FP6YJZQWIPao5I5IWy6knH6NR1eWCrWDz2TSC7BdXM4bWLd7uQTD" +
		"pANo1DPlMS6LmuXSF4f7eWJqP0AqG0ixEawVaSt6l9GSai7tUmzod0me1cwfDBu7j+FDPgSa1+kib2mIP5AS14jiX9PLRPST" +
		"3MkUTNQcTwjrJTptSe9NccFExxzLhQb/axxfALO7Q8x6U38zpkWP6z9fMD0NMPaNur0q3q6Tbg4uqmeI1+BJ9HCvzRqnkQek" +
		"qwIDAQAB"
	postalSig256 = "fnjwiwG/M7AjPvdiqVrn93jNwFHJpmTEj7/rZ3Y1rQsVfW+ZlWwN2bEChBC8yKqlt0MnnvqMNZj4Rk0jNwjDh2OBV8BZ1p7N" +
		"xH1vk3xCHjPjpqHgGWxjsfntNuxADKmdfg3OO27Lg7NquyG9u5mlx9DqrkRMakDOPDk5h0u2VZFAKacF9rH0m57rfRrs6ens" +
		"KYAXEM/eBcFMvTWd27adVnduKMfZ+WR9/WHsls0DIko6pgTGFWRr2dIdkhpldUMv83Wj1idHI6LOZCEOyi9+Qg9Xq5clhUJZ" +
		"s4y+lye9UlKbi3Xh4IfR7WKzFKr4gNn1bRZx7G22Wt5XRDPP5zrRCw=="
	postalSig1 = "o/FTr69qIBbjoPifjP/Q4A1JHfzi6XGovLEb8r82doHXvdNQCqCwzz8LzgDfVMC8vnO84xL/s/Ua0uTWIhO0NPChJ5vydF67" +
		"73PRVkYQ7AZEkxAI7UYzq4mTMot3sLJuWSNhsKZba89jTbdeSVEsrrnk3KsSpAoQjX4kADzB69tKrrMHDVmWOYeTpEemW9jL" +
		"D+UZCsgAjZPPG0K3RDWbCoEF6cI6RP+a7o0+gtpCcfv1AbtyCwRsPdn2HfUsmr/4KqaOE7uF3x2kpf93/7KNT0VQ8TVxHxJA" +
		"3qhbsmvCWGqfJHkEbjWdmNkvhfx3iBG+ngg+iDjCLNKEb93b93Dhiw=="

	mailgunToken = "5f0c8c1b7d3e9a2460b1c7d9e8f3a4b5c6d7e8f90a1b2c3d4e"
	mailgunSum   = "c26178f56e15cc4eb06e0ce96f8ccfdb4be3cab511a618e0dd40432cefd0dac9"
	mailgunBody  = `{"signature": {"timestamp": "1790000000", "token": "` + mailgunToken + `", "signature": "` + mailgunSum + `"}, "event-data": {"event": "delivered"}}`

	mandrillURL  = "https://hooks.example.com/v1/webhooks/mandrill?a=1"
	mandrillBody = "mandrill_events=%5B%7B%22event%22%3A%22send%22%2C%22msg%22%3A%7B%22email%22%3A%22a%40example.com%22%2C%22subject%22%3A%22Gr%C3%BC%C3%9Fe+%26+more%22%7D%7D%5D&aaa=first"

	unisenderBody = `{"auth":"2880f0f3af7d6bdc5337a4556b1a61b2","events_by_user":[{"user_id":456,"events":[{"event_name":"transactional_email_status","note":"grüße"}]}]}`
)

// providerCases is a vector of each scheme that is one provider's own.
func providerCases() []goodCase {
	sendGridAt := time.Unix(1588788367, 0).UTC()
	sendGrid := request("X-Twilio-Email-Event-Webhook-Signature", sendGridSig, "X-Twilio-Email-Event-Webhook-Timestamp", "1588788367")
	sendGrid.Body, sendGrid.ReceivedAt = []byte(sendGridBody), sendGridAt.Add(time.Minute)
	mailgun := request("Content-Type", "application/json")
	mailgun.Body = []byte(mailgunBody)
	mandrill := request("Content-Type", "application/x-www-form-urlencoded", "X-Mandrill-Signature", "Ypu06h/kEqk5eC559eJojP+Wu7g=")
	mandrill.Body, mandrill.URL = []byte(mandrillBody), mandrillURL
	unisender := request()
	unisender.Body = []byte(unisenderBody)
	return []goodCase{
		{"sendgrid", webhook.Config{Type: "sendgrid", Secrets: one(sendGridKey)}, sendGrid, sendGridAt},
		{"postal", webhook.Config{Type: "postal", Secrets: one(postalKey)}, request("X-Postal-Signature-256", postalSig256, "X-Postal-Signature", postalSig1), time.Time{}},
		{"mailgun", webhook.Config{Type: "mailgun", Secrets: one(testSecret)}, mailgun, signedAt},
		{"mandrill", webhook.Config{Type: "mandrill", Secrets: one(testSecret)}, mandrill, time.Time{}},
		{"unisender", webhook.Config{Type: "unisender", Secrets: one(testSecret)}, unisender, time.Time{}},
	}
}

// caseOf returns the good case of that name.
func caseOf(t *testing.T, name string) goodCase {
	t.Helper()
	for _, c := range goodCases() {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no good case %q", name)
	return goodCase{}
}

// Each subuser of SendGrid has a key of its own; any of them proves, and the
// proof says which.
func TestSendGridSubusersHaveKeysOfTheirOwn(t *testing.T) {
	c := caseOf(t, "sendgrid")
	pem := "-----BEGIN PUBLIC KEY-----\n" + sendGridKey[:64] + "\n" + sendGridKey[64:] + "\n-----END PUBLIC KEY-----\n"
	c.cfg.Secrets = []webhook.Secret{
		{ID: "sub-1", Value: webhooktest.PrivateKey(t, "sendgrid")},
		{ID: "sub-2", Value: []byte(pem)},
	}
	got, err := verify(t, c.cfg, c.req)
	if err != nil || got.Proof().KeyID != "sub-2" {
		t.Errorf("key %q, error %v; want sub-2", got.Proof().KeyID, err)
	}
}

func TestKeysOfAnotherKindAreProblems(t *testing.T) {
	for typ, values := range map[string]map[string]string{
		"sendgrid": {"another algorithm": postalKey, "no key": "no key at all", "cut off": sendGridKey[:40], "two lines of nothing": "\n\n"},
		"postal":   {"another algorithm": sendGridKey, "no key": testSecret},
	} {
		for name, value := range values {
			_, err := webhook.New(webhook.Config{Type: typ, Secrets: one(value)})
			if err == nil || !strings.Contains(err.Error(), "secrets[0].value") {
				t.Errorf("%s, %s: error %v, want a problem of secrets[0].value", typ, name, err)
			}
		}
	}
}

// With the provider's public key alone nothing can be signed, and Sign says why.
func TestPublicKeysDoNotSign(t *testing.T) {
	for typ, key := range map[string]string{"sendgrid": sendGridKey, "postal": postalKey} {
		r := request()
		err := webhook.Sign(webhook.Config{Type: typ}, one(key)[0], &r, signedAt)
		if err == nil || !strings.Contains(err.Error(), "public key") {
			t.Errorf("%s: error %v, want one that names the public key", typ, err)
		}
	}
}

// SHA-1 is looked at only where it is asked for, and never beside the other.
func TestPostalDoesNotFallBackToSHA1(t *testing.T) {
	both := caseOf(t, "postal")
	old := request("X-Postal-Signature", postalSig1)
	wrong := request("X-Postal-Signature-256", postalSig1, "X-Postal-Signature", postalSig1)
	sha1 := both.cfg
	sha1.Algorithm = "sha1"
	for _, c := range []struct {
		name string
		cfg  webhook.Config
		req  webhook.Request
		want webhook.Reason
	}{
		{"no SHA-256", both.cfg, old, webhook.ReasonMissing},
		{"a wrong SHA-256", both.cfg, wrong, webhook.ReasonMismatch},
		{"SHA-1 asked for", sha1, old, ""},
		{"SHA-1 asked for, both there", sha1, both.req, ""},
		{"SHA-1 asked for, a wrong SHA-256", sha1, wrong, webhook.ReasonMismatch},
	} {
		if got := refusal(t, c.cfg, c.req); got.Reason != c.want {
			t.Errorf("%s: %q, want %q", c.name, got.Reason, c.want)
		}
	}
	dkim := both.cfg
	dkim.Secrets = one("v=DKIM1; t=s; h=sha256; p=" + postalKey + ";")
	if _, err := verify(t, dkim, both.req); err != nil {
		t.Errorf("the key in a DKIM record: %v", err)
	}
}

// The older forms carry the same fields, and either signature of a subaccount's
// event proves it.
func TestMailgunForms(t *testing.T) {
	cfg := webhook.Config{Type: "mailgun", Secrets: one(testSecret)}
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	for _, f := range [][2]string{{"event", "delivered"}, {"timestamp", "1790000000"}, {"token", mailgunToken}, {"signature", mailgunSum}} {
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"event": {"delivered"}, "timestamp": {"1790000000"}, "token": {mailgunToken}, "signature": {mailgunSum}}.Encode()
	strange := strings.Repeat("0", 64)
	parent := strings.Replace(mailgunBody, `"signature": "`+mailgunSum, `"parent-signature": "`+mailgunSum+`", "signature": "`+strange, 1)
	for _, c := range []struct{ name, kind, body string }{
		{"a form", "application/x-www-form-urlencoded", form},
		{"a multipart form", w.FormDataContentType(), multi.String()},
		{"a number for a time", "application/json", strings.Replace(mailgunBody, `"1790000000"`, "1790000000", 1)},
		{"an event of a subaccount", "application/json", parent},
	} {
		r := request("Content-Type", c.kind)
		r.Body = []byte(c.body)
		got, err := verify(t, cfg, r)
		want := webhook.Proof{Scheme: "mailgun", KeyID: "2026-11", Signed: signedAt, Nonce: mailgunToken, Unique: true}
		if err != nil || got.Proof() != want {
			t.Errorf("%s: %+v, error %v; want %+v", c.name, got.Proof(), err, want)
		}
		resigned := webhook.Request{Header: r.Header, Body: r.Body, ReceivedAt: signedAt}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &resigned, signedAt); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, cfg, resigned); err != nil {
			t.Errorf("%s, signed by Sign: %v", c.name, err)
		}
	}
}

// Time and token are signed without anything between them; digits cannot be moved
// from the one to the other.
func TestMailgunTimeHasItsLength(t *testing.T) {
	cfg := webhook.Config{Type: "mailgun", Secrets: one(testSecret), Tolerance: 200 * 365 * 24 * time.Hour}
	for _, moved := range []string{`"17900000005", "token": "f0c`, `"179000000", "token": "05f0c`} {
		r := request()
		r.Body = []byte(strings.Replace(mailgunBody, `"1790000000", "token": "5f0c`, moved, 1))
		if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMalformed {
			t.Errorf("%s: %q, want malformed", moved, got.Reason)
		}
	}
}

// What anybody could sign is the request that tries an address out, and no other.
func TestMandrillPublicKeyProvesTheEmptyFormAlone(t *testing.T) {
	cfg := webhook.Config{Type: "mandrill", Secrets: one(testSecret)}
	ping := request("X-Mandrill-Signature", "iqsCj+BWLoMpYPLtEybGEaxVTaA=")
	ping.Body, ping.URL = []byte("mandrill_events=%5B%5D"), mandrillURL
	got, err := verify(t, cfg, ping)
	if want := (webhook.Proof{Scheme: "mandrill", Covered: true, Ping: true}); err != nil || got.Proof() != want {
		t.Errorf("the empty form: %+v, error %v; want %+v", got.Proof(), err, want)
	}
	event := caseOf(t, "mandrill").req
	event.Header = headers("X-Mandrill-Signature", "TNc3lElhwylDfnPwrUfi8t/PeqM=")
	if got := refusal(t, cfg, event); got.Reason != webhook.ReasonMismatch {
		t.Errorf("an event signed with the public key: %q, want a mismatch", got.Reason)
	}
}

// Mandrill signs the address as it was entered there, whatever it is called here.
func TestMandrillAddressIsTheConfiguredOne(t *testing.T) {
	c := caseOf(t, "mandrill")
	c.req.URL = "https://inside.example.com/other"
	if got := refusal(t, c.cfg, c.req); got.Reason != webhook.ReasonMismatch {
		t.Errorf("another address: %q, want a mismatch", got.Reason)
	}
	c.cfg.URL = mandrillURL
	webhooktest.Run(t, c.cfg, c.req)
	c.cfg.URL, c.req.URL = "", ""
	if got := refusal(t, c.cfg, c.req); got.Reason != webhook.ReasonMissing {
		t.Errorf("no address: %q, want missing", got.Reason)
	}
	c.cfg.URL = "hooks.example.com/v1"
	if _, err := webhook.New(c.cfg); err == nil || !strings.Contains(err.Error(), "url:") {
		t.Errorf("an address without https: error %v, want a problem of url", err)
	}
}

func TestMandrillFieldsComeOnce(t *testing.T) {
	c := caseOf(t, "mandrill")
	for name, body := range map[string]string{
		"a field twice": mandrillBody + "&aaa=first",
		"badly escaped": strings.Replace(mandrillBody, "%5B", "%5", 1),
		"a semicolon":   strings.Replace(mandrillBody, "&", ";", 1),
		"no form":       testBody + "=",
		"another order": "",
	} {
		r := c.req
		r.Body = []byte(body)
		if got := refusal(t, c.cfg, r); got.Reason != webhook.ReasonMismatch {
			t.Errorf("%s: %q, want a mismatch", name, got.Reason)
		}
	}
	swapped := c.req
	first, second, _ := strings.Cut(mandrillBody, "&")
	swapped.Body = []byte(second + "&" + first)
	if got := refusal(t, c.cfg, swapped); got.Reason != "" {
		t.Errorf("fields in another order: %q, want it taken: they are signed by name", got.Reason)
	}
}

// A secret in the midst of what is hashed can be extended at the end: nothing but
// white space may stand behind the object. And auth is looked at once.
func TestUnisenderBodyIsOneObject(t *testing.T) {
	c := caseOf(t, "unisender")
	for name, body := range map[string]string{
		"padding behind it":     unisenderBody + "\x80\x00\x00",
		"another object behind": unisenderBody + unisenderBody,
		"auth twice":            strings.Replace(unisenderBody, `,"events_by_user"`, `,"auth":"","events_by_user"`, 1),
		"auth inside":           `{"x":` + unisenderBody + `}`,
		"no text":               `{"auth":5}`,
		"one character":         `{"auth":"`,
		"an array":              "[" + unisenderBody + "]",
		"nothing":               "",
	} {
		r := c.req
		r.Body = []byte(body)
		if got := refusal(t, c.cfg, r); got.Reason != webhook.ReasonMissing && got.Reason != webhook.ReasonMalformed {
			t.Errorf("%s: %q, want missing or malformed", name, got.Reason)
		}
	}
}

// Spoil breaks every request that Sign signed, of every type.
func TestSpoil(t *testing.T) {
	for _, c := range goodCases() {
		if c.cfg.Type == "none" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			cfg := signing(t, c.cfg)
			r := webhook.Request{Header: http.Header{}, Body: c.req.Body, URL: mandrillURL, Query: c.req.Query, ReceivedAt: signedAt}
			if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
				t.Fatal(err)
			}
			if _, err := verify(t, cfg, r); err != nil {
				t.Fatalf("the signed request: %v", err)
			}
			before := string(r.Body)
			spoiled := r
			webhook.Spoil(cfg, &spoiled)
			if got := refusal(t, cfg, spoiled); got.Reason == "" {
				t.Error("a spoiled request is taken")
			}
			if _, err := verify(t, cfg, r); err != nil || string(r.Body) != before {
				t.Errorf("spoiling a copy changed the request it was made of: %v", err)
			}
		})
	}
}

// signing returns a configuration that can sign: of a type with public keys, one
// with a private key.
func signing(t *testing.T, cfg webhook.Config) webhook.Config {
	t.Helper()
	switch cfg.Type {
	case "sendgrid", "postal", "sns":
		cfg.Secrets = []webhook.Secret{{ID: cfg.Secrets[0].ID, Value: webhooktest.PrivateKey(t, cfg.Type)}}
	}
	return cfg
}
