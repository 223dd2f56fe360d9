package sweego

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		head = `"timestamp":"{{time}}","swg_uid":"02-{{uuid}}","event_id":"{{uuid2}}","transaction_id":"{{uuid}}",`
		mail = head + `"channel":"email","headers":{"x-mailer":"Sweego","x-campaign-type":"transac","x-transaction-id":"{{uuid}}"},"campaign_tags":["invoice"],"campaign_type":"transac","campaign_id":"transac","recipient":"{{recipient}}","domain_from":"example.com"`
		seen = `"ip_address":"203.0.113.42","user_agent":"Mozilla/5.0 (X11; Linux x86_64)","proxy":false}`
		sms  = head + `"channel":"sms","campaign_id":"{{hex}}"`
		log  = `Sep 02 08:45:08 info Sender/mx id=1 from={{sender}} to={{recipient}} mx=mx.example.com[192.0.2.25] `
	)
	var out []provider.Sample
	for _, s := range []struct{ name, typ, data string }{
		{"sent", "email_sent", mail},
		{"delivered", "delivered", mail + `,"details":"` + log + `ACCEPTED (250 2.0.0 OK)"`},
		{"soft_bounce", "soft-bounce", mail + `,"details":"` + log + `REJECTED[capacity] (452 4.2.2 User quota exceeded)","response_code":452,"status":null`},
		{"hard_bounce", "hard_bounce", mail + `,"details":"` + log + `REJECTED[other] (550 5.1.1 Invalid recipient)","response_code":550,"status":null`},
		{"list_unsub", "list_unsub", mail + `,"one_click":false`},
		{"complaint", "complaint", mail},
		{"clicked", "email_clicked", mail + `,"subject":"Your invoice","click":{"url":"https://example.com/invoice",` + seen},
		{"opened", "email_opened", mail + `,"subject":"Your invoice","open":{` + seen},
		{"inbound", "email_inbound", head + `"channel":"email","from_":{"email":"{{sender}}","name":"Ada"},"to":[{"email":"{{recipient}}","name":""}],"cc":[],"subject":"Re: your invoice","text":"Thank you.","html":null,"inbound_domain":"example.com","attachments":[]`},
		{"sms_sent", "sms_sent", sms},
		{"sms_undelivered", "sms_undelivered", sms},
		{"sms_stop", "sms_stop", sms},
		{"sms_clicked", "sms_clicked", sms},
	} {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"event_type":"` + s.typ + `",` + s.data + `}`})
	}
	return out
}
