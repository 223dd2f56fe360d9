// Package mapspec is the declaration of a mapping: how the requests of a provider
// that is not built in become canonical events. It is data as the configuration
// writes it; package mapping compiles it and says what is wrong with it.
//
// docs/mapping.md explains every key; a test holds it to these types.
package mapspec

// Spec is one mapping. Only Type, and Types or Rules, are needed.
type Spec struct {
	Version   int      `yaml:"version"`    // raised when an event would come out differently; 0 counts as 1
	Title     string   `yaml:"title"`      // what people call the provider
	Body      string   `yaml:"body"`       // json (default) | lines | form: what bodies may be beside JSON
	FormField string   `yaml:"form_field"` // form: the one field that holds all there is, as JSON
	Items     string   `yaml:"items"`      // way to the list of items: members joined by dots; "": the body is one, or a list
	Methods   []string `yaml:"methods"`    // that carry events beside POST; with GET the query is the body
	Probes    []string `yaml:"probes"`     // methods answered 200 to anybody without effect
	Fold      bool     `yaml:"fold"`       // compare names and words with case, spaces, '_' and '-' left out
	Strict    bool     `yaml:"strict"`     // texts are texts: no id is a number, and no "true" is true

	Skip  string  `yaml:"skip"`  // items that are nothing to publish
	Type  Sources `yaml:"type"`  // the provider's word for what happened
	Types Table   `yaml:"types"` // the provider's words, or word/subtype, to outcomes
	Rules []Rule  `yaml:"rules"` // outcomes that no word alone tells; the first that holds goes before Types

	Subtypes    Table `yaml:"subtypes"`     // words of provider_subtype to bounce class, category, code, and drop reason
	Classes     Table `yaml:"classes"`      // words of bounce.class
	Categories  Table `yaml:"categories"`   // words of bounce.category
	DropReasons Table `yaml:"drop_reasons"` // words of drop.reason

	ID       Sources  `yaml:"id"`          // what makes an event itself; none: provider_event_id
	DeriveID bool     `yaml:"derive_id"`   // the whole item makes the event itself
	Without  []string `yaml:"without"`     // members that change when an event is sent again: they make no derived id
	TimeAs   []string `yaml:"time_format"` // how times are written: unix | rfc3339 | millis | a layout of Go

	Fields  Fields            `yaml:"fields"`
	PerType map[string]Fields `yaml:"per_type"` // fields of one type, the provider's word or a canonical type, before Fields

	Metadata Table    `yaml:"metadata"` // names of our own for members that have no canonical field
	Open     []string `yaml:"open"`     // objects whose members are metadata each by its own name
	Ignore   Sources  `yaml:"ignore"`   // members that are left out altogether, or as far as an expression gives them
	Proofs   []string `yaml:"proofs"`   // members that the raw item of an unknown event is without
}

// Sources are where a value comes from: the first that has one counts. Each is the
// way to a member, such as data.to, or an expression after "=".
type Sources []string

// Table is what words mean.
type Table map[string]string

// Rule gives an item its outcome where a condition holds.
type Rule struct {
	When string `yaml:"when"` // an expression that is true or false
	Then string `yaml:"then"` // an outcome, as in Spec.Types
}

// Fields says where the canonical fields come from, by their names in the event.
type Fields struct {
	Recipient       Sources `yaml:"recipient"`  // one address; a list is taken as Recipients
	Recipients      Sources `yaml:"recipients"` // a list of addresses, where the provider does not say which; one alone is Recipient
	Sender          Sources `yaml:"sender"`
	Subject         Sources `yaml:"subject"`
	MessageID       Sources `yaml:"message_id"`
	SMTPMessageID   Sources `yaml:"smtp_message_id"`
	BatchID         Sources `yaml:"batch_id"`
	CustomerRef     Sources `yaml:"customer_ref"`
	ProviderEventID Sources `yaml:"provider_event_id"`
	ProviderSubtype Sources `yaml:"provider_subtype"`
	OccurredAt      Sources `yaml:"occurred_at"`
	Direction       Sources `yaml:"direction"` // outbound | inbound
	Tags            Sources `yaml:"tags"`
	Reason          Sources `yaml:"reason"`
	Test            Sources `yaml:"test"`

	SMTP       SMTP       `yaml:"smtp"`
	Bounce     Bounce     `yaml:"bounce"`
	Drop       Drop       `yaml:"drop"`
	Complaint  Complaint  `yaml:"complaint"`
	Engagement Engagement `yaml:"engagement"`
}

// SMTP is what was said on the wire.
type SMTP struct {
	Code     Sources `yaml:"code"`
	Enhanced Sources `yaml:"enhanced"`
	Response Sources `yaml:"response"` // tells code and enhanced where nothing else does
	MX       Sources `yaml:"mx"`
	Remote   Sources `yaml:"remote"`
	Attempt  Sources `yaml:"attempt"`
}

// Bounce is read of bounced events only.
type Bounce struct {
	Class       Sources `yaml:"class"`
	Category    Sources `yaml:"category"`
	Hint        Sources `yaml:"category_hint"` // category where reply codes and texts tell none, or only generic or transient
	CodeAssumed Sources `yaml:"code_assumed"`
	WillRetry   Sources `yaml:"will_retry"`
}

// Drop is read of dropped events only.
type Drop struct {
	Reason Sources `yaml:"reason"`
	Detail Sources `yaml:"detail"`
}

// Complaint is read of complained events only.
type Complaint struct {
	Type Sources `yaml:"type"`
}

// Engagement is what is known of who opened or clicked.
type Engagement struct {
	URL       Sources `yaml:"url"`
	IP        Sources `yaml:"ip"`
	UserAgent Sources `yaml:"user_agent"`
	Bot       Sources `yaml:"bot"`
	First     Sources `yaml:"first"`
	Country   Sources `yaml:"country"`
	Client    Sources `yaml:"client"`
}
