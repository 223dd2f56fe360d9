package webhook

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"time"
)

// maxSignature bounds a decoded signature: RSA of 8192 bits.
const maxSignature = 1 << 10

// signedVerifier proves requests by a public-key signature in a header, over the
// body or a time and the body: the common part of sendgrid and postal.
type signedVerifier struct {
	scheme    string
	layouts   []signedLayout // the first whose header is there counts, else the first
	tolerance time.Duration
	keys      keyring
}

// signedLayout is where such a signature stands and what it is made with.
type signedLayout struct {
	signature string // canonical header names
	timestamp string // "" if no time is signed; else it stands before the body
	hash      crypto.Hash
}

// claim is what a request brings along.
type claim struct {
	layout signedLayout
	sig    []byte
	stamp  string
	signed time.Time
}

// Missing implements Verifier.
func (v *signedVerifier) Missing(r *Request) error {
	_, err := v.read(r)
	return err
}

// verify implements Verifier. The signature is checked before the time, so that
// "stale" always means a genuine request that came late.
func (v *signedVerifier) verify(r *Request) (Proof, error) {
	c, err := v.read(r)
	if err != nil {
		return Proof{}, err
	}
	sum := c.sum(r.Body)
	id, found, active := v.keys.match(r.ReceivedAt, func(k *publicKey) bool { return k.holds(c.layout.hash, sum, c.sig) })
	if !found {
		return Proof{}, noMatch(v.scheme, "header "+c.layout.signature, active)
	}
	if c.layout.timestamp != "" {
		if err := v.window(&c).check(c.signed, r.ReceivedAt); err != nil {
			return Proof{}, err
		}
	}
	return Proof{Scheme: v.scheme, KeyID: id, Signed: c.signed, Covered: true}, nil
}

// window is the tolerance of the signed time.
func (v *signedVerifier) window(c *claim) window {
	return window{v.scheme, "header " + c.layout.timestamp, v.tolerance}
}

// layoutOf picks the layout that the headers follow.
func (v *signedVerifier) layoutOf(r *Request) signedLayout {
	for _, l := range v.layouts {
		if present(r.Header[l.signature]) {
			return l
		}
	}
	return v.layouts[0]
}

// read finds and decodes the proof without looking at the body.
func (v *signedVerifier) read(r *Request) (claim, error) {
	c := claim{layout: v.layoutOf(r)}
	text, err := oneHeader(v.scheme, r.Header, c.layout.signature)
	if err != nil {
		return c, err
	}
	c.sig, err = base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(c.sig) > maxSignature || base64.StdEncoding.EncodedLen(len(c.sig)) != len(text) {
		return c, refuse(v.scheme, ReasonMalformed, "header "+c.layout.signature, "it is no base64 of a signature")
	}
	if c.layout.timestamp == "" {
		return c, nil
	}
	if c.stamp, err = oneHeader(v.scheme, r.Header, c.layout.timestamp); err != nil {
		return c, err
	}
	seconds, ok := unixSeconds(c.stamp)
	if !ok {
		return c, refuse(v.scheme, ReasonMalformed, "header "+c.layout.timestamp, "it is no time in unix seconds")
	}
	c.signed = time.Unix(seconds, 0).UTC()
	return c, nil
}

// sum hashes what is signed.
func (c *claim) sum(body []byte) []byte {
	h := c.layout.hash.New()
	h.Write([]byte(c.stamp))
	h.Write(body)
	return h.Sum(nil)
}

// covers tells what the signature protects.
func (v *signedVerifier) covers() Coverage {
	return Coverage{Body: true, Time: v.layouts[0].timestamp != ""}
}

// signable implements selective.
func (v *signedVerifier) signable() error { return v.keys.signable() }

// sign implements signer.
func (v *signedVerifier) sign(_ Secret, r *Request, now time.Time) {
	c := claim{layout: v.layouts[0]}
	if c.layout.timestamp != "" {
		setUnix(r, c.layout.timestamp, now)
		c.stamp = firstValue(r.Header, c.layout.timestamp)
	}
	sig := v.keys[0].sign(c.layout.hash, c.sum(r.Body))
	r.Header[c.layout.signature] = []string{base64.StdEncoding.EncodeToString(sig)}
}

// explain implements explainer.
func (v *signedVerifier) explain(e *explanation) {
	c, err := v.read(e.req)
	if err != nil {
		e.refusal(err)
		e.otherHeaders(c.layout.signature)
		return
	}
	e.add("header "+c.layout.signature, OutcomeOK, "a signature of %d bytes", len(c.sig))
	fits := false
	for i := range v.keys {
		k := &v.keys[i]
		ok := k.holds(c.layout.hash, c.sum(e.req.Body), c.sig)
		e.secret(k.id, k.life, ok)
		fits = fits || ok
	}
	if !fits {
		v.nearBodies(e, &c)
	}
	if c.layout.timestamp != "" {
		v.window(&c).explain(e, c.signed, fits)
	}
}

// nearBodies tries bodies as a proxy, a framework or an editor leaves them.
func (v *signedVerifier) nearBodies(e *explanation, c *claim) {
	before := len(e.checks)
	for _, b := range bodyVariants(e.req.Body) {
		for i := range v.keys {
			if v.keys[i].holds(c.layout.hash, c.sum(b.body), c.sig) {
				e.note("secret %q fits if the body %s; something on the way, or the program that saved it, changed the bytes", v.keys[i].id, b.how)
			}
		}
	}
	if len(e.checks) == before {
		e.note("no small change to the body makes it fit: it was made with the private half of another key, or the body is not the one that was sent")
	}
}

// checkKeys checks the secrets of a scheme with public keys, of which there has to
// be one at least.
func (r *report) checkKeys(cfg Config, kind keyKind) keyring {
	r.secretIDs(cfg.Secrets)
	return r.publicKeys(cfg.Secrets, kind)
}

// unusedAlgorithm is what a wrong algorithm of a public-key scheme gets told.
func unusedAlgorithm(name string) string {
	return fmt.Sprintf("%q is unknown; choose sha256, or sha1 for senders that sign with nothing else", name)
}
