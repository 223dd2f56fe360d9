package mandrill

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		msg = `"_id":"{{hex}}","ts":{{unix}},"msg":{"_id":"{{hex}}","ts":{{unix}},"subject":"Your invoice","email":"{{recipient}}","sender":"{{sender}}",` +
			`"tags":["invoice"],"metadata":{"order":"4711"},"template":null,"subaccount":null,"opens":[],"clicks":[],"_version":"{{uuid}}"`
		smtp   = `,"smtp_events":[{"ts":{{unix}},"type":"sent","diag":"250 2.0.0 OK","source_ip":"198.51.100.7","destination_ip":"192.0.2.25","size":19486}]}`
		client = `},"ip":"192.0.2.40","location":{"country_short":"AT","country":"Austria","city":"Graz"},"user_agent":"Mozilla/5.0 (X11; Linux x86_64)",` +
			`"user_agent_parsed":{"type":"Email Client","ua_family":"Thunderbird","mobile":false}`
		entry = `"ts":{{unix}},"reject":{"reason":"hard-bounce","detail":"550 mailbox {{hex}} does not exist","email":"{{recipient}}","subaccount":null,"expired":false}`
	)
	all := []struct{ name, typ, body string }{
		{"sent", "send", `"event":"send",` + msg + `,"state":"sent"` + smtp},
		{"deferred", "deferral", `"event":"deferral",` + msg + `,"state":"deferred","smtp_events":[{"ts":{{unix}},"type":"deferred",` +
			`"diag":"451 4.3.5 Temporarily unavailable","destination_ip":"192.0.2.25","size":0}]}`},
		{"bounced_hard", "hard_bounce", `"event":"hard_bounce",` + msg + `,"state":"bounced","bounce_description":"bad_mailbox","bgtools_code":10,"diag":"smtp;550 5.1.1 No such user"}`},
		{"bounced_soft", "soft_bounce", `"event":"soft_bounce",` + msg + `,"state":"soft-bounced","bounce_description":"mailbox_full","bgtools_code":22,"diag":"smtp;552 5.2.2 Over quota"}`},
		{"delivered", "delivered", `"event":"delivered",` + msg + `,"state":"delivered"` + smtp},
		{"opened", "open", `"event":"open",` + msg + client},
		{"clicked", "click", `"event":"click",` + msg + client + `,"url":"https://example.com/invoice"`},
		{"complaint", "spam", `"event":"spam",` + msg + `,"state":"spam"}`},
		{"unsubscribed", "unsub", `"event":"unsub",` + msg + `,"state":"unsub"}`},
		{"rejected", "reject", `"event":"reject",` + msg + `,"state":"rejected","reject":{"reason":"hard-bounce","detail":"550 mailbox does not exist"}}`},
		{"inbound", "inbound", `"event":"inbound","ts":{{unix}},"msg":{"raw_msg":"Subject: Re: your invoice\r\n\r\nThanks!","headers":{"Message-Id":"<{{uuid}}@example.com>"},` +
			`"text":"Thanks!","from_email":"{{sender}}","email":"{{recipient}}","to":[["{{recipient}}",null]],"subject":"Re: your invoice","tags":[],"sender":null}`},
		{"blacklist_add", "blacklist", `"type":"blacklist","action":"add",` + entry},
		{"blacklist_remove", "blacklist", `"type":"blacklist","action":"remove",` + entry},
		{"denylist_add", "denylist", `"type":"denylist","action":"add",` + entry},
		{"denylist_remove", "denylist", `"type":"denylist","action":"remove",` + entry},
		{"whitelist_add", "whitelist", `"type":"whitelist","action":"add","ts":{{unix}},"entry":{"email":"{{recipient}}","detail":"our own {{hex}}"}`},
		{"allowlist_add", "allowlist", `"type":"allowlist","action":"add","ts":{{unix}},"entry":{"email":"{{recipient}}","detail":"our own {{hex}}"}`},
	}
	out := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Field: field, Body: `[{` + s.body + `}]`})
	}
	return out
}
