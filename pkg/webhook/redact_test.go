package webhook_test

import (
	"errors"
	"net/netip"
	"net/url"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

// What a request brought as its credential is recognized wherever it is repeated.
func TestRedacts(t *testing.T) {
	const secret = "pa/ss word=" + testSecret
	login := []webhook.Secret{{ID: "a", Username: "hooks", Password: []byte(secret)}}
	short := []webhook.Secret{{ID: "a", Username: "hooks", Password: []byte("qz7")}}
	inQuery := request()
	inQuery.Query = url.Values{"token": {testSecret}}
	inPath := request()
	inPath.PathToken = testSecret
	signed := request("X-Webhook-Signature", "sha256="+sumSHA256, "Authorization", "Bearer of-a-proxy-before-us")
	for _, c := range []struct {
		name string
		cfg  webhook.Config
		r    webhook.Request
		yes  []string
		no   []string
	}{
		{
			"header",
			webhook.Config{Type: "header", Header: "x-shop", Secrets: one(secret)},
			request("X-Shop", secret),
			[]string{secret, "a " + secret + " b", "?a=" + url.QueryEscape(secret), "/" + url.PathEscape(secret)},
			[]string{"", "pa/ss", "a", secret[1:]},
		},
		{
			"bearer",
			webhook.Config{Type: "bearer", Secrets: one(testSecret)},
			request("Authorization", "Bearer "+testSecret),
			[]string{"Bearer " + testSecret, testSecret},
			[]string{"", "Bearer", testSecret[:8]},
		},
		{
			"basic",
			webhook.Config{Type: "basic", Secrets: login},
			request("Authorization", "basic  "+b64("hooks:"+secret)),
			[]string{"Basic " + b64("hooks:"+secret), secret, "hooks:" + secret},
			[]string{"", "Basic", "hooks"},
		},
		{
			"short password",
			webhook.Config{Type: "basic", Secrets: short},
			request("Authorization", "Basic "+b64("hooks:qz7")),
			[]string{"Basic " + b64("hooks:qz7"), "qz7"},
			[]string{"", "qz78"},
		},
		{"token in the path", webhook.Config{Type: "token", Secrets: one(testSecret)}, inPath, []string{"/x/" + testSecret + "?y"}, []string{"", "/x/"}},
		{"token in the query", webhook.Config{Type: "token", Secrets: one(testSecret)}, inQuery, []string{"?token=" + testSecret}, []string{"", "?token="}},
		{"signature", webhook.Config{Type: "jetemail", Secrets: one(testSecret)}, signed, []string{"of-a-proxy-before-us"}, []string{"", "sha256=" + sumSHA256}},
	} {
		v, err := webhook.New(c.cfg)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		c.r.RemoteAddr = netip.MustParseAddr("192.0.2.1")
		for _, verifier := range []webhook.Verifier{v, webhook.Allow(v, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})} {
			proven, err := webhook.Verify(verifier, c.r)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			redacts(t, c.name, proven, c.yes, true)
			redacts(t, c.name, proven, c.no, false)
		}
	}
	redacts(t, "assumed", webhook.AssumeProvenForReplayAndTests(inPath), []string{testSecret}, true)
	redacts(t, "unproven", webhook.Verified{}, []string{"", testSecret}, false)
}

func redacts(t *testing.T, name string, v webhook.Verified, values []string, want bool) {
	t.Helper()
	for _, value := range values {
		if got := v.Redacts(value); got != want {
			t.Errorf("%s: Redacts(%q) = %v, want %v", name, value, got, want)
		}
	}
}

// A source whose secrets have all ended is no wrong configuration: it refuses,
// and says why.
func TestEndedSecretsRefuse(t *testing.T) {
	cfg := webhook.Config{Type: "bearer", Secrets: one(testSecret)}
	cfg.Secrets[0].NotAfter = signedAt.AddDate(-1, 0, 0)
	_, err := verify(t, cfg, request("Authorization", "Bearer "+testSecret))
	if refused, ok := errors.AsType[*webhook.RefusedError](err); !ok || refused.Reason != webhook.ReasonNoSecret {
		t.Errorf("got %v, want %s", err, webhook.ReasonNoSecret)
	}
}
