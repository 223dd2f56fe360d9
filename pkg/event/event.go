// Package event is the canonical email event: the one vocabulary that every
// provider's webhooks are turned into, and the value of every record in the
// per-type Kafka topics.
//
// Decode reads a record's value, Validate says whether an event keeps the rules
// of schemas/event.v1.schema.json, and AppendJSON writes it.
//
// # In a program of your own
//
// The package stands alone: it imports the standard library and nothing else. With
// whatever Kafka client, a consumer that reads the topics needs nothing more of this
// module; pkg/consumer is there for those who want the rest done, too.
//
// # Compatibility
//
// The schema's name email-event/1 stays while changes only add optional fields,
// or values to the enumerations. Decode takes events of later versions: it ignores
// fields that it does not know and keeps values that it does not know, so have a
// default for them. Validate holds an event against the rules of this version; it
// is a check for who makes events, and no gate for who reads them.
//
// Within a major version of the module, what this package exports stays source
// compatible: fields may be added to structs, so write them with names. Ids, keys and
// the names of headers stay what they are.
package event

import "encoding/json"

// Schema is the value of Event.Schema. Additive changes keep it.
const Schema = "email-event/1"

// Event is one thing that became of one message. An empty field is absent:
// the JSON form never holds null, "" or 0. Fields are in the order of the JSON form.
type Event struct { //nolint:recvcheck // MarshalJSON also serves an Event that is not addressable
	Schema    string    `json:"schema"`    // always Schema
	ID        string    `json:"id"`        // 32 lower-case hex digits, equal on every retry and replay of the event
	Type      Type      `json:"type"`      // canonical type
	Family    Family    `json:"family"`    // Type.Family()
	Direction Direction `json:"direction"` // outbound or inbound

	Provider        string `json:"provider"`                    // provider id, e.g. "jetemail"
	Source          string `json:"source"`                      // configured source the request came to
	ProviderType    string `json:"provider_type"`               // the provider's own word for the type
	ProviderSubtype string `json:"provider_subtype,omitempty"`  // the provider's own word for the sub-type
	ProviderEventID string `json:"provider_event_id,omitempty"` // the provider's own event id, as sent

	OccurredAt Time `json:"occurred_at,omitzero"` // when it happened, by the provider's clock
	ReceivedAt Time `json:"received_at"`          // when the request arrived, by our clock (milliseconds)

	MessageID     string `json:"message_id,omitempty"`      // the provider's key of the message
	SMTPMessageID string `json:"smtp_message_id,omitempty"` // RFC 5322 Message-ID without <>
	BatchID       string `json:"batch_id,omitempty"`        // the provider's key of a job or batch
	CustomerRef   string `json:"customer_ref,omitempty"`    // the sender's own reference

	Recipient     string   `json:"recipient,omitempty"`      // address as sent, display name stripped
	RecipientHash string   `json:"recipient_hash,omitempty"` // HMAC-SHA256 of the normalized address, hex
	Recipients    []string `json:"recipients,omitempty"`     // only when the provider cannot say which
	Sender        string   `json:"sender,omitempty"`         // From or envelope sender as sent
	Subject       string   `json:"subject,omitempty"`        // subject line as sent

	Tags     []string          `json:"tags,omitempty"`     // the sender's labels
	Metadata map[string]string `json:"metadata,omitempty"` // the rest, under the provider's own names

	SMTP       *SMTP       `json:"smtp,omitempty"`       // the SMTP dialogue
	Bounce     *Bounce     `json:"bounce,omitempty"`     // on bounced, required
	Drop       *Drop       `json:"drop,omitempty"`       // on dropped, required
	Complaint  *Complaint  `json:"complaint,omitempty"`  // on complained
	Engagement *Engagement `json:"engagement,omitempty"` // on opened and clicked

	Reason string          `json:"reason,omitempty"` // free text as sent
	Test   bool            `json:"test,omitempty"`   // a simulated event
	RawID  string          `json:"raw_id,omitempty"` // names the record in the raw topic
	Raw    json.RawMessage `json:"raw,omitempty"`    // the item as received, on unknown only; left out where only hashes are published
}

// SMTP is what is known of the SMTP dialogue (RFC 5321, RFC 3463).
type SMTP struct {
	Code     int    `json:"code,omitempty"`     // reply code, 200 to 599
	Enhanced string `json:"enhanced,omitempty"` // enhanced status code seen on the wire, "5.1.1"
	Response string `json:"response,omitempty"` // reply text as sent
	MX       string `json:"mx,omitempty"`       // mail exchanger's name
	Remote   string `json:"remote,omitempty"`   // remote host: name, IPv4 or IPv6
	Attempt  int    `json:"attempt,omitempty"`  // how many times it was tried, from 1
}

// BounceClass says for how long a refusal holds.
type BounceClass string

// The bounce classes.
const (
	Hard              BounceClass = "hard"         // for good
	Soft              BounceClass = "soft"         // this time
	UndeterminedClass BounceClass = "undetermined" // the provider does not say
)

// BounceCategory says why, on the neutral axis of RFC 3463's subjects.
type BounceCategory string

// The bounce categories; in brackets the RFC 3463 subject and detail.
const (
	InvalidRecipient     BounceCategory = "invalid_recipient"    // 1.1
	BadDomain            BounceCategory = "bad_domain"           // 1.2
	SenderInvalid        BounceCategory = "sender_invalid"       // 1.8
	MailboxInactive      BounceCategory = "mailbox_inactive"     // 2.1
	MailboxFull          BounceCategory = "mailbox_full"         // 2.2
	MessageTooLarge      BounceCategory = "message_too_large"    // 2.3, 3.4
	RemoteConfiguration  BounceCategory = "remote_configuration" // 3.5
	NoAnswer             BounceCategory = "no_answer"            // 4.1
	ConnectionFailure    BounceCategory = "connection"           // 4.2
	DNSFailure           BounceCategory = "dns_failure"          // 4.3
	Routing              BounceCategory = "routing"              // 4.4
	Timeout              BounceCategory = "timeout"              // 4.7
	Protocol             BounceCategory = "protocol"             // 5.0
	Content              BounceCategory = "content"              // 6.0
	Attachment           BounceCategory = "attachment"           // 6.1
	Policy               BounceCategory = "policy"               // 7.1
	Authentication       BounceCategory = "authentication"       // 7.20 to 7.26
	RelayDenied          BounceCategory = "relay_denied"         // 7.1
	SpamContent          BounceCategory = "spam_content"         // 7.1
	SpamBlock            BounceCategory = "spam_block"           // 7.1
	AdminBlock           BounceCategory = "admin_block"          // 7.1
	ComplaintBlock       BounceCategory = "complaint"            // 7.1
	Fraud                BounceCategory = "fraud"                // 7.1
	Virus                BounceCategory = "virus"                // 7.x
	RateLimited          BounceCategory = "rate_limited"         // 7.0, 4.5
	Transient            BounceCategory = "transient"            // 0.0, class 4
	Generic              BounceCategory = "generic"              // 0.0
	UndeterminedCategory BounceCategory = "undetermined"         // nothing said
)

// Bounce qualifies a refusal. Suppress addresses on Category (invalid_recipient,
// bad_domain, mailbox_inactive …), not on Class alone: a hard refusal may be
// about the message.
type Bounce struct {
	Class       BounceClass    `json:"class"`                  // required
	Category    BounceCategory `json:"category,omitempty"`     // why
	CodeAssumed string         `json:"code_assumed,omitempty"` // RFC 3463 code we assume from a label; never one seen on the wire
	WillRetry   *bool          `json:"will_retry,omitempty"`   // whether the provider tries again; nil: it does not say
}

// DropReason says why a provider did not hand a message over.
type DropReason string

// The drop reasons.
const (
	DropSuppressed       DropReason = "suppressed"
	DropPolicy           DropReason = "policy"
	DropSpam             DropReason = "spam"
	DropVirus            DropReason = "virus"
	DropInvalidRecipient DropReason = "invalid_recipient"
	DropRateLimit        DropReason = "rate_limit"
	DropUnsubscribed     DropReason = "unsubscribed"
	DropComplained       DropReason = "complained"
	DropPreviousBounce   DropReason = "previous_bounce"
	DropOther            DropReason = "other"
)

// Drop says why the provider did not hand the message over.
type Drop struct {
	Reason DropReason `json:"reason"`           // required
	Detail string     `json:"detail,omitempty"` // the provider's text
}

// Complaint qualifies a feedback loop report.
type Complaint struct {
	Type string `json:"type,omitempty"` // RFC 5965 feedback type, e.g. "abuse"
}

// Engagement is what is known of an open or a click.
type Engagement struct {
	URL       string `json:"url,omitempty"`        // link followed
	IP        string `json:"ip,omitempty"`         // address of the client as sent
	UserAgent string `json:"user_agent,omitempty"` // User-Agent as sent
	Bot       *bool  `json:"bot,omitempty"`        // a machine did it; nil: the provider does not say
	First     *bool  `json:"first,omitempty"`      // the first of its kind; nil: the provider does not say
	Country   string `json:"country,omitempty"`    // country as sent, usually ISO 3166-1 alpha-2
	Client    string `json:"client,omitempty"`     // mail client's name as sent
}
