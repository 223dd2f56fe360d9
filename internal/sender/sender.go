// Package sender makes test webhooks as a provider would send them, posts them
// and finds out where their events landed.
//
// It predicts each event's id, topic and key by taking the very bytes it sends
// through the same normalizing as the receiver, and then looks for the record
// with that id in the one partition it belongs to. So what it reports as found
// was received, proven, normalized and published; nothing is taken on trust.
package sender

import (
	"net/http"
	"net/url"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/normalize"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Target is one source that webhooks are sent to. It is not changed.
type Target struct {
	Source    *normalize.Source
	Provider  provider.Definition
	Auth      webhook.Config // with its secrets; the first that has not ended signs
	PublicURL string         // the source's address as the provider knows it, without a token; some schemes sign it
	PostURL   string         // where requests go, without a token
	Refused   int            // status of a request without a valid proof
}

// Variant is what is wrong with a webhook on purpose.
type Variant int

// The variants.
const (
	Genuine  Variant = iota // nothing
	Tampered                // changed after it was signed
	Stale                   // signed in the past
)

// Forgeable reports whether the target's proof can tell a variant from a genuine
// webhook; reason says why not.
func (t *Target) Forgeable(v Variant) (ok bool, reason string) {
	switch {
	case v == Tampered && t.Auth.Type == "none":
		return false, "auth type none asks for no proof that could be spoilt"
	case v == Stale && !t.Auth.Covers().Time:
		return false, "auth type " + t.Auth.Type + " signs no time"
	}
	return true, ""
}

// Expected is an event that a webhook should become.
type Expected struct {
	ID           string
	ProviderType string
	Route        event.Route
	Topic        string
	Key          string
}

// Webhook is one signed request.
type Webhook struct {
	Target  *Target
	Sample  provider.Sample
	Variant Variant

	method string
	url    string
	header http.Header
	body   []byte

	// Events are what a receiver that accepts it publishes.
	Events []Expected
	// DeadLetters are the reasons of items that are no event.
	DeadLetters []string
}

// Body returns the bytes that are sent.
func (w *Webhook) Body() []byte { return w.body }

// Landing is where an expected event was found.
type Landing struct {
	Expected

	Found    bool
	Position broker.Position // if Found
	Earlier  bool            // it is the record of an earlier copy; this one left none
}

// Result is what became of one webhook.
type Result struct {
	Webhook *Webhook
	Copy    int           // 0 for the first, 1 for its first repetition, …
	Status  int           // 0 if there was no answer
	Unsent  bool          // no webhook could be made for its target; Err says why
	Took    time.Duration // from sending to the answer
	Err     error         // why there was no answer, or why the topics could not be read
	Sought  bool          // the events were looked for
	// Landings has one entry an expected event, unless the webhook was refused.
	Landings []Landing
}

// Problem says in a few words what is not as it should be; "" if all is well: a
// genuine webhook was answered 200 and, if they were looked for, its events are
// found, or a spoilt one was refused.
func (r *Result) Problem() string {
	w := r.Webhook
	switch {
	case r.Unsent:
		return "cannot be sent to"
	case r.Status == 0:
		return "no answer"
	case w.Variant != Genuine && r.Status == http.StatusOK:
		return "accepted, though it was " + w.Variant.String()
	case w.Variant != Genuine && r.Status != w.Target.Refused:
		return "not judged: the receiver had other reasons"
	case w.Variant != Genuine:
		return ""
	case r.Status != http.StatusOK:
		return meaning(r.Status)
	case len(w.DeadLetters) > 0:
		return "dead letter"
	case r.Sought && !r.found():
		return "not found"
	}
	return ""
}

// meaning says what a status other than 200 tells about a genuine webhook.
func meaning(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "refused: is the secret there the same as here?"
	case http.StatusNotFound:
		return "not accepted: there is no such source there"
	case http.StatusRequestEntityTooLarge:
		return "not accepted: too large"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "not now: the receiver is busy or has no Kafka"
	}
	return "not accepted"
}

// found reports whether every expected event was found.
func (r *Result) found() bool {
	for i := range r.Landings {
		if !r.Landings[i].Found {
			return false
		}
	}
	return true
}

// String implements fmt.Stringer.
func (v Variant) String() string {
	switch v {
	case Genuine:
		return "genuine"
	case Tampered:
		return "tampered with"
	case Stale:
		return "signed too long ago"
	}
	return "unknown"
}

// withQuery returns u with the parameters of q.
func withQuery(u string, q url.Values) string {
	if len(q) == 0 {
		return u
	}
	return u + "?" + q.Encode()
}
