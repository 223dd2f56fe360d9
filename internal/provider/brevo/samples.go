package brevo

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		message = `,"email":"{{recipient}}","id":4711,"date":"2026-01-02 04:04:05","ts":{{unix}},"ts_event":{{unix}},"ts_epoch":{{unix}}123,` +
			`"message-id":"<{{uuid}}@smtp-relay.mailin.fr>","subject":"Your invoice","X-Mailin-custom":"{\"order\":\"4711\"}",` +
			`"sending_ip":"198.51.100.7","template_id":22,"tags":["invoice"]`
		campaign = `,"email":"{{recipient}}","id":4712,"camp_id":{{number}},"campaign name":"Spring","date_sent":"2026-01-02 04:00:00",` +
			`"date_event":"2026-01-02 04:04:05","ts_sent":{{unix}},"ts_event":{{unix}},"ts":{{unix}},"tag":"","segment_ids":[1]`
		contact = `,"email":"{{recipient}}","id":4713,"key":"{{hex}}","date":"2026-01-02 04:04:05","ts":{{unix}},"ts_event":{{unix}}`
		client  = `,"user_agent":"Mozilla/5.0 (X11; Linux x86_64)","device_used":"DESKTOP","contact_id":8`
	)
	all := []struct{ name, typ, fields string }{
		{"sent", "request", message},
		{"clicked", "click", message + client + `,"link":"https://example.com/invoice"`},
		{"deferred", "deferred", message + `,"reason":"451 4.7.1 Greylisted, try again later"`},
		{"delivered", "delivered", message},
		{"bounced_soft", "soft_bounce", message + `,"reason":"452 4.2.2 Mailbox full"`},
		{"complaint", "spam", message},
		{"opened_first", "unique_opened", message + client},
		{"bounced_hard", "hard_bounce", message + `,"reason":"550 5.1.1 User unknown"`},
		{"opened", "opened", message + client},
		{"invalid", "invalid_email", message},
		{"blocked", "blocked", message},
		{"error", "error", message + `,"reason":"the template could not be rendered"`},
		{"unsubscribed", "unsubscribed", message + client},
		{"opened_proxy", "proxy_open", message + client},
		{"opened_proxy_first", "unique_proxy_open", message + client},
		{"campaign_delivered", "delivered", campaign},
		{"campaign_clicked", "click", campaign + `,"URL":"https://example.com/spring"`},
		{"campaign_unsubscribe", "unsubscribe", campaign + `,"list_id":[4]`},
		{"list_addition", "list_addition", contact + `,"list_id":[4]`},
		{"contact_updated", "contact_updated", contact + `,"content":[{"name":"FIRSTNAME"}]`},
		{"contact_deleted", "contact_deleted", contact},
	}
	out := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"event":"` + s.typ + `"` + s.fields + `}`})
	}
	return out
}
