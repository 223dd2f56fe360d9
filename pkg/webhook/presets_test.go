package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/postrider/postrider/pkg/webhook"
	"github.com/postrider/postrider/pkg/webhook/webhooktest"
)

// presetCases is a vector of ours of each scheme that one provider uses and that
// hmac could spell out, or nearly.
func presetCases() []goodCase {
	of := func(typ string) webhook.Config { return webhook.Config{Type: typ, Secrets: one(testSecret)} }
	sweego := webhook.Config{Type: "sweego", Secrets: one("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v")}
	const stamped = "95a1b61ceb17dbce21e9455c35e6ff2fea99764329613b4714d0d686be325513" // 1790000000.body
	return []goodCase{
		{
			"ahasend", of("ahasend"),
			request("webhook-id", "msg_ours1", "webhook-timestamp", "1790000000", "webhook-signature", "v1,xCkn1UM+kyjDFK8U55jItnLLwJmuOKYRP8NSzT2KHcE="),
			signedAt,
		},
		{
			"customerio", of("customerio"),
			request("X-CIO-Timestamp", "1790000000", "X-CIO-Signature", "d8bbc90c95ab7d77c4ee75fe2d527b0d082e33250d35c2194f8dc2f0f4f48239"),
			signedAt,
		},
		{"emailit", of("emailit"), request("X-Emailit-Timestamp", "1790000000", "X-Emailit-Signature", stamped), signedAt},
		{
			"lettermint", of("lettermint"),
			request("X-Lettermint-Delivery", "1790000000", "X-Lettermint-Signature", "t=1790000000,v1="+stamped),
			signedAt,
		},
		{"mailersend", of("mailersend"), request("Signature", sumSHA256), time.Time{}},
		{
			"mailomat", of("mailomat"),
			request("X-MOM-Webhook-Id", "8d0c7e2a-1111", "X-MOM-Webhook-Event", "delivered", "X-MOM-Webhook-Timestamp", "1790000000",
				"X-MOM-Webhook-Signature", "sha256=7b8b822f7e4fa563d7aab49d23754dc71157d6267a7b46bd703b74c1a4bd9624"),
			signedAt,
		},
		{"mailtrap", of("mailtrap"), request("Mailtrap-Signature", sumSHA256), time.Time{}},
		{
			"sweego", sweego,
			request("webhook-id", "msg_ours1", "webhook-timestamp", "1790000000", "webhook-signature", "Irpn+FDmjwLskWsrrfIt7Wl3aWPNEzE75tN09NqyREE="),
			signedAt,
		},
		{
			"zeptomail", of("zeptomail"),
			request("producer-signature", "ts=1790000000000;s=6a%2BCfqKlLcQZQjQpKgDdLwyLe8LCO5yPTxLqpmdrw4Q%3D;s-algorithm=HmacSHA256"),
			time.Time{},
		},
	}
}

// The vector that every one of Mailtrap's official libraries is tested with
// (https://github.com/mailtrap/mailtrap-python, tests/unit/test_webhook_signature.py).
func TestMailtrapPublishedVector(t *testing.T) {
	cfg := webhook.Config{Type: "mailtrap", Secrets: one("8d9a3c0e7f5b2d4a6c1e9f8b3a7d5c2e")}
	r := request("Mailtrap-Signature", "6d262e2611cd09be1f948382b5c611d63b0e585c4c9c5e40139d6ac3876d5433")
	r.Body = []byte(`{"event":"delivery","sending_stream":"transactional","category":"welcome",` +
		`"message_id":"a8b1d8f6-1f8d-4a3c-9b2e-1a2b3c4d5e6f","email":"recipient@example.com",` +
		`"event_id":"f1e2d3c4-b5a6-7890-1234-567890abcdef","timestamp":1716070000}`)
	webhooktest.Run(t, cfg, r)
}

// Our vectors of MailerSend's public test secret, made with Python's hmac. It
// proves the request that tries an address out and nothing else.
func TestOwnVectorMailerSendPublicSecretProvesThePingAlone(t *testing.T) {
	const pinged = "3011d4d955cce2a43a93d4c2bcd7835de4bc6177daaf951ebbd3fa7e15a78fa2"
	cfg := webhook.Config{Type: "mailersend", Secrets: one(testSecret)}
	r := request("Signature", pinged)
	r.Body = []byte(`{"type":"webhook.test","message":"ours"}`)
	got, err := verify(t, cfg, r)
	if err != nil {
		t.Fatalf("the ping is refused: %v", err)
	}
	if want := (webhook.Proof{Scheme: "mailersend", Covered: true, Ping: true}); got.Proof() != want {
		t.Errorf("proof = %+v, want %+v", got.Proof(), want)
	}
	event := request("Signature", "9956ae455a20744604b1b23fa85d67a34c846cebf7aa0c0687fc2a1d51243520")
	if got := refusal(t, cfg, event); got.Reason != webhook.ReasonMismatch {
		t.Errorf("an event signed with the public secret: %q, want a mismatch", got.Reason)
	}
	forged := r
	forged.Header = headers("Signature", sumSHA256)
	if got := refusal(t, cfg, forged); got.Reason != webhook.ReasonMismatch {
		t.Errorf("a ping with another signature: %q, want a mismatch", got.Reason)
	}
}

// Whatever else a body of the type webhook.test holds, it is a ping and no event;
// and a body that only looks like one is none.
func TestOnlyTheExactTypeIsMailerSendsPing(t *testing.T) {
	cfg := webhook.Config{Type: "mailersend", Secrets: one(testSecret)}
	for body, want := range map[string]bool{
		`{"type":"webhook.test"}`:                                 true,
		`{"data":{"id":"1"},"type":"webhook.test"}`:               true,
		`{"Type":"webhook.test"}`:                                 false,
		`{"type":"webhook.test "}`:                                false,
		`{"type":["webhook.test"]}`:                               false,
		`[{"type":"webhook.test"}]`:                               false,
		`{"type":"activity.sent","data":{"type":"webhook.test"}}`: false,
		`{"type":"webhook.test"`:                                  false,
	} {
		r := webhook.Request{Header: http.Header{"Signature": {publicly(body)}}, Body: []byte(body), ReceivedAt: signedAt}
		got, err := verify(t, cfg, r)
		if (err == nil) != want || got.Proof().Ping != want {
			t.Errorf("%s: ping %v, error %v; want %v", body, got.Proof().Ping, err, want)
		}
	}
}

// The event alone is signed, whether it comes as JSON or in a form's one field.
func TestZeptoMailFormIsProvenByItsValue(t *testing.T) {
	cfg := webhook.Config{Type: "zeptomail", Secrets: one(testSecret)}
	signature := "ts=1;s=6a%2BCfqKlLcQZQjQpKgDdLwyLe8LCO5yPTxLqpmdrw4Q%3D"
	for body, want := range map[string]webhook.Reason{
		"data=" + url.QueryEscape(testBody):                  "",
		"eventData=" + url.QueryEscape(testBody):             "",
		"data=" + url.QueryEscape(testBody+" "):              webhook.ReasonMismatch,
		"data=" + url.QueryEscape(testBody) + "&data=" + "x": webhook.ReasonMismatch,
		"other=x&data=" + url.QueryEscape(testBody):          webhook.ReasonMismatch,
		url.QueryEscape(testBody):                            webhook.ReasonMismatch,
	} {
		r := request("producer-signature", signature)
		r.Body = []byte(body)
		if got := refusal(t, cfg, r); got.Reason != want {
			t.Errorf("%s: %q, want %q", body, got.Reason, want)
		}
	}
	r := webhook.Request{Body: []byte("data=" + url.QueryEscape(testBody)), ReceivedAt: signedAt}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(t, cfg, r); err != nil {
		t.Errorf("a form that Sign signed is refused: %v", err)
	}
}

func TestLettermintChanges(t *testing.T) {
	const sum = "v1=95a1b61ceb17dbce21e9455c35e6ff2fea99764329613b4714d0d686be325513"
	old := "v1=" + sumSHA256
	runChanges(t, "lettermint", []change{
		{"another secret's signature first", set("X-Lettermint-Signature", "t=1790000000,"+old+","+sum), ""},
		{"blanks between", set("X-Lettermint-Signature", "t=1790000000, "+sum), ""},
		{"the time last", set("X-Lettermint-Signature", sum+",t=1790000000"), ""},
		{"two times", set("X-Lettermint-Signature", "t=1790000000,t=1790000000,"+sum), webhook.ReasonMalformed},
		{"no time", set("X-Lettermint-Signature", sum), webhook.ReasonMalformed},
		{"another time", set("X-Lettermint-Signature", "t=1790000001,"+sum), webhook.ReasonMalformed},
		{"another delivery", set("X-Lettermint-Delivery", "1790000001"), webhook.ReasonMalformed},
		{"no delivery", set("X-Lettermint-Delivery"), webhook.ReasonMalformed},
		{"twice", set("X-Lettermint-Signature", "t=1790000000,"+sum, "t=1790000000,"+sum), webhook.ReasonMalformed},
	})
}

func TestSchemesOfOneProviderTakeNoOtherForm(t *testing.T) {
	runChanges(t, "sweego", []change{
		{"v1 in front", set("Webhook-Signature", "v1,Irpn+FDmjwLskWsrrfIt7Wl3aWPNEzE75tN09NqyREE="), webhook.ReasonMalformed},
		{"a list", set("Webhook-Signature", "Irpn+FDmjwLskWsrrfIt7Wl3aWPNEzE75tN09NqyREE= x"), webhook.ReasonMalformed},
	})
	runChanges(t, "mailomat", []change{
		{"an algorithm of the sender's choice", set("X-Mom-Webhook-Signature", "crc32b=7b8b822f"), webhook.ReasonMalformed},
		{"another event", set("X-Mom-Webhook-Event", "opened"), webhook.ReasonMismatch},
		{"no event", set("X-Mom-Webhook-Event"), webhook.ReasonMissing},
	})
	runChanges(t, "customerio", []change{
		{"upper case", set("X-Cio-Signature", "D8BBC90C95AB7D77C4EE75FE2D527B0D082E33250D35C2194F8DC2F0F4F48239"), webhook.ReasonMalformed},
		{"no time", set("X-Cio-Timestamp"), webhook.ReasonMissing},
		{"milliseconds", set("X-Cio-Timestamp", "1790000000000"), webhook.ReasonMalformed},
	})
}

// publicly signs with MailerSend's public test secret, without the package.
func publicly(body string) string {
	m := hmac.New(sha256.New, []byte("test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G"))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}
