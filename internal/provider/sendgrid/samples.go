package sendgrid

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every event.
func samples() []provider.Sample {
	const (
		all   = `"email":"{{recipient}}","timestamp":{{unix}},"sg_event_id":"{{uuid}}"`
		msg   = `,"smtp-id":"<{{uuid2}}@mail.example.com>","sg_message_id":"{{hex}}.recvd-5f54b5d587-pczjm-1-67BADEEA-6.0","category":["invoice"],"order":"4711"`
		agent = `,"ip":"203.0.113.7","useragent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"`
		group = agent + `,"url":"https://example.com/preferences","asm_group_id":10`
	)
	type sample struct{ name, typ, more string }
	var out []provider.Sample
	for _, s := range []sample{
		{"bounced_hard", "bounce", msg + `,"type":"bounce","status":"5.1.1","reason":"550 5.1.1 no such user","bounce_classification":"Invalid Address","ip":"192.0.2.10","tls":1`},
		{"bounced_blocked", "bounce", msg + `,"type":"blocked","status":"5.7.1","reason":"550 5.7.1 listed by a blocklist","bounce_classification":"Reputation","ip":"192.0.2.10","tls":1`},
		{"bounced_expired", "bounce", msg + `,"type":"expired","reason":"unable to get mx info","bounce_classification":"Unclassified","tls":0`},
		{"delivered", "delivered", msg + `,"response":"250 2.0.0 OK {{hex}}","ip":"192.0.2.10","tls":1`},
		{"deferred", "deferred", msg + `,"response":"451 4.7.1 try again later","attempt":"2"`},
		{"dropped", "dropped", msg + `,"reason":"Bounced Address","status":"5.0.0"`},
		{"processed", "processed", msg + `,"send_at":{{unix}},"pool":{"name":"transactional","id":210}`},
		{"clicked", "click", msg + agent + `,"url":"https://example.com/offer?id=1","url_offset":{"index":0,"type":"html"}`},
		{"opened", "open", msg + agent + `,"sg_content_type":"html","sg_machine_open":false`},
		{"opened_machine", "open", msg + agent + `,"sg_content_type":"html","sg_machine_open":true`},
		{"complained", "spamreport", msg},
		{"unsubscribed", "unsubscribe", msg},
		{"group_unsubscribed", "group_unsubscribe", msg + group},
		{"group_resubscribed", "group_resubscribe", msg + group},
	} {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `[{` + all + `,"event":"` + s.typ + `"` + s.more + `}]`})
	}
	return append(out, provider.Sample{
		Name: "account_suspended", ProviderType: "account_status_change",
		Body: `[{"event":"account_status_change","sg_event_id":"{{uuid}}","timestamp":{{unix}},"type":"compliance_suspend"}]`,
	})
}
