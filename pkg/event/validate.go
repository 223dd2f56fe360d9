package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Bounds of an event's texts, in Unicode code points as JSON Schema counts them.
// They are far beyond what providers send; they keep a record from being made
// of one field. schemas/event.v1.schema.json states the same numbers.
const (
	MaxName  = 256     // provider, source, raw_id and other short names
	MaxID    = 4096    // ids, references, addresses and host names
	MaxText  = 65536   // free text: reasons, replies, subjects, links, user agents
	MaxValue = 1048576 // one metadata value
	MaxItems = 10000   // tags, recipients and metadata entries
)

// Problem is one rule that an event breaks.
type Problem struct {
	Field string // path of the field, e.g. "smtp.code"
	Text  string // the rule; holds nothing of the field's value
}

// InvalidError is what Validate returns: every rule that the event breaks.
type InvalidError struct{ Problems []Problem }

// Error implements error. It holds no values of the event.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("event: ")
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Field + " " + p.Text)
	}
	return b.String()
}

// Validate reports every rule of the JSON Schema that the event breaks, as an
// *InvalidError; nil if its JSON form is valid. A valid event that is not
// unknown costs no allocation.
func (e *Event) Validate() error {
	var c check
	c.identity(e)
	c.message(e)
	c.labels(e)
	c.smtp(e.SMTP)
	c.outcome(e)
	c.engagement(e.Engagement)
	c.text("reason", e.Reason, MaxText)
	c.text("raw_id", e.RawID, MaxName)
	c.raw(e)
	if c.problems == nil {
		return nil
	}
	return &InvalidError{Problems: c.problems}
}

// check collects problems. Its methods take what they need to say only when a
// rule is broken, so that a valid event allocates nothing.
type check struct{ problems []Problem }

func (c *check) that(ok bool, field, rule string) {
	if !ok {
		c.problems = append(c.problems, Problem{Field: field, Text: rule})
	}
}

// text bounds an optional string.
func (c *check) text(field, s string, limit int) {
	c.that(within(s, limit), field, "is too long")
}

// name bounds a required string.
func (c *check) name(field, s string, limit int) {
	c.that(s != "", field, "is required")
	c.text(field, s, limit)
}

// within counts code points only when the bytes are more than the limit.
func within(s string, limit int) bool {
	return len(s) <= limit || utf8.RuneCountInString(s) <= limit
}

func (c *check) identity(e *Event) {
	c.that(e.Schema == Schema, "schema", `must be "`+Schema+`"`)
	c.that(isHex(e.ID, 32), "id", "must be 32 lower-case hex digits")
	c.that(e.Type.Valid(), "type", "must be a canonical type")
	c.that(e.Family.Valid() && e.Family == e.Type.Family(), "family", "must be the family of the type")
	c.that(e.Direction.Valid(), "direction", "must be outbound or inbound")
	if e.Type.Valid() && e.Direction.Valid() {
		c.that(e.Type.Allowed(e.Direction), "direction", "does not exist for this type")
	}
	c.name("provider", e.Provider, MaxName)
	c.name("source", e.Source, MaxName)
	c.name("provider_type", e.ProviderType, MaxID)
	c.text("provider_subtype", e.ProviderSubtype, MaxID)
	c.text("provider_event_id", e.ProviderEventID, MaxID)
	c.that(e.OccurredAt.IsZero() || e.OccurredAt.Plausible(), "occurred_at", "must lie in the years 2000 to 2100")
	c.that(!e.ReceivedAt.IsZero() && e.ReceivedAt.between(year0, year10000), "received_at", "is required, in a year of four digits")
}

func (c *check) message(e *Event) {
	c.text("message_id", e.MessageID, MaxID)
	c.text("smtp_message_id", e.SMTPMessageID, MaxID)
	c.text("batch_id", e.BatchID, MaxID)
	c.text("customer_ref", e.CustomerRef, MaxID)
	c.text("recipient", e.Recipient, MaxID)
	c.that(e.RecipientHash == "" || isHex(e.RecipientHash, 64), "recipient_hash", "must be 64 lower-case hex digits")
	c.list("recipients", e.Recipients)
	c.text("sender", e.Sender, MaxID)
	c.text("subject", e.Subject, MaxText)
}

// list bounds a list of non-empty strings; one problem a rule, not one an item.
func (c *check) list(field string, items []string) {
	c.that(len(items) <= MaxItems, field, "has too many items")
	full, short := true, true
	for _, s := range items {
		full = full && s != ""
		short = short && within(s, MaxID)
	}
	c.that(full, field, "must not hold an empty string")
	c.that(short, field, "has an item that is too long")
}

func (c *check) labels(e *Event) {
	c.list("tags", e.Tags)
	c.that(len(e.Metadata) <= MaxItems, "metadata", "has too many entries")
	full, short := true, true
	for k, v := range e.Metadata {
		full = full && v != ""
		short = short && within(k, MaxID) && within(v, MaxValue)
	}
	c.that(full, "metadata", "must not hold an empty value")
	c.that(short, "metadata", "has a name or value that is too long")
}

func (c *check) smtp(s *SMTP) {
	if s == nil {
		return
	}
	c.that(*s != SMTP{}, "smtp", "must not be empty")
	c.that(s.Code == 0 || (s.Code >= 200 && s.Code <= 599), "smtp.code", "must be 200 to 599")
	c.that(s.Enhanced == "" || isEnhanced(s.Enhanced), "smtp.enhanced", "must be an RFC 3463 status code")
	c.text("smtp.response", s.Response, MaxText)
	c.text("smtp.mx", s.MX, MaxID)
	c.text("smtp.remote", s.Remote, MaxID)
	c.that(s.Attempt >= 0, "smtp.attempt", "must be at least 1")
}

// outcome checks what a type requires: bounce on bounced, drop on dropped.
func (c *check) outcome(e *Event) {
	c.that(e.Type != Bounced || e.Bounce != nil, "bounce", "is required on bounced")
	if b := e.Bounce; b != nil {
		c.that(b.Class.Valid(), "bounce.class", "must be hard, soft or undetermined")
		c.that(b.Category == "" || b.Category.Valid(), "bounce.category", "must be a bounce category")
		c.that(b.CodeAssumed == "" || isEnhanced(b.CodeAssumed), "bounce.code_assumed", "must be an RFC 3463 status code")
	}
	c.that(e.Type != Dropped || e.Drop != nil, "drop", "is required on dropped")
	if d := e.Drop; d != nil {
		c.that(d.Reason.Valid(), "drop.reason", "must be a drop reason")
		c.text("drop.detail", d.Detail, MaxText)
	}
	if f := e.Complaint; f != nil {
		c.that(*f != Complaint{}, "complaint", "must not be empty")
		c.text("complaint.type", f.Type, MaxID)
	}
}

func (c *check) engagement(g *Engagement) {
	if g == nil {
		return
	}
	c.that(*g != Engagement{}, "engagement", "must not be empty")
	c.text("engagement.url", g.URL, MaxText)
	c.text("engagement.ip", g.IP, MaxID)
	c.text("engagement.user_agent", g.UserAgent, MaxText)
	c.text("engagement.country", g.Country, MaxID)
	c.text("engagement.client", g.Client, MaxID)
}

func (c *check) raw(e *Event) {
	if len(e.Raw) == 0 {
		return
	}
	c.that(e.Type == Unknown, "raw", "exists on unknown only")
	c.that(isItem(e.Raw), "raw", "must be an object, or the text of an item that is not JSON")
}

// isItem reports whether AppendJSON writes raw as an object or as a string.
func isItem(raw []byte) bool {
	first := bytes.TrimLeft(raw, " \n\r\t")
	if len(first) > 0 && (first[0] == '{' || first[0] == '"') {
		return true
	}
	return !json.Valid(raw)
}

// isHex reports whether s is n lower-case hex digits. Nobody can foresee whether the
// next one is a letter, so there is no branch on that: wrong becomes negative where a
// byte lies outside of both ranges.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	wrong := 0
	for i := range len(s) {
		c := int(s[i])
		wrong |= ((c - '0') | ('9' - c)) & ((c - 'a') | ('f' - c))
	}
	return wrong >= 0
}

// isEnhanced reports whether s is an enhanced status code (RFC 3463 section 2):
// a class of 2, 4 or 5 and two numbers of one to three digits.
func isEnhanced(s string) bool {
	class, rest, ok := strings.Cut(s, ".")
	if !ok || (class != "2" && class != "4" && class != "5") {
		return false
	}
	subject, detail, ok := strings.Cut(rest, ".")
	return ok && isDigits(subject) && isDigits(detail)
}

// isDigits reports whether s is one to three digits.
func isDigits(s string) bool {
	if s == "" || len(s) > 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
