package sendgrid

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	*parser
	item  jsondoc.Object
	at    provider.Place
	event *event.Event
}

// item reads one object of the array.
func (p *parser) item(o jsondoc.Object, at provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.row(word)
	// Field by field, since a whole Event would be made elsewhere and copied: batches
	// come in thousands.
	e.Type, e.Family, e.Direction = row.Type, row.Type.Family(), event.Outbound
	e.ProviderType = word
	e.ProviderEventID = o.String("sg_event_id")
	e.OccurredAt = provider.TakeTime(o, "timestamp")
	e.MessageID = takeMessageID(o)
	e.SMTPMessageID = takeSMTPMessageID(o)
	e.Recipient = provider.Address(o.String("email"))
	e.Tags = provider.TakeTags(o, "category")
	if row.Detail != nil {
		r, _ := p.readers.Get().(*reader) // it holds nothing else
		*r = reader{p, o, at, e}
		row.Detail(r)
		*r = reader{}
		p.readers.Put(r)
	}
	if row.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = o.Rest(nil)
	return e.ProviderEventID, nil
}

// row returns the row of an event, however its name is spelled.
func (p *parser) row(word string) provider.Row[reader] {
	row, known := p.rows[word]
	if !known {
		row, known = p.rows[jsondoc.Fold(word)]
	}
	if !known {
		row.Type = event.Unknown
	}
	return row
}

// takeMessageID returns the part of sg_message_id that all events of a message
// share. Where something was cut off, the whole is left for the metadata.
func takeMessageID(o jsondoc.Object) string {
	whole := o.Peek("sg_message_id")
	id := messageID(whole)
	if len(id) == len(whole) {
		return o.String("sg_message_id")
	}
	return id
}

// xMessageID is the length of an X-Message-ID: sixteen bytes in base64 without
// padding.
const xMessageID = 22

// messageID cuts the server and the recipient's number off a message id:
// "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0" is that of
// "14c5d75ce93.dfd.64b469", and "9m2f1w8kQ3mXyQ7Zb0c4Aw.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0"
// that of "9m2f1w8kQ3mXyQ7Zb0c4Aw". What looks like neither is an id as it is.
func messageID(s string) string {
	for at := strings.IndexByte(s, '.'); at > 0; {
		rest := s[at+1:]
		if at == xMessageID || server(rest) {
			return s[:at]
		}
		next := strings.IndexByte(rest, '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return s
}

// server reports whether the rest of a message id begins with the name of one of
// SendGrid's servers.
func server(rest string) bool {
	return strings.HasPrefix(rest, "filter") || strings.HasPrefix(rest, "recvd") || strings.HasPrefix(rest, "stfilter")
}

// takeSMTPMessageID takes smtp-id, which is "" on some events and missing from
// others.
func takeSMTPMessageID(o jsondoc.Object) string {
	return provider.SMTPMessageID(o.String("smtp-id"))
}

// bounced: the type says for how long, the classification why, if the reply of
// the other server does not say it more exactly.
func (r *reader) bounced() {
	e := r.event
	e.ProviderSubtype = r.item.String("type")
	e.Reason = r.item.Prose("reason")
	reply := r.reply(e.Reason)
	b := reply.Bounce(class(e.ProviderSubtype), e.Reason)
	b.Category = r.category(b.Category, r.item.Peek("bounce_classification"))
	if b.Category == event.UndeterminedCategory && e.ProviderSubtype == "expired" {
		b.Category = event.Timeout
	}
	b.WillRetry = new(false)
	e.Bounce = &b
}

// category: a classification fills in what the codes leave open.
func (p *parser) category(said event.BounceCategory, classification string) event.BounceCategory {
	if said != event.Generic && said != event.Transient && said != event.UndeterminedCategory {
		return said
	}
	if c, ok := p.classifications[jsondoc.Fold(classification)]; ok {
		return c
	}
	return said
}

// reply reads the codes: those of the other server's words, else the status,
// which SendGrid fills in where the words have none.
func (r *reader) reply(words string) smtpcode.Reply {
	reply := smtpcode.Read(words)
	s := event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, Response: words}
	r.item.TextIf("status", func(status string) bool {
		if !smtpcode.Enhanced(status) || s.Enhanced != "" && s.Enhanced != status {
			return false
		}
		s.Enhanced = status
		return true
	})
	r.event.SMTP = r.at.SMTP(s)
	return smtpcode.Reply{Code: s.Code, Enhanced: s.Enhanced}
}

// responded reads the other server's reply.
func (r *reader) responded() { r.reply(r.item.Prose("response")) }

// deferred has the reply in response or, as the page's table says, in reason.
func (r *reader) deferred() {
	words := r.item.Prose("response")
	r.event.Reason = r.item.Prose("reason")
	if words == "" {
		words = r.event.Reason
	}
	r.reply(words)
	if n, ok := r.item.Int("attempt", 1, 1_000_000); ok {
		if r.event.SMTP == nil {
			r.event.SMTP = new(event.SMTP)
		}
		r.event.SMTP.Attempt = n
	}
}

// dropped: the reason is one of a few phrases. Its status says nothing of a server:
// none was asked.
func (r *reader) dropped() {
	e := r.event
	e.Reason = r.item.Prose("reason")
	e.Drop = &event.Drop{Reason: event.DropOther, Detail: e.Reason}
	if reason, ok := r.drops[jsondoc.Fold(e.Reason)]; ok {
		e.Drop.Reason = reason
	}
}

// engaged reads an open or a click. A machine open is one of Apple's Mail Privacy
// Protection.
func (r *reader) engaged() {
	g := event.Engagement{
		IP:        r.item.String("ip"),
		UserAgent: r.item.Prose("useragent"),
		Bot:       r.item.Bool("sg_machine_open"),
	}
	if r.event.Type == event.Clicked {
		g.URL = r.item.Prose("url")
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}

// account: what became of the account.
func (r *reader) account() { r.event.ProviderSubtype = r.item.String("type") }
