package webhook

import (
	"crypto/hmac"
	"hash"
	"net/http"
	"sync"
	"time"
)

// maxSignatures bounds how many signatures of one request are looked at;
// senders put one for each of their keys.
const maxSignatures = 8

// layout is where a scheme's proof stands in a request, by canonical header
// names.
type layout struct {
	signature string
	timestamp string // "" if the scheme signs none
	id        string // "" if the scheme signs none
}

// macVerifier proves requests by a keyed hash over a string built from the
// request: the common part of jetemail, hmac, standard_webhooks and others.
type macVerifier struct {
	scheme    string
	newHash   func() hash.Hash
	size      int      // bytes of a signature
	layouts   []layout // the first whose signature header is there counts, else the first
	parts     []part   // the signed string
	list      listing
	encoding  encoding
	tolerance time.Duration
	keys      []*macKey
	unique    bool // ids are the provider's, the same at every address

	// check refuses headers that are not those of the scheme, such as the ones of
	// another webhook of the same provider; nil if there is nothing to check.
	check func(h http.Header) *RefusedError
}

// macKey is one secret. Its keyed hashes are kept and used again, since keying
// costs as much as hashing a short body.
type macKey struct {
	id   string
	life lifetime
	pool *sync.Pool // of *macState
}

// macState is a keyed hash and room to work.
type macState struct {
	mac  hash.Hash
	sum  []byte
	text []byte
}

// newMACKey prepares one secret. The key lives on inside the pool's function
// only, out of reach of formatting.
func newMACKey(m material, newHash func() hash.Hash) *macKey {
	return &macKey{id: m.id, life: m.life, pool: &sync.Pool{New: func() any {
		return &macState{mac: hmac.New(newHash, m.key)}
	}}}
}

// newMACKeys prepares secrets, in order.
func newMACKeys(secrets []material, newHash func() hash.Hash) []*macKey {
	keys := make([]*macKey, len(secrets))
	for i, m := range secrets {
		keys[i] = newMACKey(m, newHash)
	}
	return keys
}

// evidence is what a request brings along: where it stands and what it says.
type evidence struct {
	layout layout
	sigs   signatures
	signed time.Time
}

// Missing implements Verifier.
func (v *macVerifier) Missing(r *Request) error {
	var ev evidence
	return v.read(r, &ev)
}

// verify implements Verifier. The signature is checked before the time, so that
// "stale" always means a genuine request that came late.
func (v *macVerifier) verify(r *Request) (Proof, error) {
	var ev evidence
	if err := v.read(r, &ev); err != nil {
		return Proof{}, err
	}
	match, active := "", false
	found := false
	for _, k := range v.keys { // every key, also after a match
		if !k.life.includes(r.ReceivedAt) {
			continue
		}
		active = true
		if v.holds(k, r, &ev) && !found {
			match, found = k.id, true
		}
	}
	if !found {
		return Proof{}, v.unmatched(active, &ev)
	}
	if err := v.fresh(r.ReceivedAt, &ev); err != nil {
		return Proof{}, err
	}
	return Proof{
		Scheme: v.scheme, KeyID: match, Signed: ev.signed,
		Nonce: v.nonce(r.Header, ev.layout), Unique: v.unique, Covered: has(v.parts, partBody),
	}, nil
}

// nonce returns the webhook's id if the signature covers it, else "".
func (v *macVerifier) nonce(h http.Header, l layout) string {
	if l.id == "" || !has(v.parts, partID) && !hasHeader(v.parts, l.id) {
		return ""
	}
	return firstValue(h, l.id)
}

// unmatched is the refusal of a request that no secret fits.
func (v *macVerifier) unmatched(active bool, ev *evidence) error {
	return noMatch(v.scheme, "header "+ev.layout.signature, active)
}

// read finds and decodes the proof without looking at the body.
func (v *macVerifier) read(r *Request, ev *evidence) error {
	ev.layout = v.layoutOf(r.Header)
	values := r.Header[ev.layout.signature]
	if !present(values) {
		return refuse(v.scheme, ReasonMissing, "header "+ev.layout.signature, "the request is not signed")
	}
	if v.check != nil {
		if err := v.check(r.Header); err != nil {
			return err
		}
	}
	if err := v.readSignatures(values, ev); err != nil {
		return err
	}
	for _, p := range v.parts {
		if err := v.readPart(p, r, ev); err != nil {
			return err
		}
	}
	return nil
}

// layoutOf picks the layout that the headers follow.
func (v *macVerifier) layoutOf(h http.Header) layout {
	for _, l := range v.layouts {
		if present(h[l.signature]) {
			return l
		}
	}
	if len(v.layouts) == 0 {
		return layout{}
	}
	return v.layouts[0]
}

// readSignatures decodes the signature header.
func (v *macVerifier) readSignatures(values []string, ev *evidence) error {
	if v.list.single && len(values) > 1 {
		return v.malformed(ev, "the header is there more than once")
	}
	ev.sigs.size = v.size
	for _, value := range values {
		v.list.each(value, func(s string) { ev.sigs.add(s, v.encoding) })
	}
	switch {
	case ev.sigs.overflow:
		return v.malformed(ev, "it holds more signatures than are looked at")
	case ev.sigs.n == 0:
		return v.malformed(ev, v.expectation())
	}
	return nil
}

// malformed is the refusal of a signature header that cannot be one.
func (v *macVerifier) malformed(ev *evidence, hint string) error {
	return refuse(v.scheme, ReasonMalformed, "header "+ev.layout.signature, hint)
}

// readPart checks that the request has what one piece of the signed string
// needs.
func (v *macVerifier) readPart(p part, r *Request, ev *evidence) error {
	switch p.kind {
	case partLiteral, partBody:
		return nil
	case partURL:
		if r.URL == "" {
			return refuse(v.scheme, ReasonMissing, "address", "the provider signs the address it calls; set server.public_url to it")
		}
		return nil
	case partTimestamp:
		return v.readTime(r, ev)
	case partID:
		_, err := oneHeader(v.scheme, r.Header, ev.layout.id)
		return err
	case partHeader:
		_, err := oneHeader(v.scheme, r.Header, p.text)
		return err
	}
	return nil
}

// readTime reads the signed timestamp.
func (v *macVerifier) readTime(r *Request, ev *evidence) error {
	text, err := oneHeader(v.scheme, r.Header, ev.layout.timestamp)
	if err != nil {
		return err
	}
	seconds, ok := unixSeconds(text)
	if !ok {
		return refuse(v.scheme, ReasonMalformed, "header "+ev.layout.timestamp, "it is no time in unix seconds")
	}
	ev.signed = time.Unix(seconds, 0).UTC()
	return nil
}

// fresh checks the signed time, both ways, against the receiver's clock.
func (v *macVerifier) fresh(at time.Time, ev *evidence) error {
	if ev.signed.IsZero() {
		return nil
	}
	return window{v.scheme, "header " + ev.layout.timestamp, v.tolerance}.check(ev.signed, at)
}

// holds reports whether one of the request's signatures was made with k. Every
// signature is compared, in constant time.
func (v *macVerifier) holds(k *macKey, r *Request, ev *evidence) bool {
	st := k.take()
	defer k.pool.Put(st)
	sum := v.sum(st, r, ev.layout)
	ok := false
	for i := range ev.sigs.n {
		if hmac.Equal(sum, ev.sigs.sig[i][:v.size]) {
			ok = true
		}
	}
	return ok
}

// take returns a keyed hash; give it back to k.pool.
func (k *macKey) take() *macState {
	st, _ := k.pool.Get().(*macState) // it holds nothing else
	return st
}

// sum computes the signature of r. The result is valid until st is used again.
func (v *macVerifier) sum(st *macState, r *Request, l layout) []byte {
	st.mac.Reset()
	for _, p := range v.parts {
		if p.kind == partBody {
			st.mac.Write(r.Body)
			continue
		}
		st.text = append(st.text[:0], p.of(r, l)...)
		st.mac.Write(st.text)
	}
	st.sum = st.mac.Sum(st.sum[:0])
	return st.sum
}

// of returns the text of a piece that is not the body.
func (p part) of(r *Request, l layout) string {
	switch p.kind {
	case partLiteral:
		return p.text
	case partURL:
		return r.URL
	case partTimestamp:
		return firstValue(r.Header, l.timestamp)
	case partID:
		return firstValue(r.Header, l.id)
	case partHeader:
		return firstValue(r.Header, p.text)
	case partBody:
	}
	return ""
}

// covers tells what the signature protects.
func (v *macVerifier) covers() Coverage {
	return Coverage{Body: has(v.parts, partBody), Time: has(v.parts, partTimestamp)}
}

// sign implements signer.
func (v *macVerifier) sign(_ Secret, r *Request, now time.Time) {
	l := v.layouts[0]
	setDefaultID(r, l.id, now)
	if l.timestamp != "" {
		setUnix(r, l.timestamp, now)
	}
	for _, p := range v.parts {
		if p.kind == partHeader {
			setDefaultID(r, p.text, now)
		}
	}
	k := v.keys[0]
	st := k.take()
	defer k.pool.Put(st)
	r.Header[l.signature] = []string{v.list.prefix + v.encoding.encode(v.sum(st, r, l))}
}
