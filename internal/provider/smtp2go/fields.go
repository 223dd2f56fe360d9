package smtp2go

import (
	"strings"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/smtpcode"
	"github.com/postrider/postrider/pkg/event"
)

// reader is one event while it is read.
type reader struct {
	parser *parser
	data   jsondoc.Object
	reply  smtpcode.Reply
	event  *event.Event
}

// item reads one event.
func (p *parser) item(o jsondoc.Object, _ provider.Place, e *event.Event) (string, *provider.Malformed) {
	word := o.String("event")
	if word == "" {
		return "", provider.MissingType("event")
	}
	row := p.rows.Of(word)
	*e = event.Event{Type: row.Type, Family: row.Type.Family(), Direction: event.Outbound, ProviderType: word}
	r := reader{parser: p, data: o, event: e}
	key := r.takeKey()
	if row.Type == event.Unknown {
		e.Raw, e.OccurredAt = o.CompactExcept("auth", "Auth", "AUTH"), takeTime(o, "time")
		if e.OccurredAt.IsZero() {
			e.OccurredAt = takeTime(o, "received_timestamp") // of a text message: that of the event
		}
	} else {
		r.message()
	}
	if row.Detail != nil {
		row.Detail(&r)
	}
	if key != "" {
		e.Metadata = map[string]string{"auth": key}
	}
	e.Metadata = o.Rest(e.Metadata)
	return "", nil
}

// A key of SMTP2GO's API, "api-" and 32 hex digits, and how much of it tells which it is.
const (
	apiKey   = "api-"
	keyShown = len(apiKey) + 6
)

// takeKey takes auth where it is an API key, or too much of one, and returns its
// beginning; "" where it is an SMTP user or an address, which stay.
func (r *reader) takeKey() (begin string) {
	r.data.TextIf("auth", func(text string) bool {
		if strings.HasPrefix(strings.ToLower(text), apiKey) && len(text) > keyShown {
			begin = text[:keyShown] + "..."
		}
		return begin != ""
	})
	return begin
}

// message reads what is known of the message and when it happened.
func (r *reader) message() {
	e, d := r.event, r.data
	e.ProviderEventID = d.String("id")
	e.OccurredAt = takeTime(d, "time")
	e.MessageID = d.Text("email_id")
	e.SMTPMessageID = provider.SMTPMessageID(d.String("message-id"))
	e.Subject = d.Prose("subject")
	e.Sender = provider.Address(d.String("sender"))
	if e.Recipient = provider.Address(d.String("rcpt")); e.Recipient == "" {
		r.recipients()
	}
}

// takeTime takes a time in UTC, whether or not it says so.
func takeTime(o jsondoc.Object, name string) event.Time {
	if t := provider.TakeTime(o, name); !t.IsZero() {
		return t
	}
	return provider.TakeTimeAs(o, name, "2006-01-02 15:04:05", "2006-01-02T15:04:05")
}

// recipients reads those of an event that is about all of them: an array, or a list
// in one text. What is not a list of addresses stays for the metadata.
func (r *reader) recipients() {
	if r.data.TextIf("recipients", r.list) {
		return
	}
	if list, ok := r.data.Member("recipients"); ok && list.Kind() == '[' {
		provider.TakeRecipients(r.data, "recipients", r.event)
	}
}

// list takes a list of addresses out of one text.
func (r *reader) list(text string) bool {
	var who []string
	for _, part := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ';' }) {
		address := provider.Address(strings.TrimSpace(part))
		if !strings.Contains(address, "@") || len(address) > jsondoc.MaxShort || len(who) == event.MaxItems {
			return false
		}
		who = append(who, address)
	}
	if len(who) == 1 {
		r.event.Recipient, who = who[0], nil
	}
	r.event.Recipients = who
	return r.event.Recipient != "" || who != nil
}

// server reads what the recipient's server said, and which it was: "name [address]".
// The context has its words where there is no message.
func (r *reader) server() {
	smtp := event.SMTP{Response: r.data.Prose("message")}
	r.reply = smtpcode.Read(smtp.Response)
	if context := smtpcode.Read(r.data.Peek("context")); r.reply == (smtpcode.Reply{}) && context != r.reply {
		r.reply = context
		if smtp.Response == "" {
			smtp.Response = r.data.String("context")
		}
	}
	smtp.Code, smtp.Enhanced = r.reply.Code, r.reply.Enhanced
	host := r.data.String("host")
	if name, address, ok := strings.Cut(host, " ["); ok && strings.HasSuffix(address, "]") {
		smtp.MX, host = name, strings.TrimSuffix(address, "]")
	}
	smtp.Remote = host
	if smtp != (event.SMTP{}) {
		r.event.SMTP = &smtp
	}
}

// response is the reply text; "" if there is none.
func (r *reader) response() string {
	if r.event.SMTP == nil {
		return ""
	}
	return r.event.SMTP.Response
}

// delivered: the message is the server's reply.
func (r *reader) delivered() { r.server() }

// bounced: the class is theirs. Attempts that may still succeed are no event, but
// whether a soft bounce ends them is not said.
func (r *reader) bounced() {
	r.server()
	e := r.event
	e.ProviderSubtype = r.data.String("bounce")
	e.Reason = r.response()
	said := event.UndeterminedClass
	switch strings.ToLower(e.ProviderSubtype) {
	case "hard":
		said = event.Hard
	case "soft":
		said = event.Soft
	}
	e.Bounce = new(r.reply.Bounce(said, e.Reason))
}

// rejected: no server was asked; the words say which suppression it was.
func (r *reader) rejected() {
	e := r.event
	if e.Reason = r.data.Prose("message"); e.Reason == "" {
		e.Reason = r.data.Prose("context")
	}
	e.Drop = &event.Drop{Reason: event.DropOther, Detail: e.Reason}
	text := strings.ToLower(e.Reason + " " + r.data.Peek("context"))
	for _, row := range r.parser.rejections {
		if strings.Contains(text, row.words) {
			e.Drop.Reason = row.reason
			return
		}
	}
}

// engaged: who opened or clicked, as far as that is known.
func (r *reader) engaged() {
	d := r.data
	g := event.Engagement{
		URL:       d.Prose("click_url"),
		IP:        d.String("srchost"),
		UserAgent: d.Prose("user-agent"),
		Country:   d.String("geoip-country"),
		Client:    d.String("client"),
	}
	if g.URL == "" {
		g.URL = d.Prose("url")
	}
	if g.URL == "" {
		g.URL = d.Prose("link")
	}
	if g != (event.Engagement{}) {
		r.event.Engagement = &g
	}
}
