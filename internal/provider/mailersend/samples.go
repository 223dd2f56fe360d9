package mailersend

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// samples returns one webhook or more for every event.
func samples() []provider.Sample {
	const visitor = `,"meta":{"ip":"203.0.113.7","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"`
	type sample struct{ typ, more string }
	var out []provider.Sample
	for _, s := range []sample{
		{"activity.sent", `,"meta":[]`},
		{"activity.delivered", `,"meta":[]`},
		{"activity.soft_bounced", `,"meta":{"reason":"452 4.2.2 mailbox full"}`},
		{"activity.hard_bounced", `,"meta":{"reason":"550 5.1.1 no such user"}`},
		{"activity.deferred", `,"meta":{"reason":"451 4.7.1 try again later"}`},
		{"activity.opened", visitor + `}`},
		{"activity.opened_unique", visitor + `}`},
		{"activity.clicked", visitor + `,"url":"https://example.com/offer"}`},
		{"activity.clicked_unique", visitor + `,"url":"https://example.com/offer"}`},
		{"activity.unsubscribed", `,"meta":{"reason":"no longer wanted"}`},
		{"activity.spam_complaint", `,"meta":[]`},
		{"activity.suppressed", `,"meta":{"reason":"on hold"}`},
		{"activity.survey_opened", `,"meta":[]`},
		{"activity.survey_submitted", `,"meta":[]`},
		{"sender_identity.verified", ""},
		{"maintenance.start", ""},
		{"maintenance.end", ""},
		{"inbound_forward.failed", `,"reason":"the endpoint answered 500"`},
		{"inbound_message.rejected", `,"reason":"attachment_size_exceeded"`},
		{"email_single.verified", ""},
		{"email_list.verified", ""},
		{"email_list.created", ""},
		{"bulk_email.completed", ""},
		{"recipient.on_hold_added", `,"on_hold_until":"{{time}}"`},
		{"recipient.on_hold_removed", ""},
		{"sms.sent", ""},
		{"sms.delivered", ""},
		{"sms.failed", ""},
		{"inbound.message", ""},
	} {
		data := `"id":"{{hex}}","domain_id":"yv69oxl5kl785kw2","email":"{{recipient}}"`
		if name, ok := strings.CutPrefix(s.typ, "activity."); ok {
			data += `,"message_id":"{{uuid2}}","email_id":"{{uuid}}","type":"` + name + `","subject":"Your invoice","tags":["invoice"]`
		}
		out = append(out, provider.Sample{
			Name: strings.ReplaceAll(s.typ, ".", "_"), ProviderType: s.typ,
			Body: `{"type":"` + s.typ + `","created_at":"{{time}}","webhook_id":"x7vdvgw1k5pn0qdj","data":{` + data + s.more + `}}`,
		})
	}
	return out
}
