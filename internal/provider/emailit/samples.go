package emailit

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		head    = `"id":"em_{{hex}}","object":"email","from":"Acme <{{sender}}>","to":"{{recipient}}","subject":"Your invoice","meta":{"order_id":"1042"}`
		early   = head + `,"timestamp":"{{time}}"`
		outcome = head + `,"created_at":"{{time}}","updated_at":"{{time}}","status":`
		mail    = `"email_id":"em_{{hex}}","email":{"id":"em_{{hex}}","rcpt_to":"{{recipient}}","mail_from":"{{sender}}","subject":"Your invoice","created_at":"{{time}}","meta":null},"ip_address":"203.0.113.42","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","created_at":"{{time}}"`
		listed  = `"id":"sup_{{hex}}","object":"suppression","email":"{{recipient}}","type":"bounce","reason":"User unknown","created_at":"{{time}}","keep_until":null`
	)
	all := []struct{ typ, object string }{
		{"email.accepted", early},
		{"email.scheduled", early + `,"scheduled_at":"{{time}}"`},
		{"email.canceled", early + `,"status":"canceled","previous_status":"scheduled"`},
		{"email.delivered", outcome + `"delivered"`},
		{"email.attempted", outcome + `"attempted","smtp_code":452,"smtp_enhanced_code":"4.2.2","smtp_response":"Mailbox full"`},
		{"email.bounced", outcome + `"bounced"`},
		{"email.failed", outcome + `"failed"`},
		{"email.rejected", outcome + `"rejected"`},
		{"email.suppressed", outcome + `"suppressed"`},
		{"email.held", outcome + `"held"`},
		{"email.complained", outcome + `"complained"`},
		{"email.loaded", `"id":"load_{{hex}}","object":"load",` + mail},
		{"email.clicked", `"id":"click_{{hex}}","object":"click",` + mail + `,"link":{"id":"link_{{hex}}","url":"https://example.com/invoice"}`},
		{"email.unsubscribed", head + `,"campaign":null,"contact":null,"unsubscribed_at":"{{time}}"`},
		{"email.resubscribed", head + `,"campaign":null,"contact":null,"resubscribed_at":"{{time}}"`},
		{"email.received", `"id":"em_{{hex}}","object":"email","from":"{{sender}}","to":"{{recipient}}","subject":"Re: your invoice","created_at":"{{time}}"`},
		{"suppression.created", listed},
		{"suppression.updated", listed},
		{"suppression.deleted", listed},
		{"subscriber.resubscribed", `"id":"sub_{{hex}}","object":"subscriber","email":"{{recipient}}","created_at":"{{time}}"`},
	}
	for _, status := range []string{"sent", "hardfail", "softfail", "bounce", "error", "held", "delayed"} {
		all = append(all, struct{ typ, object string }{"email.delivery." + status, `"email":{"id":3131351548,"token":"{{hex}}","type":"outgoing",` +
			`"message_id":"<{{uuid}}@example.com>","to":"{{recipient}}","from":"{{sender}}","subject":"Your invoice","timestamp":"{{unix}}.8817",` +
			`"spam_status":0,"tag":null},"status":"` + status + `","details":"told by the server","sent_with_ssl":true,"timestamp":{{unix}}.041502,"time":0.56`})
	}
	for _, name := range resources() {
		kind, _, _ := strings.Cut(name, ".")
		all = append(all, struct{ typ, object string }{name, `"id":"{{hex}}","object":"` + kind + `","created_at":"{{time}}","updated_at":"{{time}}"`})
	}
	out := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		out = append(out, provider.Sample{
			Name: strings.ReplaceAll(s.typ, ".", "_"), ProviderType: s.typ,
			Body: `[{"event_id":"evt_{{uuid}}","type":"` + s.typ + `","object":{` + s.object + `},"data":{"object":{` + s.object + `}}}]`,
		})
	}
	return out
}
