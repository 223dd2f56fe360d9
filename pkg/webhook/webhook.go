// Package webhook is a received webhook as bytes, and the proof of its origin.
//
// A Request is what came over the wire and proves nothing. Verify is the only
// way from a Request to a Verified, and everything that reads a payload takes a
// Verified: parsing an unproven request does not compile. Every scheme fails
// closed, works on the raw bytes as received, compares in constant time and
// accepts several secrets at once so that they can be rotated.
//
// # In a server of your own
//
// The package stands alone: it imports the standard library and nothing else.
// A Receiver behind net/http reads, proves and answers webhooks; servers of another
// kind make a Request themselves and call Verify. What the configuration file of
// postrider calls auth is a Config here, with the same names.
//
// # Compatibility
//
// Within a major version of the module, what this package exports stays source
// compatible: fields may be added to structs, so write them with names, and values
// to Reason, Outcome and Types, so have a default for them. A request that
// is proven today stays proven by the same Config, unless a weakness of a scheme
// is found; the changelog then says so. Texts of errors, problems and explanations
// are for people and may change.
package webhook

import (
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Request is a received, unproven webhook. Nothing in it may be changed after
// it was made; Body and Header are shared, not copied.
type Request struct {
	Method     string      // HTTP method
	URL        string      // the address the provider called, as it was configured there; for schemes that sign it
	Header     http.Header // as received
	Query      url.Values  // as received
	PathToken  string      // last path segment on routes that carry a token; "" if there was none
	Body       []byte      // raw bytes, inflated if Content-Encoding was gzip; bounded by the receiver
	RemoteAddr netip.Addr  // the client's address, trusted proxies taken into account
	ReceivedAt time.Time   // by the receiver's clock
}

// Proof says how a request was proven.
type Proof struct {
	Scheme string    // one of Types
	KeyID  string    // configured id of the secret that matched; "" for none, "certificate" for one that was fetched
	Signed time.Time // the signed timestamp; zero if the scheme has none or does not sign it
	// Nonce is the webhook's id where the signature covers it; "" if the scheme
	// has none or does not sign it. A provider keeps it over its retries.
	Nonce string
	// Unique is true if the provider gives no other webhook the same Nonce, at whatever
	// address: where sources share a secret, one source's requests prove themselves at
	// the others too.
	Unique bool
	// Covered is true if the signature covers the body. Where it does not, whoever
	// has seen one signed request can send another body with its proof: the
	// receiver remembers the nonce with the body it came with, and refuses
	// (Replayed) a known one with another.
	Covered bool
	// Ping is true if the request is proven by a key that everybody knows, as some
	// providers sign the request that tries an address out. It is to be answered
	// with 200, and nothing in it may be published.
	Ping bool
}

// Verified is a request whose origin is proven. Only Verify makes one.
type Verified struct {
	req   Request
	proof Proof
	ok    bool

	credentials []string // see Redacts
}

// Request returns the proven request.
func (v Verified) Request() Request { return v.req }

// Proof returns how it was proven.
func (v Verified) Proof() Proof { return v.proof }

// OK reports whether v was made by Verify; the zero Verified is not.
func (v Verified) OK() bool { return v.ok }

// Verifier proves a request. Implementations are the schemes of this package;
// the interface is sealed by its unexported method, so that no other package
// can declare a request proven.
type Verifier interface {
	// Missing reports, before the body is read, whether the request lacks
	// something the scheme needs; nil if the proof is complete enough to be
	// tried. r.Body is not looked at.
	Missing(r *Request) error
	// verify checks the whole request.
	verify(r *Request) (Proof, error)
}

// Verify proves r by v. The error is a *RefusedError, or an *UnavailableError if
// we cannot tell now, and holds no secret, no signature and no address. A nil v
// refuses. Safe for concurrent use.
func Verify(v Verifier, r Request) (Verified, error) {
	if v == nil {
		return Verified{}, &RefusedError{Scheme: "unset", Reason: ReasonNoSecret, Hint: "no verifier is configured"}
	}
	proof, err := v.verify(&r)
	if err != nil {
		return Verified{}, err
	}
	return Verified{req: r, proof: proof, ok: true, credentials: presented(v, &r)}, nil
}

// AssumeProvenForReplayAndTests makes a Verified without any proof. It exists for
// requests that were proven when they were stored, and for tests; the linter
// bans it elsewhere.
func AssumeProvenForReplayAndTests(r Request) Verified {
	return Verified{req: r, proof: Proof{Scheme: "assumed"}, ok: true, credentials: presented(nil, &r)}
}
