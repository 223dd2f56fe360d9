package azure

import (
	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// word takes the type of an event of either schema.
func word(o jsondoc.Object) string {
	if w := o.String("eventType"); w != "" {
		return w
	}
	return o.String("type")
}

// item reads one event. Those of Event Grid itself are about the subscription.
func (p *parser) item(o jsondoc.Object, _ provider.Place) []provider.Result {
	typ := word(o)
	switch typ {
	case "":
		return []provider.Result{{Malformed: provider.MissingType("eventType or type")}}
	case validation, deletion:
		return nil
	}
	data := o.Object("data")
	e := event.Event{
		Direction:       event.Outbound,
		ProviderType:    typ,
		ProviderEventID: o.String("id"),
		MessageID:       data.String("messageId"),
		SMTPMessageID:   provider.SMTPMessageID(data.String("internetMessageId")),
		Sender:          provider.Address(data.String("sender")),
		Recipient:       provider.Address(data.String("recipient")),
		OccurredAt:      takeTime(o, data),
	}
	details := data.Object("deliveryStatusDetails")
	p.outcome(typ, data, details, &e)
	e.Family = e.Type.Family()
	if e.Type == event.Unknown {
		e.Raw = o.Compact()
	}
	e.Metadata = provider.Metadata(o, data, details)
	return []provider.Result{{Event: e, NativeID: e.ProviderEventID}}
}

// takeTime takes the time of what happened, else that of the event about it.
func takeTime(o, data jsondoc.Object) event.Time {
	for _, name := range []string{"deliveryAttemptTimestamp", "userActionTimestamp"} {
		if t := provider.TakeTime(data, name); !t.IsZero() {
			return t
		}
	}
	if t := provider.TakeTime(o, "eventTime"); !t.IsZero() {
		return t
	}
	return provider.TakeTime(o, "time")
}

// outcome is what the status or the type of engagement says.
func (p *parser) outcome(typ string, data, details jsondoc.Object, e *event.Event) {
	e.ProviderSubtype = data.String(map[string]string{deliveryReport: "status", engagementReport: "engagementType"}[typ])
	row, known := p.rows[typ+" "+jsondoc.Fold(e.ProviderSubtype)]
	if !known {
		row.is = event.Unknown
	}
	e.Type = row.is
	switch {
	case typ == deliveryReport:
		report(row, details, e)
	case known:
		engaged(data, e)
	}
}

// report reads a delivery report's details: the reply, or other words, and whose it is.
func report(row row, details jsondoc.Object, e *event.Event) {
	e.Reason = details.Prose("statusMessage")
	reply := smtpcode.Read(e.Reason)
	s := event.SMTP{Code: reply.Code, Enhanced: reply.Enhanced, MX: details.String("recipientMailServerHostName")}
	if reply != (smtpcode.Reply{}) {
		s.Response = e.Reason
	}
	if s != (event.SMTP{}) {
		e.SMTP = &s
	}
	if row.is == event.Dropped {
		e.Drop = &event.Drop{Reason: event.DropSuppressed, Detail: e.Reason}
	}
	if row.is != event.Bounced {
		return
	}
	b := reply.Bounce(row.class, e.Reason)
	if row.category != "" {
		b.Category = row.category
	}
	b.WillRetry = new(false) // reports come once, at the end
	e.Bounce = &b
}

// engaged: the context of a click is its link; that of a view stays in the metadata.
func engaged(data jsondoc.Object, e *event.Event) {
	g := event.Engagement{UserAgent: data.Prose("userAgent")}
	if e.Type == event.Clicked {
		g.URL = data.Prose("engagementContext")
	}
	if g != (event.Engagement{}) {
		e.Engagement = &g
	}
}
