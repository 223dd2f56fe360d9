package webhook

import "fmt"

// Reason says why a request was refused; one of a small fixed set, fit for a
// metric label.
type Reason string

// The reasons.
const (
	ReasonMissing            Reason = "missing_proof"       // a header, token or credential the scheme needs is not there
	ReasonMalformed          Reason = "malformed_proof"     // it is there but cannot be one (encoding, length, prefix)
	ReasonMismatch           Reason = "mismatch"            // it is well formed and wrong for every secret
	ReasonStale              Reason = "stale"               // signed timestamp older than the tolerance
	ReasonFuture             Reason = "future"              // signed timestamp ahead of our clock by more than the tolerance
	ReasonAddress            Reason = "address_not_allowed" // client address outside the allow list
	ReasonNoSecret           Reason = "no_active_secret"    // every configured secret is past its not_after
	ReasonUnsupportedContent Reason = "unsupported_webhook" // a known other webhook of the provider that this source does not take
	ReasonReplayed           Reason = "replayed"            // a proof that came before, now with another body, which it does not cover
)

// RefusedError is why Verify or Missing refused a request. Its text holds no
// secret, signature or address.
type RefusedError struct {
	Reason Reason
	Scheme string // as in Proof
	Where  string // what was looked at, e.g. "header X-Webhook-Signature"
	Hint   string // what to do about it, for the person who reads it
	// Complete is true when the request carried all the proof the scheme needs
	// and that proof failed: with other keys, another tolerance or a better clock
	// it might have held.
	Complete bool
}

// Error implements error.
func (e *RefusedError) Error() string {
	s := fmt.Sprintf("webhook: %s: %s", e.Scheme, e.Reason)
	if e.Where != "" {
		s += " (" + e.Where + ")"
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// refuse makes a refusal of a proof that could not be tried, or that other keys
// would not help.
func refuse(scheme string, reason Reason, where, hint string) *RefusedError {
	return &RefusedError{Scheme: scheme, Reason: reason, Where: where, Hint: hint}
}

// noMatch is the refusal of a well-formed proof that fits no secret; active
// says whether there was one to try.
func noMatch(scheme, where string, active bool) *RefusedError {
	e := &RefusedError{
		Scheme: scheme, Reason: ReasonMismatch, Where: where, Complete: true,
		Hint: "it fits none of the configured secrets; try: postrider verify",
	}
	if !active {
		e.Reason, e.Hint = ReasonNoSecret, "every configured secret has ended or there is none; add the current one"
	}
	return e
}

// Replayed is the refusal of a request whose nonce came before with another
// body, where the proof does not cover the body: the signature of a genuine
// request under a body of somebody else's. p is the proof of the later request;
// only the receiver knows the earlier one.
func Replayed(p Proof) *RefusedError {
	return refuse(p.Scheme, ReasonReplayed, "webhook id",
		"it came before with another body, which the signature does not cover: one of the two is a forgery")
}

// UnavailableError is why Verify cannot tell whether a request is genuine: what it
// needs to know, such as a certificate, could not be had. That is trouble of
// ours: the request is to be answered so that the provider sends it again, never
// with a 4xx. Its text holds no secret, signature or address.
type UnavailableError struct {
	Scheme string // as in Proof
	What   string // what could not be had
	Err    error  // why
}

// Error implements error.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("webhook: %s: %s cannot be had: %v", e.Scheme, e.What, e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }
