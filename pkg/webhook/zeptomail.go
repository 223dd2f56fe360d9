package webhook

import (
	"bytes"
	"crypto/sha256"
	"net/url"
	"strconv"
	"time"
)

// zeptoSignature is the name of ZeptoMail's header, canonical.
const zeptoSignature = "Producer-Signature"

// zeptoMail proves ZeptoMail's webhooks as its page says
// (https://www.zoho.com/zeptomail/help/webhooks.html, "Webhook authorization"):
// producer-signature is "ts=<milliseconds>;s=<signature>;s-algorithm=HmacSHA256",
// the signature being the base64, percent-encoded, of HMAC-SHA256 keyed with the
// webhook's authentication key as it is shown. The event alone is signed: of a
// form that is the one value, unescaped, of a JSON body the body as it is.
//
// The time is not signed. Anybody who has seen one webhook can put there what
// they like, so it is not used and there is no tolerance; and the algorithm is
// that one, whatever the header names.
type zeptoMail struct {
	macVerifier
}

// buildZeptoMail makes the verifier.
func buildZeptoMail(cfg Config, rep *report) Verifier {
	return &zeptoMail{macVerifier{
		scheme:   "zeptomail",
		newHash:  sha256.New,
		size:     sha256.Size,
		layouts:  []layout{{signature: zeptoSignature}},
		parts:    []part{{kind: partBody}},
		list:     listing{prefix: "s=", separators: ";"},
		encoding: encodingBase64URL,
		keys:     newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha256.New),
	}}
}

// verify implements Verifier.
func (v *zeptoMail) verify(r *Request) (Proof, error) {
	return v.macVerifier.verify(zeptoEvent(r))
}

// fits is what other schemes ask for a near miss.
func (v *zeptoMail) fits(r *Request) (string, bool) {
	return v.macVerifier.fits(zeptoEvent(r))
}

// explain implements explainer.
func (v *zeptoMail) explain(e *explanation) {
	whole := e.req
	e.req = zeptoEvent(whole)
	v.macVerifier.explain(e)
	e.req = whole
}

// zeptoEvent returns r with the signed event as its body: what stands in the one
// field of a form. A body that is JSON, or a form of several fields, stays: whoever
// parses it reads all of it, so that all of it has to be signed.
func zeptoEvent(r *Request) *Request {
	if !maybeForm(r) || bytes.IndexByte(r.Body, '&') >= 0 {
		return r
	}
	_, escaped, found := bytes.Cut(r.Body, []byte("="))
	if !found {
		return r
	}
	event, err := url.QueryUnescape(string(escaped))
	if err != nil {
		return r
	}
	w := *r
	w.Body = []byte(event)
	return &w
}

// sign implements signer.
func (v *zeptoMail) sign(s Secret, r *Request, now time.Time) {
	v.macVerifier.sign(s, zeptoEvent(r), now) // which shares the headers
	r.Header[zeptoSignature] = []string{
		"ts=" + strconv.FormatInt(now.UnixMilli(), 10) + ";" + firstValue(r.Header, zeptoSignature) + ";s-algorithm=HmacSHA256",
	}
}
