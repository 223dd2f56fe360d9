package webhook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/pkg/webhook"
)

// fields lists the fields of problems.
func fields(problems []webhook.Problem) []string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Field)
	}
	return all
}

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	_, err := webhook.New(webhook.Config{
		Type: "hmac", Header: "X Sig", Algorithm: "md5", Encoding: "base32", Template: "{timestamp}.{bdy}", Timestamp: "a:b",
		Tolerance: -time.Second, Decode: "rot13",
		Secrets: []webhook.Secret{
			{ID: "a", Value: nil},
			{ID: "a", Value: []byte("changeme")},
			{ID: "", Value: []byte("${JETEMAIL_SECRET}")},
		},
	})
	var got *webhook.ConfigError
	if !errors.As(err, &got) {
		t.Fatalf("New() = %v, want *ConfigError", err)
	}
	want := []string{
		"algorithm", "header", "timestamp", "template", "encoding", "tolerance", "decode",
		"secrets[1].id", "secrets[2].id", "secrets[0].value", "secrets[1].value", "secrets[2].value",
	}
	if diff := cmp.Diff(want, fields(got.Problems)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	for _, p := range got.Problems {
		if !errors.Is(err, p) || !strings.Contains(err.Error(), p.Message) {
			t.Errorf("the error does not hold %v", p)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	strong := one("0c9f3b2a-strong-and-long")
	hmac := func(change func(*webhook.Config)) webhook.Config {
		c := webhook.Config{Type: "hmac", Header: "X-Sig", Secrets: strong}
		change(&c)
		return c
	}
	for _, c := range []struct {
		name  string
		cfg   webhook.Config
		field string
		text  string
	}{
		{"no type", webhook.Config{}, "type", "has to be written out"},
		{"unknown type", webhook.Config{Type: "hmca"}, "type", `"hmca" is unknown; choose one of jetemail, hmac`},
		{"no secrets", webhook.Config{Type: "jetemail"}, "secrets", "give at least one"},
		{"blank secret", webhook.Config{Type: "jetemail", Secrets: one(" \n")}, "secrets[0].value", "empty"},
		{"example secret", webhook.Config{Type: "jetemail", Secrets: one("whsec_abc123…")}, "secrets[0].value", "is an example"},
		{"published secret", webhook.Config{Type: "standard_webhooks", Secrets: one("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}, "secrets[0].value", "is an example"},
		{"short token", webhook.Config{Type: "token", Secrets: one("fifteen-bytes-x")}, "secrets[0].value", "15 bytes, at least 16"},
		{"short bearer", webhook.Config{Type: "bearer", Secrets: one("fifteen-bytes-x")}, "secrets[0].value", "openssl rand"},
		{"short header", webhook.Config{Type: "header", Header: "X-A", Secrets: one("fifteen-bytes-x")}, "secrets[0].value", "15 bytes"},
		{"header without name", webhook.Config{Type: "header", Secrets: strong}, "header", "missing"},
		{"no base64", webhook.Config{Type: "standard_webhooks", Secrets: one("whsec_this is no base64!")}, "secrets[0].value", "decode: raw"},
		{"no hex", hmac(func(c *webhook.Config) { c.Decode = "hex" }), "secrets[0].value", "no hex"},
		{"empty once decoded", webhook.Config{Type: "standard_webhooks", Secrets: one("whsec_====")}, "secrets[0].value", ""},
		{"login for a signature", webhook.Config{Type: "jetemail", Secrets: []webhook.Secret{{ID: "a", Username: "u", Value: strong[0].Value}}}, "secrets[0].username", "type basic"},
		{"value for basic", webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Username: "u", Password: strong[0].Value, Value: strong[0].Value}}}, "secrets[0].value", "username and password"},
		{"no user", webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Password: strong[0].Value}}}, "secrets[0].username", "missing"},
		{"colon in user", webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Username: "a:b", Password: strong[0].Value}}}, "secrets[0].username", "colon"},
		{"no password", webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Username: "a"}}}, "secrets[0].password", "empty"},
		{"example password", webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Username: "a", Password: []byte("password")}}}, "secrets[0].password", "is an example"},
		{"secrets for none", webhook.Config{Type: "none", Secrets: strong}, "secrets", "takes no secret"},
		{"placeholder", hmac(func(c *webhook.Config) { c.Template = "v0:{ts}:{body}" }), "template", "at character 4: unknown placeholder {ts}"},
		{"open brace", hmac(func(c *webhook.Config) { c.Template = "{body" }), "template", `at character 1: "{" has no partner`},
		{"closing brace", hmac(func(c *webhook.Config) { c.Template = "{body}}" }), "template", `at character 7: "}" has no partner`},
		{"header without name in template", hmac(func(c *webhook.Config) { c.Template = "{header:}{body}" }), "template", "unknown placeholder {header:}"},
		{"id without header", hmac(func(c *webhook.Config) { c.Template = "{id}.{body}" }), "id_header", "{id}"},
		{"timestamp without header", hmac(func(c *webhook.Config) { c.Template = "{timestamp}.{body}" }), "timestamp", "{timestamp}"},
		{"unsigned timestamp", hmac(func(c *webhook.Config) { c.Timestamp = "X-Time" }), "timestamp", "does not sign it"},
		{"timestamp as header", hmac(func(c *webhook.Config) { c.Timestamp = "x-time"; c.Template = "{header:X-Time}.{body}" }), "template", "write {timestamp}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := webhook.New(c.cfg)
			var got *webhook.ConfigError
			if !errors.As(err, &got) || len(got.Problems) != 1 {
				t.Fatalf("New() = %v, want one problem", err)
			}
			if p := got.Problems[0]; p.Field != c.field || !strings.Contains(p.Message, c.text) {
				t.Errorf("problem = %v, want %s: …%s…", p, c.field, c.text)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	long := one("0c9f3b2a-strong-and-long")
	for _, c := range []struct {
		name string
		cfg  webhook.Config
		want []string
	}{
		{"nothing to say", webhook.Config{Type: "jetemail", Secrets: long}, nil},
		{"none", webhook.Config{Type: "none"}, []string{"type"}},
		{"short provider secret", webhook.Config{Type: "jetemail", Secrets: one("fifteen-bytes-x")}, []string{"secrets[0].value"}},
		{"short decoded", webhook.Config{Type: "standard_webhooks", Secrets: one("whsec_AAECAwQFBgcICQ==")}, []string{"secrets[0].value"}},
		{"short password", webhook.Config{Type: "basic", Secrets: []webhook.Secret{{Username: "u", Password: []byte("short-one")}}}, []string{"secrets[0].password"}},
		{"white space", webhook.Config{Type: "jetemail", Secrets: one("0c9f3b2a-strong-and-long\n")}, []string{"secrets[0].value"}},
		{"without effect", webhook.Config{Type: "jetemail", Tolerance: 1, Header: "X", Secrets: long}, []string{"header", "tolerance"}},
		{"body not covered", webhook.Config{Type: "hmac", Header: "X", Template: "{header:X-Token}", Secrets: long}, []string{"template"}},
		{"touching", webhook.Config{Type: "hmac", Header: "X", Template: "{url}{body}", Secrets: long}, []string{"template"}},
		{"tolerance without time", webhook.Config{Type: "hmac", Header: "X", Tolerance: 1, Secrets: long}, []string{"tolerance"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := webhook.New(c.cfg); err != nil {
				t.Errorf("New(): %v", err)
			}
			if diff := cmp.Diff(c.want, fields(c.cfg.Warnings())); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExampleSecretsAreRefused(t *testing.T) {
	for _, s := range []string{
		"changeme", "Change-Me!", "secret", "SECRET", "whsec_secret", "whsec_abc123", "whsec_abc123...", "your_webhook_secret", "your-secret",
		"<your token>", "xxxxxxxxxxxxxxxxxxxxxxxx", "whsec_xxxxxxxxxxxxxxxx", "00000000000000000000", "********************",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G", "${JETEMAIL_SECRET}", "password", "topsecret",
		"changemechangeme", "change-me-change-me", "secretsecretsecret", "testtesttesttest", "changeme-password-1234567890", "whsec_secrettoken",
	} {
		for _, typ := range []string{"jetemail", "token"} {
			_, err := webhook.New(webhook.Config{Type: typ, Secrets: one(s)})
			if err == nil || !strings.Contains(err.Error(), "is an example") {
				t.Errorf("%s with %q: %v, want a refusal", typ, s, err)
			}
		}
	}
	for _, s := range []string{testSecret, "correct horse battery staple", "3f6c2f5a9e0d4b1c8a7d6e5f", "пароль-для-вебхука-2026", "changeme-but-not-quite", "test5tokens6secret", "!§$%&/()=?-_.:,;#+*~"} {
		if _, err := webhook.New(webhook.Config{Type: "bearer", Secrets: one(s)}); err != nil {
			t.Errorf("a real secret is refused: %v", err)
		}
	}
}

// A token has to stand in an address as it is: what needs an escape works with
// some senders and proxies only.
func TestTokensAreMadeForAddresses(t *testing.T) {
	for c := range rune(0x100) {
		token := "0c9f3b2a" + string(c) + "d41402abc4b2a7"
		allowed := c < 0x80 && url.QueryEscape(string(c)) == string(c)
		_, err := webhook.New(webhook.Config{Type: "token", Secrets: one(token)})
		if (err == nil) != allowed {
			t.Errorf("%q: error %v, want allowed: %v", c, err, allowed)
		}
		if err == nil {
			continue
		}
		var wrong *webhook.ConfigError
		if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || wrong.Problems[0].Field != "secrets[0].value" ||
			!strings.Contains(err.Error(), "- . _ ~") || !strings.Contains(err.Error(), "openssl rand -hex 16") || strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", c, err)
		}
		if _, err := webhook.New(webhook.Config{Type: "bearer", Secrets: one(token)}); err != nil {
			t.Errorf("%q in a header: %v", c, err)
		}
	}
}

// canary stands for a secret in the tests of discretion.
const canary = "canary-5e884898da28047151d0e56f"

func TestSecretsDoNotPrint(t *testing.T) {
	secret := webhook.Secret{ID: "a", Value: []byte(canary), Username: "u", Password: []byte(canary)}
	cfg := webhook.Config{Type: "bearer", Secrets: []webhook.Secret{{ID: "a", Value: []byte(canary)}}}
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf := fmt.Sprintf("%d", []byte(canary)[:8])
	for _, x := range []any{secret, &secret, cfg, &cfg, cfg.Secrets, v} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			got := fmt.Sprintf(verb, x)
			for _, bad := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), strings.Trim(bytesOf, "[]")} {
				if strings.Contains(got, bad) {
					t.Errorf("%s of %T prints the secret", verb, x)
				}
			}
		}
		if out, err := json.Marshal(x); err == nil && (strings.Contains(string(out), canary) || strings.Contains(string(out), b64(canary))) {
			t.Errorf("JSON of %T prints the secret", x)
		}
	}
}

// No problem, warning or refusal of any type tells a secret.
func TestErrorsDoNotTellSecrets(t *testing.T) {
	for _, typ := range webhook.Types() {
		for _, decode := range []string{"", "raw", "hex", "base64", "whsec"} {
			cfg := webhook.Config{Type: typ, Decode: decode, Secrets: []webhook.Secret{{ID: "a", Value: []byte(canary + "!"), Username: canary, Password: []byte(canary)}}}
			_, err := webhook.New(cfg)
			text := fmt.Sprint(err, cfg.Warnings(), webhook.Sign(cfg, cfg.Secrets[0], &webhook.Request{}, signedAt))
			if strings.Contains(text, canary) {
				t.Errorf("type %s, decode %q: %s", typ, decode, text)
			}
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range goodCases() {
		want := webhook.Coverage{Body: true, Time: !c.signed.IsZero()}
		switch c.cfg.Type {
		case "basic", "bearer", "header", "token", "none", "mailomat", "mailgun":
			want.Body = false
		}
		if got := c.cfg.Covers(); got != want {
			t.Errorf("%s: Covers() = %+v, want %+v", c.name, got, want)
		}
	}
}

// Signing leaves the webhook's id alone where the caller gave one, and does not
// change the caller's query.
func TestSignKeepsWhatTheCallerGave(t *testing.T) {
	r := request("X-Webhook-ID", "mine")
	if err := webhook.Sign(webhook.Config{Type: "jetemail"}, one(testSecret)[0], &r, signedAt); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("X-Webhook-Id"); got != "mine" {
		t.Errorf("id = %q, want mine", got)
	}
	if got := r.Header.Get("X-Webhook-Signature"); got != "sha256="+sumSHA256 {
		t.Errorf("signature differs from the vector")
	}
	if got := r.Header.Get("X-Webhook-Timestamp"); got != "1790000000" {
		t.Errorf("timestamp = %q, want 1790000000", got)
	}
}
