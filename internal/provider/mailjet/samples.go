package mailjet

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		client  = `,"ip":"192.0.2.40","geo":"FR","agent":"Mozilla/5.0 (X11; Linux x86_64)"`
		message = `,"time":{{unix}},"MessageID":1152921534567890123,"Message_GUID":"{{uuid}}","email":"{{recipient}}","mj_campaign_id":7257,` +
			`"mj_contact_id":4,"customcampaign":"","CustomID":"order-{{hex}}","Payload":"{\"order\":4711}"`
	)
	all := []struct{ name, typ, fields string }{
		{"delivered", "sent", `,"smtp_reply":"sent (250 2.0.0 OK {{unix}} x7 - gsmtp)"`},
		{"opened", "open", client},
		{"clicked", "click", client + `,"url":"https://example.com/welcome"`},
		{"bounced_hard", "bounce", `,"blocked":false,"hard_bounce":true,"error_related_to":"recipient","error":"user unknown","comment":"550 5.1.1 No such user"`},
		{"bounced_soft", "bounce", `,"blocked":false,"hard_bounce":false,"error_related_to":"recipient","error":"quota exceeded","comment":""`},
		{"greylisted", "bounce", `,"blocked":false,"hard_bounce":false,"error_related_to":"domain","error":"greylisted","comment":"450 4.7.1 Try again"`},
		{"blocked", "blocked", `,"error_related_to":"mailjet","error":"preblocked"`},
		{"complaint", "spam", `,"source":"JMRPP"`},
		{"unsubscribed", "unsub", `,"mj_list_id":1` + client},
	}
	out := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"event":"` + s.typ + `"` + message + s.fields + `}`})
	}
	return out
}
