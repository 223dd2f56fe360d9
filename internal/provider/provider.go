// Package provider is the contract between the bridge and an email provider:
// what a provider's folder has to say about its webhooks, and what it has to do
// with one. Each folder beside it is one provider (its mapping table, payload,
// parser, samples and testdata); package all is the one list of them.
package provider

import (
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Definition is everything the bridge knows of one provider. It is a constant
// in spirit: built once, never changed.
type Definition struct {
	ID     string // as in the configuration, e.g. "jetemail"
	Title  string // as the provider writes its name
	Doc    string // address of the provider's page on its event webhooks
	Mapper int    // version of the mapping; raised when an event would come out differently
	Auth   string // auth type a generated source uses: "jetemail", "token", …
	Policy Policy
	Types  []TypeInfo // every documented event type, in the document's order

	Identity  string // for people: what makes an event itself, e.g. "`sg_event_id`"
	MaxEvents int    // events in one request, as documented: 1 for single ones, 0 for batches without a documented bound
	Handshake string // for people: what the provider wants answered beside events; "" for nothing
	// Methods are those that carry events beside POST; with GET the query is the body.
	Methods []string
	// Probes are the methods that are answered 200 to anybody, without proof and
	// without effect: HEAD, GET (without a query where GET is among Methods), OPTIONS.
	Probes []string
	Forms  bool // bodies may be forms, see Reading
	Lines  bool // bodies may be JSON Lines

	// New makes the parser of one source from the source's `options`. The error
	// names the option and what it may be.
	New func(options map[string]string) (Parser, error)

	// Samples returns realistic webhooks, at least one for every row of Types.
	Samples func() []Sample
}

// TypeInfo is one row of a provider's vocabulary. A type whose events are of several
// canonical types, by a sub-type or reason, has a row for each.
type TypeInfo struct {
	ProviderType string          // as documented
	Type         event.Type      // canonical type
	Direction    event.Direction // outbound or inbound
}

// Sample is one realistic webhook. Body holds placeholders that the sender
// fills so that every webhook it sends is a distinct event: {{uuid}} (a fresh
// UUID, the same within one body), {{uuid2}}, {{hex}} (32 hex digits), {{number}} (a fresh whole number), {{unix}}
// (seconds), {{time}} (RFC 3339), {{recipient}}, {{sender}}; {{recipient2}} and {{sender2}}
// are the addresses inside JSON that is itself in a string, see Embed.
type Sample struct {
	Name         string // behaviour, lower-case with underscores: "bounced_hard_invalid_recipient"
	ProviderType string // row of Types it stands for
	Body         string

	Method      string   // "": POST; with GET the body travels as the query
	ContentType string   // "": application/json, or application/x-www-form-urlencoded with Field
	Field       string   // name of the form field in which Body travels; "" for none
	Header      []string // further headers, such as "X-Event: bounce"
}

// Parser turns a proven request into results. Implementations are pure: no
// clock, network, randomness or logging; the same request gives the same
// results. Safe for concurrent use.
type Parser interface {
	// Parse returns one Result an item of the payload, in the payload's order.
	// A body that cannot be read at all is one Result with Malformed set and
	// Index -1. No results means there is nothing to publish (an empty array).
	Parse(v webhook.Verified) []Result
}

// Handshaker is a Parser whose provider also sends what is no event and wants more
// for it than a 200: a challenge answered, an address called.
type Handshaker interface {
	// Handshake tells what a proven request asks for; false if it is none that asks
	// for anything, and Parse says what it is. As pure as Parse, and as safe for
	// concurrent use. It is called for every request: decide by a look at it.
	Handshake(v webhook.Verified) (Handshake, bool)
}

// Handshake is what a provider wants done, or answered, before it sends events. One
// with neither Reply nor Confirm asks for what must not be done: it is answered 200,
// with a warning in the log.
type Handshake struct {
	Kind        string // what it is in one word, for logs: "subscription_confirmation"
	Reply       []byte // body of the answer; nil for none
	ContentType string // of Reply
	// Confirm is an https address to be called by GET before the request is answered;
	// "" for none. Whoever returns one has made sure that it is the provider's own host.
	Confirm string
}

// Result is what became of one item of a payload: an event or, with Malformed
// set, a dead letter.
type Result struct {
	// Event holds what the payload says. Schema, ID, Provider, Source,
	// ReceivedAt, RawID and RecipientHash are filled in later by package
	// normalize; the parser fills the rest, Family included.
	Event event.Event
	// NativeID is what makes the event itself (the docs' event identity): the provider's
	// event id, or jsondoc's canonical hash of the item where it has none that
	// can be relied on. Never empty unless Malformed.
	NativeID string
	// Derived says that NativeID is the canonical hash of the item: whatever has
	// the same id says the same, in whatever order its members come.
	Derived bool
	// Item is the item's JSON: its bytes within the request body or, where the body is
	// a form or holds JSON in a string, as it came out of that.
	Item []byte
	// Compact says that Item has no white space between its tokens.
	Compact bool
	// Index is the item's place in the payload, from 0; -1 for the whole body.
	Index int
	// Malformed is why there is no event; nil if there is one.
	Malformed *Malformed
	// DuplicateNames is how many members of the whole body were hidden by a later
	// one of the same name. The body's first result has the number, others have 0.
	DuplicateNames int
}

// Malformed is why an item is no event.
type Malformed struct {
	Reason Reason // machine-readable
	Detail string // for people: what is wrong and where; holds no payload text beyond field names
}

// Error implements error.
func (m *Malformed) Error() string { return string(m.Reason) + ": " + m.Detail }

// Reason is a machine-readable dead letter reason; a small fixed set, fit for a
// metric label.
type Reason string

// The reasons a parser gives.
const (
	ReasonEmptyBody    Reason = "empty_body"     // no bytes but white space
	ReasonInvalidJSON  Reason = "invalid_json"   // not JSON, also not by the tolerant reading
	ReasonNotAnObject  Reason = "not_an_object"  // JSON, but an item is no object
	ReasonMissingType  Reason = "missing_type"   // no string where the event type belongs
	ReasonTooDeep      Reason = "too_deep"       // nested beyond the bound
	ReasonTooManyItems Reason = "too_many_items" // more values or items than the bound
)
