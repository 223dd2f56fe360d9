package webhook

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Mandrill signs with HMAC-SHA1, which is not broken
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// mandrillSignature is the name of Mandrill's header, canonical.
const mandrillSignature = "X-Mandrill-Signature"

// mandrillPublic is the key of the request that tries an address out before there
// is a webhook, and so before there is a key; everybody knows it.
const mandrillPublic = "test-webhook"

// mandrill proves the webhooks of Mandrill (Mailchimp Transactional) as its page
// says (https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/,
// "Authenticating webhook requests"): X-Mandrill-Signature is the base64 of
// HMAC-SHA1 over the webhook's address exactly as it was entered there, query and
// trailing slash included, and then each field of the form, sorted by name: name
// and value without anything between them. Every webhook has a key of its own:
// give all of them.
//
// An address is tried out with the form mandrill_events=[], signed with a key that
// everybody knows. That one is taken for this form and no other, and is a Ping.
// Nothing signs a time.
type mandrill struct {
	url    string // "": that of the request
	keys   []*macKey
	public *macKey
}

// buildMandrill makes the verifier.
func buildMandrill(cfg Config, rep *report) Verifier {
	if cfg.URL != "" {
		u, err := url.Parse(cfg.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			rep.problem("url", "is no address; give it exactly as it was entered at the provider, https:// included")
		}
	}
	return &mandrill{
		url:    cfg.URL,
		keys:   newMACKeys(rep.secrets(cfg, fromProvider, "raw"), sha1.New),
		public: newMACKey(material{id: "public test key", key: []byte(mandrillPublic)}, sha1.New),
	}
}

// Missing implements Verifier.
func (v *mandrill) Missing(r *Request) error {
	_, err := v.signature(r)
	return err
}

// signature reads the header and checks that the address is known.
func (v *mandrill) signature(r *Request) ([]byte, error) {
	text, err := oneHeader("mandrill", r.Header, mandrillSignature)
	if err != nil {
		return nil, err
	}
	sum := make([]byte, sha1.Size)
	if !decodeBase64(sum, text, base64.StdEncoding) {
		return nil, refuse("mandrill", ReasonMalformed, "header "+mandrillSignature, "expected 20 bytes of base64")
	}
	if v.address(r) == "" {
		return nil, refuse("mandrill", ReasonMissing, "address", "the provider signs the address it calls; set server.public_url or auth.url to it")
	}
	return sum, nil
}

// address is what Mandrill calls.
func (v *mandrill) address(r *Request) string {
	if v.url != "" {
		return v.url
	}
	return r.URL
}

// verify implements Verifier.
func (v *mandrill) verify(r *Request) (Proof, error) {
	sum, fields, err := v.read(r)
	if err != nil {
		return Proof{}, err
	}
	text := mandrillText(v.address(r), fields)
	id, found, active := match(v.keys, r.ReceivedAt, func(k *macKey) bool { return hmac.Equal(sum, k.bareSum(text)) })
	switch {
	case found:
		return Proof{Scheme: "mandrill", KeyID: id, Covered: true}, nil
	case isMandrillPing(fields) && hmac.Equal(sum, v.public.bareSum(text)):
		return Proof{Scheme: "mandrill", Covered: true, Ping: true}, nil
	}
	return Proof{}, noMatch("mandrill", "header "+mandrillSignature, active)
}

// read finds the signature and what is signed.
func (v *mandrill) read(r *Request) ([]byte, url.Values, error) {
	sum, err := v.signature(r)
	if err != nil {
		return nil, nil, err
	}
	fields, err := formOf(r.Body)
	if err != nil || !maybeForm(r) {
		// Nothing that is no form can have been signed.
		return nil, nil, noMatch("mandrill", "header "+mandrillSignature, true)
	}
	return sum, fields, nil
}

// mandrillText is what is signed.
func mandrillText(address string, fields url.Values) []byte {
	var b strings.Builder
	b.WriteString(address)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		b.WriteString(name)
		b.WriteString(fields.Get(name))
	}
	return []byte(b.String())
}

// isMandrillPing reports whether a form is the one that tries an address out.
func isMandrillPing(fields url.Values) bool {
	return len(fields) == 1 && fields.Get("mandrill_events") == "[]"
}

// covers tells what the signature protects.
func (v *mandrill) covers() Coverage { return Coverage{Body: true} }

// sign implements signer. The form that tries an address out gets the signature
// that Mandrill gives it.
func (v *mandrill) sign(_ Secret, r *Request, _ time.Time) {
	fields, err := formOf(r.Body)
	if err != nil || !maybeForm(r) {
		return // no form: Mandrill sends nothing of the kind
	}
	k := v.keys[0]
	if isMandrillPing(fields) {
		k = v.public
	}
	r.Header[mandrillSignature] = []string{base64.StdEncoding.EncodeToString(k.bareSum(mandrillText(v.address(r), fields)))}
}

// explain implements explainer.
func (v *mandrill) explain(e *explanation) {
	sum, fields, err := v.read(e.req)
	if err != nil {
		e.refusal(err)
		e.otherHeaders(mandrillSignature)
		return
	}
	e.add("header "+mandrillSignature, OutcomeOK, "a signature is there, over the address and %d field(s)", len(fields))
	holds := func(address string) func(k *macKey) bool {
		text := mandrillText(address, fields)
		return func(k *macKey) bool { return hmac.Equal(sum, k.bareSum(text)) }
	}
	if e.macKeys(v.keys, holds(v.address(e.req))) {
		return
	}
	if holds(v.address(e.req))(v.public) {
		e.note("it is signed with the public key that Mandrill tries addresses out with: it is taken for the empty form mandrill_events=[] alone")
	}
	for _, a := range addressVariants(v.address(e.req)) {
		if id, found, _ := match(v.keys, e.req.ReceivedAt, holds(a.address)); found {
			e.note("secret %q fits if the address %s; set auth.url to the address exactly as it was entered at Mandrill", id, a.how)
		}
	}
}

// addressVariant is an address that differs a little.
type addressVariant struct {
	how     string
	address string
}

// addressVariants are the ways in which the address here differs from the one at
// the provider.
func addressVariants(address string) []addressVariant {
	bare, _, _ := strings.Cut(address, "?")
	rest := strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return []addressVariant{
		{"begins with http", "http://" + rest},
		{"begins with https", "https://" + rest},
		{"has no query", bare},
		{"has a slash at its end", strings.TrimSuffix(address, "/") + "/"},
		{"has no slash at its end", strings.TrimSuffix(address, "/")},
	}
}
