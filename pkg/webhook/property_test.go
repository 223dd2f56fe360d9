package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/pkg/webhook"
)

// drawHMAC draws a configuration of type hmac that covers body and time.
func drawHMAC(t *rapid.T) webhook.Config {
	return webhook.Config{
		Type: "hmac", Header: "X-Sig", Timestamp: "X-Time", IDHeader: "X-Id",
		Algorithm: rapid.SampledFrom([]string{"sha256", "sha1", "sha512"}).Draw(t, "algorithm"),
		Encoding:  rapid.SampledFrom([]string{"hex", "base64"}).Draw(t, "encoding"),
		Prefix:    rapid.SampledFrom([]string{"", "sha256=", "v1,", "HMAC "}).Draw(t, "prefix"),
		Template:  rapid.SampledFrom([]string{"{timestamp}.{body}", "{id}.{timestamp}.{body}", "{body}|{timestamp}"}).Draw(t, "template"),
		Secrets:   []webhook.Secret{{ID: "k", Value: rapid.SliceOfN(rapid.ByteRange('!', '~'), 20, 200).Draw(t, "secret")}},
	}
}

// Any single bit flipped in body, signature or timestamp is refused, for every
// scheme that signs.
func TestAnyFlippedBitIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawHMAC(t)
		switch typ := rapid.SampledFrom([]string{
			"hmac", "jetemail", "standard_webhooks", "ahasend", "customerio", "emailit", "lettermint", "mailersend", "mailtrap",
		}).Draw(t, "type"); typ {
		case "jetemail":
			cfg = webhook.Config{Type: "jetemail", Secrets: cfg.Secrets}
		case "standard_webhooks":
			cfg = webhook.Config{Type: "standard_webhooks", Decode: "raw", Secrets: cfg.Secrets}
		case "hmac":
		default:
			cfg = webhook.Config{Type: typ, Secrets: cfg.Secrets}
		}
		r := webhook.Request{Body: rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "body"), ReceivedAt: signedAt}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
			t.Skip("the drawn secret is an example")
		}
		v, err := webhook.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := webhook.Verify(v, r); err != nil {
			t.Fatalf("the signed request is refused: %v", err)
		}
		flipOne(t, cfg, &r)
		if got, err := webhook.Verify(v, r); err == nil || got.OK() {
			t.Fatal("a request with a flipped bit was taken")
		}
	})
}

// flipOne flips one bit of the body or of a header that the signature covers.
func flipOne(t *rapid.T, cfg webhook.Config, r *webhook.Request) {
	places := []string{"body"}
	for _, name := range []string{
		"X-Sig", "X-Webhook-Signature", "Webhook-Signature", "X-Cio-Signature", "X-Emailit-Signature", "X-Lettermint-Signature",
		"Signature", "Mailtrap-Signature",
	} {
		if r.Header.Get(name) != "" {
			places = append(places, name)
		}
	}
	for _, name := range []string{"X-Time", "Webhook-Timestamp", "X-Cio-Timestamp", "X-Emailit-Timestamp", "X-Lettermint-Delivery"} {
		if cfg.Covers().Time && r.Header.Get(name) != "" {
			places = append(places, name)
		}
	}
	place := rapid.SampledFrom(places).Draw(t, "place")
	if place == "body" {
		bit := rapid.IntRange(0, len(r.Body)*8-1).Draw(t, "bit")
		r.Body[bit/8] ^= 1 << (bit % 8)
		return
	}
	old := r.Header.Get(place)
	b := []byte(old)
	bit := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
	b[bit/8] ^= 1 << (bit % 8)
	if cfg.Encoding == "hex" && strings.EqualFold(string(b), old) {
		t.Skip("the same digit in upper case is the same signature")
	}
	r.Header[place] = []string{string(b)}
}

// rightSignature computes, independently of the package, whether one of the
// decoded candidates is the keyed hash of text.
func rightSignature(newHash func() hash.Hash, key []byte, text string, candidates ...[]byte) bool {
	m := hmac.New(newHash, key)
	m.Write([]byte(text))
	want := m.Sum(nil)
	for _, c := range candidates {
		if string(c) == string(want) {
			return true
		}
	}
	return false
}

// FuzzVerifyJetEmail: no header makes it panic, and only the right one is taken.
func FuzzVerifyJetEmail(f *testing.F) {
	v := fuzzVerifier(f, webhook.Config{Type: "jetemail", Secrets: one(testSecret)})
	f.Add("sha256="+sumSHA256, []byte(testBody))
	f.Add(sumInbound, []byte(testBody))
	f.Add("sha256=", []byte{})
	f.Fuzz(func(t *testing.T, sig string, body []byte) {
		r := webhook.Request{Header: http.Header{"X-Webhook-Signature": {sig}}, Body: body}
		sum, _ := hex.DecodeString(strings.TrimPrefix(sig, "sha256="))
		right := rightSignature(sha256.New, []byte(testSecret), string(body), sum) &&
			strings.HasPrefix(sig, "sha256=") && strings.ToLower(sig) == sig
		agree(t, v, r, right)
	})
}

// FuzzVerifyHMAC does the same for the generic scheme with time and list.
func FuzzVerifyHMAC(f *testing.F) {
	cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Prefix: "v1=", Timestamp: "X-Time", Template: "{timestamp}.{body}", Algorithm: "sha1", Secrets: one(testSecret)}
	v := fuzzVerifier(f, cfg)
	seed := webhook.Request{Body: []byte(testBody)}
	if err := webhook.Sign(cfg, cfg.Secrets[0], &seed, signedAt); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Header.Get("X-Sig"), "1790000000", []byte(testBody))
	f.Add("v1=00, "+seed.Header.Get("X-Sig"), "1790000300", []byte(testBody))
	f.Add("v1=,v1=,,  v1=zz", "-1", []byte{})
	f.Fuzz(func(t *testing.T, sig, ts string, body []byte) {
		r := webhook.Request{Header: http.Header{"X-Sig": {sig}, "X-Time": {ts}}, Body: body, ReceivedAt: signedAt}
		var sums [][]byte
		for _, item := range strings.FieldsFunc(sig, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
			if sum, err := hex.DecodeString(strings.TrimPrefix(item, "v1=")); err == nil && strings.HasPrefix(item, "v1=") {
				sums = append(sums, sum)
			}
		}
		right := rightSignature(sha1.New, []byte(testSecret), ts+"."+string(body), sums...)
		sound(t, v, r, right)
	})
}

// FuzzVerifyStandardWebhooks does the same for Standard Webhooks.
func FuzzVerifyStandardWebhooks(f *testing.F) {
	v := fuzzVerifier(f, webhook.Config{Type: "standard_webhooks", Secrets: one(testStandard)})
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(testStandard, "whsec_"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("msg_ours1", "1790000000", standardSig, []byte(testBody))
	f.Add("", "0", "v1, v1,,v1a,", []byte{})
	f.Fuzz(func(t *testing.T, id, ts, sig string, body []byte) {
		r := webhook.Request{Header: http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {ts}, "Webhook-Signature": {sig}}, Body: body, ReceivedAt: signedAt}
		var sums [][]byte
		for item := range strings.SplitSeq(sig, " ") {
			if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(item, "v1,")); err == nil {
				sums = append(sums, sum)
			}
		}
		sound(t, v, r, rightSignature(sha256.New, key, id+"."+ts+"."+string(body), sums...))
	})
}

// FuzzVerifyStatic throws the same bytes at every scheme that signs nothing.
func FuzzVerifyStatic(f *testing.F) {
	secret := one(testSecret)
	bearer := fuzzVerifier(f, webhook.Config{Type: "bearer", Secrets: secret})
	header := fuzzVerifier(f, webhook.Config{Type: "header", Header: "Authorization", Secrets: secret})
	token := fuzzVerifier(f, webhook.Config{Type: "token", Secrets: secret})
	basic := fuzzVerifier(f, webhook.Config{Type: "basic", Secrets: []webhook.Secret{{ID: "b", Username: "u", Password: []byte(testSecret)}}})
	f.Add("Bearer "+testSecret, "", "")
	f.Add(testSecret, testSecret, testSecret)
	f.Add("Basic "+base64.StdEncoding.EncodeToString([]byte("u:"+testSecret)), testSecret, "x")
	f.Fuzz(func(t *testing.T, auth, path, query string) {
		r := webhook.Request{Header: http.Header{"Authorization": {auth}}, PathToken: path, Query: map[string][]string{"token": {query}}}
		word, rest, _ := strings.Cut(auth, " ")
		rest = strings.TrimLeft(rest, " ")
		agree(t, bearer, r, strings.EqualFold(word, "bearer") && rest == testSecret)
		agree(t, header, r, auth == testSecret)
		pair, err := base64.StdEncoding.DecodeString(rest)
		sound(t, basic, r, err == nil && strings.EqualFold(word, "basic") && string(pair) == "u:"+testSecret)
		agree(t, token, r, path+query != "" && (path == testSecret || path == "") && (query == testSecret || query == ""))
	})
}

// FuzzExplain: an explanation of anything neither panics nor tells the secret.
func FuzzExplain(f *testing.F) {
	f.Add("X-Webhook-Signature", "sha256="+sumSHA256, []byte(testBody))
	f.Add("Webhook-Signature", standardSig, []byte("{}"))
	f.Fuzz(func(t *testing.T, name, value string, body []byte) {
		r := webhook.Request{Header: http.Header{http.CanonicalHeaderKey(name): {value}}, Body: body, ReceivedAt: signedAt}
		for _, typ := range []string{"jetemail", "standard_webhooks"} {
			text := told(webhook.Explain(webhook.Config{Type: typ, Secrets: one(testStandard)}, r))
			if strings.Contains(text, testStandard[6:]) && !strings.Contains(name, testStandard[6:]) {
				t.Error("the explanation tells the secret")
			}
		}
	})
}

// FuzzTemplate: a template is taken or refused, and what is taken signs and
// verifies.
func FuzzTemplate(f *testing.F) {
	f.Add("{timestamp}.{body}")
	f.Add("{header:X-A}{url}{id}")
	f.Add("{{body}}")
	f.Fuzz(func(t *testing.T, template string) {
		cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Timestamp: "X-Time", IDHeader: "X-Id", Algorithm: "sha512", Template: template, Secrets: one(testSecret)}
		v, err := webhook.New(cfg)
		if err != nil {
			return
		}
		r := webhook.Request{Body: []byte(testBody), URL: "u", Header: headers("X-A", "a"), ReceivedAt: signedAt}
		if err := webhook.Sign(cfg, cfg.Secrets[0], &r, signedAt); err != nil {
			t.Fatalf("Sign(): %v", err)
		}
		if _, err := webhook.Verify(v, r); err != nil && !strings.Contains(template, "{header:") {
			t.Fatalf("Verify(): %v", err)
		}
	})
}

func fuzzVerifier(f *testing.F, cfg webhook.Config) webhook.Verifier {
	f.Helper()
	v, err := webhook.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	return v
}

// sound checks that what is taken is right, and that Missing takes it too.
func sound(t *testing.T, v webhook.Verifier, r webhook.Request, right bool) {
	t.Helper()
	got, err := webhook.Verify(v, r)
	if (err == nil) != got.OK() {
		t.Fatalf("error %v, OK %v", err, got.OK())
	}
	if err == nil && !right {
		t.Fatal("a wrong proof was taken")
	}
	if missing := v.Missing(&r); missing != nil && err == nil {
		t.Fatalf("Missing() refuses what Verify takes: %v", missing)
	}
}

// agree checks that exactly what is right is taken.
func agree(t *testing.T, v webhook.Verifier, r webhook.Request, right bool) {
	t.Helper()
	sound(t, v, r, right)
	if _, err := webhook.Verify(v, r); err != nil && right {
		t.Fatalf("the right proof was refused: %v", err)
	}
}

// The algorithms' vectors, once more against the standard library.
func TestHMACAlgorithmsAgainstStandardLibrary(t *testing.T) {
	for name, h := range map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New} {
		m := hmac.New(h, []byte(testSecret))
		m.Write([]byte("1790000000." + testBody))
		cfg := webhook.Config{Type: "hmac", Header: "X-Sig", Algorithm: name, Timestamp: "X-Time", Template: "{timestamp}.{body}", Tolerance: time.Hour, Secrets: one(testSecret)}
		r := request("X-Sig", hex.EncodeToString(m.Sum(nil)), "X-Time", "1790000000")
		if got := refusal(t, cfg, r); got.Reason != "" {
			t.Errorf("%s: refused: %v", name, &got)
		}
	}
}

// FuzzVerifyBody throws the same bytes at every scheme whose proof is in the body:
// none breaks down, and what is taken was made with the secret.
func FuzzVerifyBody(f *testing.F) {
	mailgun := fuzzVerifier(f, webhook.Config{Type: "mailgun", Secrets: one(testSecret)})
	unisender := fuzzVerifier(f, webhook.Config{Type: "unisender", Secrets: one(testSecret)})
	sns := fuzzVerifier(f, webhook.Config{Type: "sns", Topics: []string{snsTopic1}})
	for _, body := range []string{mailgunBody, unisenderBody, snsBody1, mandrillBody, "{", `{"auth":"`, `{"signature":{}}`, "--b\r\n\r\n--b--"} {
		f.Add([]byte(body), "multipart/form-data; boundary=b")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r := webhook.Request{Header: http.Header{"Content-Type": {contentType}}, Body: body, ReceivedAt: signedAt}
		sound(t, mailgun, r, bytes.Contains(body, []byte(mailgunSum)))
		sound(t, unisender, r, string(body) == unisenderBody)
		sound(t, sns, r, false)
	})
}
