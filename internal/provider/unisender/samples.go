package unisender

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every status. A webhook of theirs names
// the second only: the job makes each event another.
func samples() []provider.Sample {
	const (
		mail   = `"job_id":"{{uuid}}","metadata":{"order":"4711"},"email":"{{recipient}}","event_time":"{{time}}"`
		client = `"delivery_info":{"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","ip":"203.0.113.7","country_code":"DE","country":"Germany","city":"Berlin"}`
	)
	info := func(status, response string) string {
		return `,"delivery_info":{"delivery_status":"` + status + `","destination_response":"` + response + `"}`
	}
	all := []struct{ name, typ, data string }{
		{"accepted", "accepted", mail},
		{"sent", "sent", mail},
		{"delivered", "delivered", mail + info("ok_delivered", "250 2.0.0 OK {{hex}}")},
		{"opened", "opened", mail + `,` + client},
		{"clicked", "clicked", mail + `,"url":"https://example.com/invoices/4711",` + client},
		{"unsubscribed", "unsubscribed", mail},
		{"subscribed", "subscribed", mail},
		{"soft_bounced", "soft_bounced", mail + info("err_will_retry", "451 4.7.1 Greylisted, try again later")},
		{"hard_bounced_unknown_user", "hard_bounced", mail + info("err_user_unknown", "550 5.1.1 User unknown")},
		{"hard_bounced_spam", "hard_bounced", mail + info("err_spam_rejected", "550 Spam rejected")},
		{"hard_bounced_not_sent", "hard_bounced", mail + info("err_unreachable", "")},
		{"hard_bounced_lost", "hard_bounced", mail + info("err_lost", "")},
		{"spam", "spam", mail + info("ok_fbl", "")},
		{"spam_block", spamBlock, `"block_time":"{{time}}","block_type":"one_smtp","domain":"{{hex}}.example.com","SMTP_blocks_count":8,"domain_status":"blocked"`},
	}
	bodies := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		name, data := emailStatus, `"status":"`+s.typ+`",`+s.data
		if s.typ == spamBlock {
			name, data = spamBlock, s.data
		}
		body := `{"auth":"{{hex}}","events_by_user":[{"user_id":456,"project_id":"6432890213745872","project_name":"Shop","events":[` +
			`{"event_name":"` + name + `","event_data":{` + data + `}}]}]}`
		bodies = append(bodies, provider.Sample{Name: s.name, ProviderType: s.typ, Body: body})
	}
	return bodies
}
