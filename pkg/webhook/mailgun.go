package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// mailgunTime is the length of the signed time: unix seconds of the years 2001 to
// 2286. Time and token are signed without anything between them; were the length
// free, digits could be moved from the one to the other.
const mailgunTime = 10

// mailgun proves Mailgun's webhooks as its page says
// (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks):
// the body's signature object, or the fields of the same names of the older forms,
// hold timestamp, token and signature: the hex of HMAC-SHA256 over timestamp and
// token, keyed with the HTTP webhook signing key. Events of a subaccount have
// parent-signature too, made with the key of the primary account; one of the two
// is enough, so that the primary's key proves all of them.
//
// The body is not covered: whoever has seen one signed request before it got here
// can send any body with its signature. The token is the Proof's Nonce. A retry,
// up to eight hours later, has the first attempt's signature.
type mailgun struct {
	tolerance time.Duration
	keys      []*macKey
}

// mailgunProof is what a request brings along.
type mailgunProof struct {
	Timestamp json.Number `json:"timestamp"` // a string or a number
	Token     string      `json:"token"`
	Signature string      `json:"signature"`
	Parent    string      `json:"parent-signature"`
}

// buildMailgun makes the verifier.
func buildMailgun(cfg Config, rep *report) Verifier {
	rep.uncovered("mailgun")
	return &mailgun{
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
	}
}

// mailgunWhere is where the proof stands, for refusals.
const mailgunWhere = "body, signature"

// Missing implements Verifier: the proof is in the body.
func (v *mailgun) Missing(*Request) error { return nil }

// verify implements Verifier.
func (v *mailgun) verify(r *Request) (Proof, error) {
	p, signed, err := v.read(r)
	if err != nil {
		return Proof{}, err
	}
	id, found, active := match(v.keys, r.ReceivedAt, func(k *macKey) bool { return p.holds(k) })
	if !found {
		return Proof{}, noMatch("mailgun", mailgunWhere, active)
	}
	if err := v.window().check(signed, r.ReceivedAt); err != nil {
		return Proof{}, err
	}
	return Proof{Scheme: "mailgun", KeyID: id, Signed: signed, Nonce: p.Token, Unique: true}, nil
}

// window is the tolerance of the signed time.
func (v *mailgun) window() window { return window{"mailgun", mailgunWhere, v.tolerance} }

// read finds the proof.
func (v *mailgun) read(r *Request) (mailgunProof, time.Time, error) {
	malformed := func(hint string) error { return refuse("mailgun", ReasonMalformed, mailgunWhere, hint) }
	p, ok := findMailgun(r)
	var sum [sha256.Size]byte
	switch {
	case !ok || p.Timestamp == "" || p.Token == "" || p.Signature == "":
		return p, time.Time{}, refuse("mailgun", ReasonMissing, mailgunWhere, "the body holds no signature with timestamp and token")
	case len(p.Token) > maxProofField:
		return p, time.Time{}, malformed("the token is too long to be one")
	case !decodeHex(sum[:], p.Signature, false):
		return p, time.Time{}, malformed("expected 64 lower-case hex digits")
	}
	seconds, ok := unixSeconds(p.Timestamp.String())
	if !ok || len(p.Timestamp) != mailgunTime {
		return p, time.Time{}, malformed("the timestamp is no time in unix seconds")
	}
	return p, time.Unix(seconds, 0).UTC(), nil
}

// findMailgun looks for the proof in each of the forms in which it comes.
func findMailgun(r *Request) (mailgunProof, bool) {
	names := []string{"timestamp", "token", "signature", "parent-signature"}
	if text := bytes.TrimLeft(r.Body, " \t\r\n"); len(text) > 0 && text[0] == '{' {
		at, err := findMember(r.Body, "signature")
		var p mailgunProof
		return p, err == nil && json.Unmarshal(r.Body[at.from:at.to], &p) == nil
	}
	fields, err := mailgunFields(r, names)
	if err != nil {
		return mailgunProof{}, false
	}
	return mailgunProof{
		Timestamp: json.Number(fields.Get(names[0])), Token: fields.Get(names[1]),
		Signature: fields.Get(names[2]), Parent: fields.Get(names[3]),
	}, true
}

// mailgunFields reads the older forms.
func mailgunFields(r *Request, names []string) (url.Values, error) {
	if between := boundary(r); between != "" {
		return partsOf(r.Body, between, names...)
	}
	return formOf(r.Body)
}

// holds reports whether one of the two signatures was made with k. Both are
// compared.
func (p *mailgunProof) holds(k *macKey) bool {
	want := k.hexSum([]byte(p.Timestamp), []byte(p.Token))
	own := hmac.Equal(want, []byte(p.Signature))
	parent := hmac.Equal(want, []byte(p.Parent))
	return own || parent
}

// covers tells what the signature protects.
func (v *mailgun) covers() Coverage { return Coverage{Time: true} }

// sign implements signer. The fields go into the body, which stays as it is if it
// is neither a JSON object nor a form.
func (v *mailgun) sign(_ Secret, r *Request, now time.Time) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	token := strings.Repeat(madeUpID(r.Body, now), 2)[:50]
	sum := string(v.keys[0].hexSum([]byte(stamp), []byte(token)))
	pairs := []string{"timestamp", stamp, "token", token, "signature", sum}
	if between := boundary(r); between != "" {
		r.Body = setParts(r.Body, between, pairs...)
		return
	}
	value := []byte(`{"timestamp":"` + stamp + `","token":"` + token + `","signature":"` + sum + `"}`)
	if body := setMember(r.Body, "signature", value); body != nil {
		r.Body = body
		return
	}
	if fields, err := formOf(r.Body); err == nil {
		for i := 0; i+1 < len(pairs); i += 2 {
			fields.Set(pairs[i], pairs[i+1])
		}
		r.Body = []byte(fields.Encode())
	}
}

// spoil implements spoiler.
func (v *mailgun) spoil(r *Request) {
	if p, ok := findMailgun(r); ok && p.Signature != "" {
		r.Body = bytes.ReplaceAll(r.Body, []byte(p.Signature), []byte(spoiled(p.Signature)))
	}
}

// explain implements explainer.
func (v *mailgun) explain(e *explanation) {
	p, signed, err := v.read(e.req)
	if err != nil {
		e.refusal(err)
		return
	}
	e.add(mailgunWhere, OutcomeOK, "timestamp, token and signature are there")
	if p.Parent != "" {
		e.add(mailgunWhere, OutcomeNote, "it is an event of a subaccount; the key of either account proves it")
	}
	fits := e.macKeys(v.keys, func(k *macKey) bool { return p.holds(k) })
	if !fits {
		e.note("was the HTTP webhook signing key copied (Mailgun, API security), not an API key, and that of this account?")
	}
	v.window().explain(e, signed, fits)
}

// hexSum returns the lower-case hex of the keyed hash of pieces.
func (k *macKey) hexSum(pieces ...[]byte) []byte {
	return hex.AppendEncode(nil, k.bareSum(pieces...))
}
