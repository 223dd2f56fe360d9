// Package zeptomail reads the webhooks of Zoho ZeptoMail.
//
// Pages: https://www.zoho.com/zeptomail/help/webhooks.html (set-up, signature, the lists
// of fields) and https://www.zoho.com/zeptomail/webhooks-instant-notification.html (the
// payloads of bounces, opens and clicks). Feedback loops and deliveries are among the
// events of the dashboard, but their payloads are on neither page: what they share with
// the others is read. Nothing is documented about retries.
//
// A JSON object, as the body or as the one field of a form, whose name is not fixed:
// {event_name[], event_message[{email_info, event_data[{object, details[]}], request_id}],
// mailagent_key, webhook_request_id}. What to know:
//   - Everything is an array, and each entry of details is an event: a bounce has one
//     for each recipient that bounced, in bounced_recipient.
//   - Opens and clicks do not say who, where a message has several recipients.
//   - An open is told only the first time.
//   - Whether webhook_request_id stays the same on a retry is not said. The content of
//     the whole object is the identity.
//   - Some receivers see an object where the page has an array of one: both are read.
package zeptomail

import (
	"bytes"

	"github.com/postrider/postrider/internal/jsondoc"
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
	"github.com/postrider/postrider/pkg/webhook"
)

// Definition returns what the bridge knows of ZeptoMail.
func Definition() provider.Definition {
	return provider.Definition{
		ID:     "zeptomail",
		Title:  "ZeptoMail",
		Doc:    "https://www.zoho.com/zeptomail/help/webhooks.html",
		Mapper: 1,
		Auth:   "zeptomail",
		Policy: provider.Policy{
			Busy:    503,
			Retries: "not documented; counts as none",
		},
		Types:     table().Types(),
		Identity:  "derived",
		MaxEvents: 0,
		Forms:     true,
		New:       provider.WithoutOptions("zeptomail", newParser),
		Samples:   samples,
	}
}

// table maps ZeptoMail's types, those of the page first.
func table() provider.Table[reader] {
	return provider.Table[reader]{
		{Name: "softbounce", Type: event.Bounced, Detail: (*reader).softBounce},
		{Name: "hardbounce", Type: event.Bounced, Detail: (*reader).hardBounce},
		{Name: "email_open", Type: event.Opened, Detail: (*reader).opened},
		{Name: "email_link_click", Type: event.Clicked, Detail: (*reader).clicked},
		{Name: "feedback_loop", Type: event.Complained, Detail: (*reader).complaint},
		{Name: "delivered", Type: event.Delivered},
	}
}

// parser holds the table by folded name: the words are seen with and without '_'.
type parser struct {
	rows provider.Rows[reader]
}

// newParser makes the parser of any source.
func newParser() provider.Parser {
	p := &parser{table().Folded()}
	for alias, name := range map[string]string{"email_delivered": "delivered", "fbl_complaint": "feedback_loop"} {
		p.rows[jsondoc.Fold(alias)] = p.rows[jsondoc.Fold(name)]
	}
	return p
}

// Parse implements provider.Parser.
func (p *parser) Parse(v webhook.Verified) []provider.Result {
	req := v.Request()
	return provider.Reading{Forms: true, Field: formField(req.Body), Several: p.several}.Read(req)
}

// formField is the name of the one field of a form that holds JSON; where there is no
// such form, that of Zoho's example.
func formField(body []byte) string {
	name, value, _ := bytes.Cut(bytes.TrimSpace(body), []byte("="))
	value = bytes.ToUpper(value[:min(len(value), len("%7B"))])
	opens := bytes.HasPrefix(value, []byte("%7B")) || bytes.HasPrefix(value, []byte("{"))
	if !opens || len(name) == 0 || bytes.IndexByte(body, '&') >= 0 {
		return "data"
	}
	return string(name)
}
