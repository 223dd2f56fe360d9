package webhook_test

import (
	"strings"
	"testing"

	"github.com/postrider/postrider/pkg/webhook"
)

func TestHMACHeaderForms(t *testing.T) {
	const name, wrong = "X-Sig", "00af827ea2a52dc4194234292a00dd2f0c8b7bc2c23b9c8f4f12eaa6676bc384"
	runChanges(t, "hmac sha256", []change{
		{"no header", set(name), webhook.ReasonMissing},
		{"upper case", set(name, strings.ToUpper(sumSHA256)), ""},
		{"second of a list by comma", set(name, wrong+", "+sumSHA256), ""},
		{"second of a list by space", set(name, wrong+" "+sumSHA256), ""},
		{"second header", set(name, wrong, sumSHA256), ""},
		{"with nonsense beside it", set(name, "t=1,"+sumSHA256+",,"), ""},
		{"only wrong ones", set(name, wrong+","+wrong), webhook.ReasonMismatch},
		{"only nonsense", set(name, "v1=,zz"), webhook.ReasonMalformed},
		{"base64", set(name, "6a+CfqKlLcQZQjQpKgDdLwyLe8LCO5yPTxLqpmdrw4Q="), webhook.ReasonMalformed},
		{"more than is looked at", set(name, strings.Repeat(wrong+",", 8)+sumSHA256), webhook.ReasonMalformed},
	})
}

func TestHMACBase64Forms(t *testing.T) {
	const name = "X-Sig"
	runChanges(t, "hmac sha1", []change{
		{"no padding", set(name, "qwGEijpLDum768HjcjtApUEwkag"), ""},
		{"unused bits set", set(name, "qwGEijpLDum768HjcjtApUEwkah="), webhook.ReasonMalformed},
		{"line break inside", set(name, "qwGEijpLDum768\nHjcjtApUEwkag="), webhook.ReasonMalformed},
		{"too much padding", set(name, "qwGEijpLDum768HjcjtApUEwkag=="), webhook.ReasonMalformed},
	})
	const std = "sha512 cczJqgiimhEnbT2+SITfn+npDhQuknF44Me/79mhyMRe6HxxV2n4sADLXBEDU7wO1XexXQmJLD/k98RGza8y+Q=="
	runChanges(t, "hmac sha512", []change{
		{"URL alphabet", set(name, strings.NewReplacer("+", "-", "/", "_").Replace(std)), ""},
		{"URL alphabet without padding", set(name, strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(std)), ""},
		{"list by comma, the prefix has the space", set(name, "sha512 AAAA,"+std), ""},
	})
}

func TestHMACTemplateChanges(t *testing.T) {
	const ts = "X-Time"
	runChanges(t, "hmac template", []change{
		{"no prefix", set("X-Sig", "be7e365e035e54ada21077342e33432e2bf9741c46ca4adc28f9ddc3258ddbfe"), webhook.ReasonMalformed},
		{"no timestamp", set(ts), webhook.ReasonMissing},
		{"two timestamps", set(ts, "1790000000", "1790000000"), webhook.ReasonMalformed},
		{"signed number", set(ts, "+1790000000"), webhook.ReasonMalformed},
		{"milliseconds", set(ts, "1790000000000"), webhook.ReasonMalformed},
		{"fraction", set(ts, "1790000000.0"), webhook.ReasonMalformed},
		{"leading zero", set(ts, "01790000000"), webhook.ReasonMismatch},
		{"another time", set(ts, "1790000001"), webhook.ReasonMismatch},
		{"no id", set("X-Id"), webhook.ReasonMissing},
		{"another id", set("X-Id", "id-8"), webhook.ReasonMismatch},
		{"another address", func(r *webhook.Request) { r.URL += "&b=2" }, webhook.ReasonMismatch},
		{"no address", func(r *webhook.Request) { r.URL = "" }, webhook.ReasonMissing},
		{"no clock", func(r *webhook.Request) { r.ReceivedAt = signedAt.AddDate(-2000, 0, 0) }, webhook.ReasonFuture},
	})
}

func TestHMACSecretDecoding(t *testing.T) {
	for _, c := range []struct{ decode, secret string }{
		{"hex", "77687365635f38663134653435666365656131363761356133366465646434626561323534 33"},
		{"base64", "d2hzZWNfOGYxNGU0NWZjZWVhMTY3YTVhMzZkZWRkNGJlYTI1NDM="},
		{"base64", "d2hzZWNfOGYxNGU0NWZjZWVhMTY3YTVhMzZkZWRkNGJlYTI1NDM"},
		{"whsec", "whsec_d2hzZWNfOGYxNGU0NWZjZWVhMTY3YTVhMzZkZWRkNGJlYTI1NDM="},
		{"raw", testSecret},
	} {
		t.Run(c.decode, func(t *testing.T) {
			secret := strings.ReplaceAll(c.secret, " ", "")
			cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Decode: c.decode, Secrets: one(secret)}
			if got := refusal(t, cfg, request("X-Sig", sumSHA256)); got.Reason != "" {
				t.Errorf("refused: %v", &got)
			}
		})
	}
}

// Only the provider knows what stands in a signed header; a test sender makes it up.
func TestSignFillsTheHeadersThatATemplateNames(t *testing.T) {
	cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Template: "{header:X-Foo}.{header:content-type}.{body}", Secrets: one(testSecret)}
	r := request("Content-Type", "text/plain")
	if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
		t.Fatal(err)
	}
	if got := refusal(t, cfg, r); got.Reason != "" || r.Header.Get("X-Foo") == "" || r.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("refused: %v; headers %v", &got, r.Header)
	}
	r.Header.Set("X-Foo", "another")
	if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMismatch {
		t.Errorf("a changed header: got %v, want a mismatch", &got)
	}
}

func TestHMACHeaderPlaceholder(t *testing.T) {
	cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Template: "{header:x-topic}\n{body}", Secrets: one(testSecret)}
	r := request("X-Topic", "orders")
	if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
		t.Fatal(err)
	}
	if got := refusal(t, cfg, r); got.Reason != "" {
		t.Fatalf("refused: %v", &got)
	}
	set("X-Topic", "refunds")(&r)
	if got := refusal(t, cfg, r); got.Reason != webhook.ReasonMismatch {
		t.Errorf("reason with another header = %q, want mismatch", got.Reason)
	}
}
