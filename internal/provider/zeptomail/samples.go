package zeptomail

import (
	"slices"

	"github.com/postrider/postrider/internal/provider"
)

// samples returns one webhook or more for every type, and one as a form.
func samples() []provider.Sample {
	const (
		info = `"email_info":{"to":[{"email_address":{"address":"{{recipient}}","name":"A. Customer"}}],"from":{"address":"{{sender}}","name":"Shop"},` +
			`"subject":"Your invoice","client_reference":"order-{{hex}}","email_reference":"13ef.{{hex}}","is_smtp_trigger":false,"processed_time":"{{time}}"}`
		client = `"time":"{{time}}","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","ip_address":"192.0.2.40","ip_location_info":{"country_code":"IN"},` +
			`"email_client":{"name":"Thunderbird","version":"140.0"}`
	)
	all := []struct{ name, typ, detail string }{
		{"bounced_soft", "softbounce", `"reason":"Mailbox full","bounced_recipient":"{{recipient}}","time":"{{time}}","diagnostic_message":"452 4.2.2 Over quota"`},
		{"bounced_hard", "hardbounce", `"reason":"Invalid recipient","bounced_recipient":"{{recipient}}","time":"{{time}}","diagnostic_message":"550 5.1.1 User unknown"`},
		{"opened", "email_open", client},
		{"clicked", "email_link_click", client + `,"clicked_link":"https://example.com/invoice"`},
		{"complaint", "feedback_loop", `"time":"{{time}}"`},
		{"delivered", "delivered", `"time":"{{time}}"`},
	}
	var out []provider.Sample
	for _, s := range all {
		out = append(out, provider.Sample{
			Name: s.name, ProviderType: s.typ,
			Body: `{"event_name":["` + s.typ + `"],"event_message":[{` + info + `,"event_data":[{"object":"` + s.typ + `","details":[{` + s.detail + `}]}],` +
				`"request_id":"{{uuid}}"}],"mailagent_key":"f2","webhook_request_id":"{{uuid2}}"}`,
		})
	}
	form := slices.Clone(out[:1])[0]
	form.Name, form.Field = "bounced_soft_form", "data"
	return append(out, form)
}
