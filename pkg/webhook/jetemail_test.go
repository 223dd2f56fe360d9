package webhook_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

func TestJetEmailChanges(t *testing.T) {
	const name = "X-Webhook-Signature"
	runChanges(t, "jetemail", []change{
		{"no header", set(name), webhook.ReasonMissing},
		{"empty header", set(name, ""), webhook.ReasonMissing},
		{"prefix alone", set(name, "sha256="), webhook.ReasonMalformed},
		{"prefix in upper case", set(name, "SHA256="+sumSHA256), webhook.ReasonMalformed},
		{"upper-case digits", set(name, "sha256="+strings.ToUpper(sumSHA256)), webhook.ReasonMalformed},
		{"a digit short", set(name, "sha256="+sumSHA256[1:]), webhook.ReasonMalformed},
		{"a digit long", set(name, "sha256=0"+sumSHA256), webhook.ReasonMalformed},
		{"blank in front", set(name, " sha256="+sumSHA256), webhook.ReasonMalformed},
		{"twice in one header", set(name, "sha256="+sumSHA256+",sha256="+sumSHA256), webhook.ReasonMalformed},
		{"two headers", set(name, "sha256="+sumSHA256, "sha256="+sumSHA256), webhook.ReasonMalformed},
		{"another signature", set(name, "sha256="+sumInbound), webhook.ReasonMismatch},
		{"inbound signature", set(name, sumInbound), webhook.ReasonUnsupportedContent},
		{"any hex without prefix", set(name, strings.Repeat("0f", 32)), webhook.ReasonUnsupportedContent},
		{"no timestamp", set("X-Webhook-Timestamp"), ""},
		{"old timestamp", set("X-Webhook-Timestamp", "1000000000"), ""},
		{"no timestamp at all, nonsense", set("X-Webhook-Timestamp", "yesterday"), ""},
		{"another id", set("X-Webhook-ID", "other"), ""},
		{"newline gone", func(r *webhook.Request) { r.Body = []byte(strings.TrimSpace(testBody)) }, webhook.ReasonMismatch},
	})
}

func TestJetEmailInboundIsNamed(t *testing.T) {
	cfg := webhook.Config{Type: "jetemail", Secrets: one(testSecret)}
	r := request("X-Webhook-Signature", sumInbound, "X-Webhook-ID", "job_77", "X-Webhook-Timestamp", "1790000000")
	got := refusal(t, cfg, r)
	if got.Reason != webhook.ReasonUnsupportedContent || !strings.Contains(got.Hint, "inbound webhook") {
		t.Errorf("refusal = %+v, want one that names the inbound webhook", got)
	}
	v, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Missing(&r); err == nil {
		t.Error("Missing() = nil, want the refusal before the body is read")
	}
}

// The secret looks like a Standard Webhooks secret; it is used as it is.
func TestJetEmailSecretIsNotDecoded(t *testing.T) {
	cfg := webhook.Config{Type: "jetemail", Secrets: one(strings.TrimPrefix(testSecret, "whsec_"))}
	got := refusal(t, cfg, request("X-Webhook-Signature", "sha256="+sumSHA256))
	if got.Reason != webhook.ReasonMismatch {
		t.Errorf("reason = %q, want mismatch", got.Reason)
	}
}
