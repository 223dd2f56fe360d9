package jetemail

import "github.com/postrider/postrider/internal/provider"

// sample is the data of one example; head and the placeholders are the same for all.
type sample struct{ name, typ, data string }

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		out = `"uid":"{{uuid2}}","from":"{{sender}}","to":"{{recipient}}"`
		in  = `"uid":"{{uuid2}}","from":"{{sender}}","to":"{{recipient}}","subject":"Re: your invoice","domain":"example.com"`
		mx  = `"mx":"mx1.example.com","host":"192.0.2.25"`
	)
	all := []sample{
		{"queued", "outbound.queued", out + `,"subject":"Your invoice","user":"billing-api"`},
		{"delivered", "outbound.delivered", out + `,"subject":"Your invoice","mx":"mx1.example.com","host":"2001:db8:25::1b","ip":"2001:db8:15::1","response":"250 2.0.0 OK queued as {{hex}}"`},
		{"deferred", "outbound.deferred", out + `,` + mx + `,"response":"451 4.7.1 Greylisted, try again later"`},
		{"bounced_hard", "outbound.bounced", out + `,"bounce_type":"hard",` + mx + `,"response":"550 5.1.1 User unknown"`},
		{"bounced_soft", "outbound.bounced", out + `,"bounce_type":"soft",` + mx + `,"response":"452 4.2.2 Mailbox full"`},
		{"rejected", "outbound.rejected", out + `,` + mx + `,"response":"550 5.7.1 Message rejected due to policy"`},
		{"spam", "outbound.spam", out + `,"subject":"Buy now!!!","score":15.3,"rules":"URIBL_BLOCKED,HTML_IMAGE_RATIO_02"`},
		{"virus", "outbound.virus", out + `,"subject":"Document attached","response":"Virus detected: Eicar-Test-Signature"`},
		{"dropped_policy", "outbound.dropped", `"entity_type":"from","entity_value":"{{sender}}","reason":"sender is blocked","user":"billing-api"`},
		{"dropped_rate_limit", "outbound.dropped", `"entity_type":"to","entity_value":"{{recipient}}","reason":"rate limit exceeded","user":"billing-api"`},
		{"opened", "outbound.opened", `"uid":"{{uuid2}}","country":"AU","email_client":"Gmail","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)"`},
		{"clicked", "outbound.clicked", `"uid":"{{uuid2}}","url":"https://example.com/promo?utm_source=mail","country":"AU","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)"`},
		{"complaint", "outbound.complaint", out},
		{"inbound_received", "inbound.received", in + `,"host":"mail.example.net","ip":"203.0.113.1"`},
		{"inbound_delivered", "inbound.delivered", in + `,"response":"250 OK"`},
		{"inbound_spam", "inbound.spam", in + `,"spam_score":12.5,"spam_report":"URIBL_BLOCKED,BAYES_99"`},
		{"inbound_blocked", "inbound.blocked", in + `,"response":"550 5.7.1 Sender blocked by policy"`},
	}
	bodies := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		body := `{"id":"evt_{{uuid}}","service":"` + string(direction(s.typ, "")) + `","type":"` + s.typ +
			`","created_at":{{unix}},"data":{` + s.data + `}}`
		bodies = append(bodies, provider.Sample{Name: s.name, ProviderType: s.typ, Body: body})
	}
	return bodies
}
