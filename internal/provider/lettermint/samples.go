package lettermint

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		mail   = `"message_id":"{{uuid2}}","subject":"Your invoice","metadata":{"order":"1042"},"tag":"invoice"`
		to     = mail + `,"recipient":"{{recipient}}"`
		later  = mail + `,"scheduled_at":"{{time}}"`
		client = `,"device_type":"desktop","client_type":"browser","client_name":"Firefox","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","bot":{"detected":false,"machine":false}`
		listed = `"suppression_id":"{{uuid2}}","type":"email","value":"{{recipient}}","reason":"manual","applies_to":"all"`
	)
	var out []provider.Sample
	for _, s := range []struct{ name, typ, data string }{
		{"created", "message.created", mail + `,"from":{"email":"{{sender}}","name":"Acme"},"to":["{{recipient}}"],"cc":[],"bcc":[],"reply_to":null`},
		{"scheduled", "message.scheduled", later},
		{"rescheduled", "message.rescheduled", later + `,"previous_scheduled_at":"{{time}}"`},
		{"released", "message.released", later + `,"released_at":"{{time}}","release_delay_seconds":0`},
		{"canceled", "message.canceled", later + `,"canceled_at":"{{time}}"`},
		{"sent", "message.sent", to},
		{"delivered", "message.delivered", to + `,"response":{"status_code":250,"enhanced_status_code":"2.0.0","content":"OK queued"}`},
		{"hard_bounced", "message.hard_bounced", to + `,"response":{"status_code":550,"enhanced_status_code":"5.1.1","content":"User unknown"}`},
		{"soft_bounced", "message.soft_bounced", to + `,"response":{"status_code":452,"enhanced_status_code":"4.2.2","content":"Mailbox full"}`},
		{"spam_complaint", "message.spam_complaint", to},
		{"failed", "message.failed", to + `,"reason":"Could not be processed","response":{}`},
		{"suppressed", "message.suppressed", to + `,"reason":"The recipient is suppressed"`},
		{"policy_rejected_spam", "message.policy_rejected", mail + `,"reason":"Spam score threshold exceeded","score":7.5,"spam_symbols":[{"name":"BAYES_SPAM","score":3.5}]`},
		{"policy_rejected", "message.policy_rejected", mail + `,"reason":"policy violation","score":0,"spam_symbols":[]`},
		{"unsubscribed", "message.unsubscribed", to + `,"unsubscribed_at":"{{time}}"`},
		{"opened", "message.opened", to + `,"opened_at":"{{time}}","first_open":true` + client},
		{"clicked", "message.clicked", to + `,"clicked_at":"{{time}}","destination_url":"https://example.com/invoice","link_index":0,"first_click":true` + client},
		{"auto_replied", "message.auto_replied", mail + `,"auto_reply":{"sender":"{{recipient}}","recipient":"{{sender}}","subject":"Out of office"}`},
		{"inbound", "message.inbound", `"route":"inbound","message_id":"{{uuid2}}","from":{"email":"{{sender}}","name":"Ada"},"to":[{"email":"{{recipient}}"}],"recipient":"{{recipient}}","subject":"Re: your invoice","is_spam":false,"spam_score":0.1`},
		{"suppression_added", "suppression.added", listed},
		{"suppression_removed", "suppression.removed", listed},
	} {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"id":"{{uuid}}","event":"` + s.typ + `","timestamp":"{{time}}","data":{` + s.data + `}}`})
	}
	return out
}
