package webhook

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

// mailerSendTest is the secret that MailerSend signs the request with which it
// tries an address out. It stands in its documentation, so that it proves nothing.
const mailerSendTest = "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G"

// maxPing bounds the body of such a request; those seen have a hundred bytes.
const maxPing = 4 << 10

// mailerSend proves MailerSend's webhooks as its page says
// (https://developers.mailersend.com/api/v1/webhooks.html, "Security"): Signature
// is the lower-case hex of HMAC-SHA256 over the body, keyed with the signing secret
// as it is shown. Nothing signs a time.
//
// A webhook is saved there only if the address answers a request of the type
// webhook.test, which is signed with a secret that everybody knows. That one is
// taken for this type and no other, and is a Ping.
type mailerSend struct {
	macVerifier
	public *macKey
}

// buildMailerSend makes the verifier.
func buildMailerSend(cfg Config, rep *report) Verifier {
	return &mailerSend{
		macVerifier: bodyHex("mailersend", "Signature", cfg, rep),
		public:      newMACKey(material{id: "public test secret", key: []byte(mailerSendTest)}, sha256.New),
	}
}

// verify implements Verifier.
func (v *mailerSend) verify(r *Request) (Proof, error) {
	proof, err := v.macVerifier.verify(r)
	if err != nil && v.pinged(r) {
		return Proof{Scheme: v.scheme, Covered: true, Ping: true}, nil
	}
	return proof, err
}

// pinged reports whether r is the request that tries an address out, signed with
// the public secret.
func (v *mailerSend) pinged(r *Request) bool {
	var ev evidence
	return isMailerSendPing(r.Body) && v.read(r, &ev) == nil && v.holds(v.public, r, &ev)
}

// isMailerSendPing reports whether a body is of the type webhook.test, exactly.
func isMailerSendPing(body []byte) bool {
	if len(body) > maxPing {
		return false
	}
	var members map[string]json.RawMessage
	var kind string
	return json.Unmarshal(body, &members) == nil && json.Unmarshal(members["type"], &kind) == nil && kind == "webhook.test"
}

// explain implements explainer.
func (v *mailerSend) explain(e *explanation) {
	v.macVerifier.explain(e)
	if v.pinged(e.req) {
		e.note("it is the request with which MailerSend tries an address out, signed with its public test secret: it is answered, and nothing in it is published")
		return
	}
	var ev evidence
	if v.read(e.req, &ev) == nil && v.holds(v.public, e.req, &ev) {
		e.note("it is signed with MailerSend's public test secret, which everybody knows, and is not of the type webhook.test: it proves nothing")
	}
}

// sign implements signer. A body of the type webhook.test gets the signature that
// MailerSend gives it.
func (v *mailerSend) sign(s Secret, r *Request, now time.Time) {
	w := v.macVerifier
	if isMailerSendPing(r.Body) {
		w.keys = []*macKey{v.public}
	}
	w.sign(s, r, now)
}
