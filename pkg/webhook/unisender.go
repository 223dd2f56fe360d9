package webhook

import (
	"crypto/md5" //nolint:gosec // Unisender Go signs with nothing else; see unisender
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// unisenderWhere is where the proof stands, for refusals.
const unisenderWhere = "body, auth"

// unisender proves Unisender Go's webhooks as its page says
// (https://godocs.unisender.ru/web-api-ref#webhook-format): auth, a member of the
// body, is the MD5 of the body in which that value is replaced by the API key of
// the account or project. The bytes are those that came; nothing is read and
// written again.
//
// MD5 is what the provider has. A secret in the midst of what is hashed can be
// extended at the end without knowing it, so that a body has to be one JSON object
// with nothing but white space behind it. Nothing signs a time.
type unisender struct {
	keys []unisenderKey
}

// unisenderKey is one API key.
type unisenderKey struct {
	id   string
	life lifetime
	key  func() []byte // out of reach of formatting
}

// buildUnisender makes the verifier.
func buildUnisender(cfg Config, rep *report) Verifier {
	v := &unisender{}
	for _, m := range rep.secrets(cfg, fromProvider, "raw") {
		v.keys = append(v.keys, unisenderKey{m.id, m.life, func() []byte { return m.key }})
	}
	return v
}

// Missing implements Verifier: the proof is in the body.
func (v *unisender) Missing(*Request) error { return nil }

// verify implements Verifier. Every key is tried, also after a match.
func (v *unisender) verify(r *Request) (Proof, error) {
	at, err := readUnisender(r.Body)
	if err != nil {
		return Proof{}, err
	}
	id, found, active := "", false, false
	for _, k := range v.keys {
		if !k.life.includes(r.ReceivedAt) {
			continue
		}
		active = true
		if k.holds(r.Body, at) && !found {
			id, found = k.id, true
		}
	}
	if !found {
		return Proof{}, noMatch("unisender", unisenderWhere, active)
	}
	return Proof{Scheme: "unisender", KeyID: id, Covered: true}, nil
}

// readUnisender finds the digits of auth.
func readUnisender(body []byte) (span, error) {
	at, err := findMember(body, "auth")
	if err != nil {
		return span{}, refuse("unisender", ReasonMissing, unisenderWhere, "the body is no JSON object that holds auth once, and nothing else")
	}
	at = span{at.from + 1, at.to - 1} // without the quotes
	var sum [md5.Size]byte
	if at.to < at.from || body[at.from-1] != '"' || !decodeHex(sum[:], string(body[at.from:at.to]), false) {
		return span{}, refuse("unisender", ReasonMalformed, unisenderWhere, "expected 32 lower-case hex digits")
	}
	return at, nil
}

// holds reports whether auth was made with k.
func (k *unisenderKey) holds(body []byte, auth span) bool {
	return subtle.ConstantTimeCompare(k.sum(body, auth), body[auth.from:auth.to]) == 1
}

// sum is the value of auth that k makes.
func (k *unisenderKey) sum(body []byte, auth span) []byte {
	h := md5.New() //nolint:gosec // as above
	h.Write(body[:auth.from])
	h.Write(k.key())
	h.Write(body[auth.to:])
	return hex.AppendEncode(nil, h.Sum(nil))
}

// covers tells what the signature protects.
func (v *unisender) covers() Coverage { return Coverage{Body: true} }

// sign implements signer. A body that is no JSON object stays as it is.
func (v *unisender) sign(_ Secret, r *Request, _ time.Time) {
	body := setMember(r.Body, "auth", []byte(`""`))
	if body == nil {
		return
	}
	at, err := findMember(body, "auth")
	if err != nil {
		return
	}
	at = span{at.from + 1, at.to - 1}
	r.Body = join(body[:at.from], v.keys[0].sum(body, at), body[at.to:])
}

// explain implements explainer.
func (v *unisender) explain(e *explanation) {
	at, err := readUnisender(e.req.Body)
	if err != nil {
		e.refusal(err)
		return
	}
	e.add(unisenderWhere, OutcomeOK, "a signature is there")
	fits := false
	for _, k := range v.keys {
		ok := k.holds(e.req.Body, at)
		e.secret(k.id, k.life, ok)
		fits = fits || ok
	}
	if fits {
		return
	}
	for _, b := range bodyVariants(e.req.Body) {
		at, err := readUnisender(b.body)
		for _, k := range v.keys {
			if err == nil && k.holds(b.body, at) {
				e.note("secret %q fits if the body %s; something on the way, or the program that saved it, changed the bytes", k.id, b.how)
			}
		}
	}
}
