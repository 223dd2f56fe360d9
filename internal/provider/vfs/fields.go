package vfs

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	attr  jsondoc.Object
	event *event.Event
}

// item reads one callback. eventId is the native id; where it is missing the
// content is.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("type")
	if word == "" {
		return "", provider.MissingType("type")
	}
	row, known := p.rows[jsondoc.Fold(word)]
	if !known {
		row.typ = event.Unknown
	}
	*e = event.Event{
		Type:            row.typ,
		Family:          row.typ.Family(),
		Direction:       event.Outbound,
		ProviderType:    word,
		ProviderEventID: o.String("eventId"),
		OccurredAt:      provider.TakeTime(o, "timestamp"),
		MessageID:       o.String("itemId"),
		BatchID:         o.String("jobId"),
	}
	r := reader{attr: o.Object("attr"), event: e}
	if row.detail != nil {
		row.detail(&r)
	}
	if e.Reason == "" {
		e.Reason = r.attr.Prose("reason")
	}
	if !known {
		e.Raw = o.Compact()
	}
	e.Metadata = r.attr.Rest(o.Rest(nil))
	return e.ProviderEventID, nil
}

// dropped: the recipient is on a suppression list or has unsubscribed. The
// reasons are "TBD" on the page, so any other text is carried as it is; code is
// VFS's own and stays in the metadata.
func (r *reader) dropped() {
	reason := r.attr.Prose("reason")
	r.event.Reason = reason
	r.event.Drop = &event.Drop{Reason: dropReason(reason), Detail: reason}
}

func dropReason(text string) event.DropReason {
	text = strings.ToLower(text)
	switch {
	case strings.Contains(text, "global suppression"), strings.Contains(text, "local suppression"):
		return event.DropSuppressed
	case strings.Contains(text, "unsubscrib"):
		return event.DropUnsubscribed
	}
	return event.DropOther
}

// maxAttempts is what an attempt counter may plausibly reach.
const maxAttempts = 1_000_000

func (r *reader) deferred() {
	if n, ok := r.attr.Int("attempts", 1, maxAttempts); ok {
		r.event.SMTP = &event.SMTP{Attempt: n}
	}
}

func (r *reader) hardBounce() { r.bounced(event.Hard) }
func (r *reader) softBounce() { r.bounced(event.Soft) }

// bounced: the type says the class. Whether a soft bounce is tried again the
// page does not say. statusCode is the enhanced code "from or derived from the
// MTA message"; where it is none, it stays in the metadata and the message is
// searched for codes instead.
func (r *reader) bounced(said event.BounceClass) {
	reason := r.attr.Prose("reason")
	r.event.Reason = reason
	reply := smtpcode.Read(reason)
	r.attr.TextIf("statusCode", func(code string) bool {
		if !smtpcode.Enhanced(code) {
			return false
		}
		reply.Enhanced = code
		return true
	})
	if reply != (smtpcode.Reply{}) {
		r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced}
	}
	r.event.Bounce = new(reply.Bounce(said, reason))
}

// delivered: the server's answer is called response in the example and reason
// in the table.
func (r *reader) delivered() {
	response := r.attr.Prose("response")
	if response == "" {
		response = r.attr.Prose("reason")
	}
	if response == "" {
		return
	}
	reply := smtpcode.Read(response)
	r.event.SMTP = &event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: response}
}

func (r *reader) engaged() {
	g := event.Engagement{
		URL:       r.attr.Prose("url"),
		IP:        r.attr.String("ipAddr"),
		UserAgent: r.attr.Prose("userAgent"),
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = new(g)
	}
}
