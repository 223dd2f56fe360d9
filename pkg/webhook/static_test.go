package webhook_test

import (
	"encoding/base64"
	"net/url"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestBasicChanges(t *testing.T) {
	const name = "Authorization"
	runChanges(t, "basic", []change{
		{"none", set(name), webhook.ReasonMissing},
		{"another kind", set(name, "Bearer abc"), webhook.ReasonMissing},
		{"no credentials", set(name, "Basic"), webhook.ReasonMalformed},
		{"no base64", set(name, "Basic hooks:pass"), webhook.ReasonMalformed},
		{"no colon", set(name, "Basic "+b64("hooks")), webhook.ReasonMalformed},
		{"two headers", set(name, "Basic "+b64("a:b"), "Basic "+b64("a:b")), webhook.ReasonMalformed},
		{"lower-case kind", set(name, "basic "+b64("hooks:pass:word with spaces ü")), ""},
		{"wrong user", set(name, "Basic "+b64("hook:pass:word with spaces ü")), webhook.ReasonMismatch},
		{"wrong password", set(name, "Basic "+b64("hooks:pass:word")), webhook.ReasonMismatch},
		{"empty password", set(name, "Basic "+b64("hooks:")), webhook.ReasonMismatch},
		{"both empty", set(name, "Basic "+b64(":")), webhook.ReasonMismatch},
		{"boundary moved", set(name, "Basic "+b64("hooks:pass:word with spaces ü:")), webhook.ReasonMismatch},
	})
}

// One pair's user does not go with another pair's password.
func TestBasicPairsDoNotMix(t *testing.T) {
	cfg := webhook.Config{Type: "basic", Secrets: []webhook.Secret{
		{ID: "a", Username: "ann", Password: []byte("annes-long-password")},
		{ID: "b", Username: "bob", Password: []byte("bobs-long-password")},
	}}
	for pair, want := range map[string]string{"ann:annes-long-password": "a", "bob:bobs-long-password": "b", "ann:bobs-long-password": "", "bob:annes-long-password": ""} {
		got, err := verify(t, cfg, request("Authorization", "Basic "+b64(pair)))
		if (err == nil) != (want != "") || got.Proof().KeyID != want {
			t.Errorf("%s: key %q, error %v; want key %q", pair, got.Proof().KeyID, err, want)
		}
	}
}

func TestBearerChanges(t *testing.T) {
	const name = "Authorization"
	runChanges(t, "bearer", []change{
		{"none", set(name), webhook.ReasonMissing},
		{"another kind", set(name, "Basic "+b64("a:b")), webhook.ReasonMissing},
		{"empty token", set(name, "Bearer  "), webhook.ReasonMalformed},
		{"longer", set(name, "Bearer "+testSecret+"0"), webhook.ReasonMismatch},
		{"shorter", set(name, "Bearer "+testSecret[:len(testSecret)-1]), webhook.ReasonMismatch},
		{"two headers", set(name, "Bearer "+testSecret, "Bearer "+testSecret), webhook.ReasonMalformed},
	})
}

func TestStaticHeaderChanges(t *testing.T) {
	const name = "X-Shop-Token"
	runChanges(t, "header", []change{
		{"none", set(name), webhook.ReasonMissing},
		{"empty", set(name, ""), webhook.ReasonMissing},
		{"two headers", set(name, testSecret, "x"), webhook.ReasonMalformed},
		{"wrong", set(name, "x"), webhook.ReasonMismatch},
	})
}

func TestTokenPlaces(t *testing.T) {
	const right, wrong = "tok-5d41402abc4b2a76b9719d911017c592", "tok-00000000000000000000000000000000"
	cfg := webhook.Config{Type: "token", Secrets: one(right)}
	for _, c := range []struct {
		name, path string
		query      []string
		want       webhook.Reason
	}{
		{"nowhere", "", nil, webhook.ReasonMissing},
		{"empty in query", "", []string{""}, webhook.ReasonMissing},
		{"path", right, nil, ""},
		{"query", "", []string{right}, ""},
		{"both the same", right, []string{right}, ""},
		{"path right, query wrong", right, []string{wrong}, webhook.ReasonMalformed},
		{"path wrong, query right", wrong, []string{right}, webhook.ReasonMalformed},
		{"query twice, different", "", []string{right, wrong}, webhook.ReasonMalformed},
		{"query twice, the same", "", []string{right, right}, ""},
		{"wrong in path", wrong, nil, webhook.ReasonMismatch},
		{"wrong in query", "", []string{wrong}, webhook.ReasonMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request()
			r.PathToken, r.Query = c.path, url.Values{"token": c.query}
			if got := refusal(t, cfg, r); got.Reason != c.want {
				t.Errorf("reason = %q, want %q", got.Reason, c.want)
			}
		})
	}
}

func TestChallenge(t *testing.T) {
	for _, c := range goodCases() {
		v, err := webhook.New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"basic": `Basic realm="webhooks", charset="UTF-8"`, "bearer": `Bearer realm="webhooks"`}[c.cfg.Type]
		if got := webhook.Challenge(v); got != want {
			t.Errorf("%s: Challenge() = %q, want %q", c.name, got, want)
		}
		if _, has := webhook.Allow(v, anywhere()).(webhook.Challenger); has != (want != "") {
			t.Errorf("%s behind a list: is a Challenger = %v, want %v", c.name, has, want != "")
		}
	}
}

// A secret with an end is not taken by a request without a time.
func TestEndedSecretWithoutClock(t *testing.T) {
	cfg := webhook.Config{Type: "bearer", Secrets: one(testSecret)}
	cfg.Secrets[0].NotAfter = signedAt
	r := request("Authorization", "Bearer "+testSecret)
	r.ReceivedAt = time.Time{}
	if got := refusal(t, cfg, r); got.Reason != webhook.ReasonNoSecret || !got.Complete {
		t.Errorf("refusal = %+v, want no_active_secret, complete", got)
	}
}

func TestNilVerifierRefuses(t *testing.T) {
	if got, err := webhook.Verify(nil, request()); err == nil || got.OK() {
		t.Errorf("Verify(nil) = OK %v, error %v; want a refusal", got.OK(), err)
	}
}
