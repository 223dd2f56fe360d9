package ahasend

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		mail   = `"account_id":"{{uuid2}}","from":"{{sender}}","recipient":"{{recipient}}","subject":"Your invoice","message_id_header":"<{{hex}}@example.com>","id":"{{hex}}","is_bot":false`
		client = `,"user_agent":"Mozilla/5.0 (X11; Linux x86_64)","ip":"203.0.113.42"`
		inbox  = `"id":"{{hex}}","from":"{{sender}}","reply_to":"{{sender}}","to":"{{recipient}}","subject":"Re: your invoice","message_id":"<{{hex}}@example.net>","size":2048,"spam_score":0.1,"bounce":false,"cc":"","html_body":"","plain_body":"Thank you.","attachments":[]`
	)
	var out []provider.Sample
	for _, s := range []struct{ name, typ, data string }{
		{"reception", "message.reception", mail},
		{"delivered", "message.delivered", mail + `,"delivery_attempt":{"smtp_code":250,"enhanced_status_code":"2.0.0","response":"OK: queued","command":"DATA"}`},
		{"transient_error", "message.transient_error", mail + `,"delivery_attempt":{"classification":"QuotaIssues","smtp_code":452,"enhanced_status_code":"4.2.2","response":"Out of storage space","command":"RCPT TO"}`},
		{"failed", "message.failed", mail},
		{"bounced", "message.bounced", mail + `,"delivery_attempt":{"classification":"InvalidRecipient","smtp_code":550,"enhanced_status_code":"5.1.1","response":"No such user","command":"RCPT TO"}`},
		{"bounced_later", "message.bounced", mail},
		{"suppressed", "message.suppressed", mail},
		{"opened", "message.opened", mail + client},
		{"clicked", "message.clicked", mail + client + `,"url":"https://example.com/invoice"`},
		{"suppression_created", "suppression.created", `"account_id":"{{uuid2}}","recipient":"{{recipient}}","created_at":"{{time}}","expires_at":"{{time}}","reason":"Too many hard bounces","sending_domain":"example.com"`},
		{"dns_error", "domain.dns_error", `"domain":"example.com","account_id":"{{uuid2}}","spf_valid":false,"dkim_valid":true,"dmarc_valid":true,"dns_last_checked_at":"{{time}}"`},
		{"routing", "message.routing", inbox},
		{"routing_older_name", "route.message", inbox},
	} {
		endpoint := `"webhook_id"`
		if strings.HasPrefix(s.name, "routing") {
			endpoint = `"route_id"`
		}
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"type":"` + s.typ + `",` + endpoint + `:"{{uuid}}","timestamp":"{{time}}","data":{` + s.data + `}}`})
	}
	return out
}
