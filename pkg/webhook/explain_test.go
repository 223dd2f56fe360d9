package webhook_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

// told joins an explanation for looking into it.
func told(checks []webhook.Check) string {
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%s: %s: %s\n", c.Outcome, c.Step, c.Detail)
	}
	return b.String()
}

func TestExplainAgreesWithVerify(t *testing.T) {
	for _, c := range goodCases() {
		t.Run(c.name, func(t *testing.T) {
			checks := webhook.Explain(c.cfg, c.req)
			last := checks[len(checks)-1]
			if last.Step != "verdict" || last.Outcome != webhook.OutcomeOK {
				t.Errorf("verdict = %+v, want ok\n%s", last, told(checks))
			}
		})
	}
}

// While secrets overlap, a genuine request fits one of them; nothing failed then.
func TestExplainNotesTheOtherSecretsOnceOneFits(t *testing.T) {
	for _, c := range []webhook.Config{
		{Type: "hmac", Header: "X-Sig"}, {Type: "bearer"}, {Type: "token"},
	} {
		mine := webhook.Secret{ID: "mine", Value: []byte(testSecret)}
		r := request()
		if err := webhook.Sign(c, mine, &r, signedAt); err != nil {
			t.Fatal(err)
		}
		c.Secrets = []webhook.Secret{{ID: "old", Value: []byte("another-secret-of-enough-bytes-1")}, mine, {ID: "fut", Value: []byte("another-secret-of-enough-bytes-2")}}
		got := told(webhook.Explain(c, r))
		if strings.Contains(got, "failed:") || strings.Count(got, "does not fit") != 2 || !strings.Contains(got, `note: secret "fut": does not fit`) {
			t.Errorf("%s: got\n%s", c.Type, got)
		}
		c.Secrets = c.Secrets[2:]
		if got := told(webhook.Explain(c, r)); !strings.Contains(got, `failed: secret "fut": does not fit`) {
			t.Errorf("%s, none fits: got\n%s", c.Type, got)
		}
	}
}

func TestExplainNearMisses(t *testing.T) {
	jetemail := func(secret string) webhook.Config {
		return webhook.Config{Type: "jetemail", Secrets: one(secret)}
	}
	signed := request("X-Webhook-Signature", "sha256="+sumSHA256, "X-Webhook-ID", "job_77", "X-Webhook-Timestamp", "1790000000")
	body := func(b string) webhook.Request {
		r := signed
		r.Body = []byte(b)
		return r
	}
	header := func(pairs ...string) webhook.Request {
		r := signed
		r.Header = headers(pairs...)
		return r
	}
	indented, gained := compactSigned(t), compactSigned(t)
	indented.Body = []byte("{\n  \"id\": \"evt_01\",\n  \"type\": \"outbound.delivered\",\n  \"note\": \"grüße\"\n}\n")
	gained.Body = append(gained.Body, '\r', '\n')
	standard := request()
	if err := webhook.Sign(webhook.Config{Type: "standard_webhooks"}, one(testStandard)[0], &standard, signedAt); err != nil {
		t.Fatal(err)
	}
	bearer := webhook.Config{Type: "bearer", Secrets: one(testSecret)}
	basic := goodCases()[7]
	for _, c := range []struct {
		name string
		cfg  webhook.Config
		req  webhook.Request
		want string
	}{
		{"another secret", jetemail("quite-another-secret-8f14"), signed, "no small change"},
		{"newline lost", jetemail(testSecret), body(strings.TrimSpace(testBody)), "gains a line break at the end"},
		{"newline gained", jetemail(testSecret), gained, "loses its line break"},
		{"CR LF", jetemail(testSecret), body(strings.ReplaceAll(testBody, "\n", "\r\n")), "has LF instead of CR LF"},
		{"indented on the way", jetemail(testSecret), indented, "is JSON without white space"},
		{"secret with blank", jetemail(" " + testSecret + "\n"), signed, "loses the white space"},
		{"secret without whsec_", jetemail(strings.TrimPrefix(testSecret, "whsec_")), signed, "gains whsec_"},
		{"secret with whsec_ too many", jetemail("whsec_" + testSecret), signed, "loses whsec_"},
		{"secret in base64", jetemail("d2hzZWNfOGYxNGU0NWZjZWVhMTY3YTVhMzZkZWRkNGJlYTI1NDM="), signed, "decode: base64"},
		{"inbound scheme", jetemail(testSecret), header("X-Webhook-Signature", sumInbound, "X-Webhook-ID", "job_77", "X-Webhook-Timestamp", "1790000000"), "JetEmail's inbound webhook"},
		{"no prefix", webhook.Config{Type: "hmac", Header: "X-Webhook-Signature", Secrets: one(testSecret)}, signed, "type jetemail"},
		{"other header", jetemail(testSecret), header("X-Hub-Signature", "x"), "header X-Hub-Signature"},
		{"Standard Webhooks", jetemail(testStandard), standard, "type standard_webhooks"},
		{
			"other algorithm",
			webhook.Config{Type: "hmac", Header: "X-Sig", Secrets: one(testSecret)},
			request("X-Sig", "qwGEijpLDum768HjcjtApUEwkag="), "algorithm sha1, encoding base64",
		},
		{"case of a token", bearer, request("Authorization", "Bearer "+strings.ToUpper(testSecret)), "upper and lower case"},
		{"white space in a token", bearer, request("Authorization", "Bearer "+testSecret+" "), "but for white space"},
		{"wrong password", basic.cfg, request("Authorization", "Basic aG9va3M6eA=="), "the password is not"},
		{
			"word before a token",
			webhook.Config{Type: "header", Header: "Authorization", Secrets: one(testSecret)},
			request("Authorization", "Token "+testSecret), "after the first word",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := told(webhook.Explain(c.cfg, c.req))
			if !strings.Contains(text, c.want) {
				t.Errorf("explanation lacks %q:\n%s", c.want, text)
			}
			if !strings.Contains(text, "failed: verdict") {
				t.Errorf("verdict is not failed:\n%s", text)
			}
		})
	}
}

// compactSigned returns a request whose body ends without a line break.
func compactSigned(t *testing.T) webhook.Request {
	t.Helper()
	r := request()
	r.Body = []byte(strings.TrimSpace(testBody))
	if err := webhook.Sign(webhook.Config{Type: "jetemail"}, one(testSecret)[0], &r, signedAt); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExplainEndedSecretAndTime(t *testing.T) {
	c := goodCases()[4] // hmac template
	c.cfg.Secrets[0].NotAfter = signedAt
	r := c.req
	r.ReceivedAt = signedAt.Add(time.Hour)
	text := told(webhook.Explain(c.cfg, r))
	for _, want := range []string{"fits, but ended at 2026-09-21T", "made 1h0m0s before it was received; the tolerance is 5m0s", "refused: no_active_secret"} {
		if !strings.Contains(text, want) {
			t.Errorf("explanation lacks %q:\n%s", want, text)
		}
	}
}

func TestExplainNamesConfigurationProblems(t *testing.T) {
	text := told(webhook.Explain(webhook.Config{Type: "hmac", Template: "{bdy}"}, request()))
	for _, want := range []string{"header: missing", "unknown placeholder {bdy}", "secrets: missing"} {
		if !strings.Contains(text, want) {
			t.Errorf("explanation lacks %q:\n%s", want, text)
		}
	}
}

// No explanation prints a secret or a signature, whatever is wrong.
func TestExplainIsDiscreet(t *testing.T) {
	cases := goodCases()
	for _, with := range cases {
		for _, of := range cases {
			r := of.req
			r.Query = url.Values{"token": {"tok-5d41402abc4b2a76b9719d911017c592"}}
			text := told(webhook.Explain(with.cfg, r))
			for _, canary := range []string{testSecret, testStandard, "tok-5d41402abc4b", "pass:word", sumSHA256, "be7e365e035e54ada", "Z1dPprpisbs90"} {
				if strings.Contains(text, canary) {
					t.Errorf("explaining %s with %s prints %q", of.name, with.name, canary)
				}
			}
		}
	}
}
