package mailtrap

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every event.
func samples() []provider.Sample {
	const agent = `,"ip":"203.0.113.7","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"`
	type sample struct{ name, typ, more string }
	var out []provider.Sample
	for _, s := range []sample{
		{"delivered", "delivery", `,"response":"250 2.0.0 OK","response_code":250`},
		{"bounced", "bounce", `,"response":"bounced (550 5.1.1 no such user)","response_code":550,"bounce_category":"badrecipient"`},
		{"unsubscribed", "unsubscribe", agent},
		{"complained", "spam", ""},
		{"rejected", "reject", `,"reason":"Recipient in suppression list. Reason: unsubscription"`},
		{"soft_bounced", "soft bounce", `,"response":"soft bounced (452 4.2.2 mailbox full)","response_code":452,"bounce_category":"overquota"`},
		{"suspended", "suspension", `,"reason":"domain is not verified"`},
		{"opened", "open", agent},
		{"clicked", "click", agent + `,"url":"https://example.com/offer"`},
	} {
		body := `{"events":[{"event":"` + s.typ + `","event_id":"{{uuid}}","timestamp":{{unix}},"message_id":"{{uuid2}}","email":"{{recipient}}",` +
			`"sending_stream":"transactional","category":"invoice","custom_variables":{"order":"4711"}` + s.more + `}]}`
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: body})
	}
	return out
}
