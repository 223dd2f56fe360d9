package customerio

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// samples returns one webhook or more for every event.
func samples() []provider.Sample {
	const reply = `,"failure_message":"`
	type sample struct{ name, typ, more string }
	var out []provider.Sample
	for _, s := range []sample{
		{"attempted", "email_attempted", reply + `dial tcp: connection timed out"`},
		{"bounced_hard", "email_bounced", reply + `550 5.1.1 no such user"`},
		{"bounced_soft", "email_bounced", reply + `452 4.2.2 mailbox full"`},
		{"clicked", "email_clicked", `,"href":"https://example.com/offer","link_id":1,"machine":false`},
		{"converted", "email_converted", ""},
		{"deferred", "email_deferred", reply + `451 4.7.1 try again later"`},
		{"delivered", "email_delivered", ""},
		{"drafted", "email_drafted", ""},
		{"dropped", "email_dropped", ""},
		{"failed", "email_failed", reply + `the template could not be rendered"`},
		{"opened", "email_opened", `,"machine":false`},
		{"opened_machine", "email_opened", `,"machine":true`},
		{"sent", "email_sent", ""},
		{"complained", "email_spammed", ""},
		{"undeliverable", "email_undeliverable", ""},
		{"unsubscribed", "email_unsubscribed", ""},
	} {
		body := `{"event_id":"{{uuid}}","object_type":"email","metric":"` + strings.TrimPrefix(s.typ, "email_") +
			`","timestamp":{{unix}},"data":{"customer_id":"42","delivery_id":"{{hex}}","action_id":41,"campaign_id":23,` +
			`"identifiers":{"id":"42","email":"{{recipient}}","cio_id":"d9c106000001"},"recipient":"{{recipient}}","subject":"Your invoice"` + s.more + `}}`
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: body})
	}
	for _, name := range []string{"customer_subscribed", "customer_unsubscribed", "customer_subscription_preferences_changed"} {
		out = append(out, provider.Sample{Name: name, ProviderType: name, Body: `{"event_id":"{{uuid}}","object_type":"customer","metric":"` +
			strings.TrimPrefix(name, "customer_") + `","timestamp":{{unix}},"data":{"customer_id":"42","email_address":"{{recipient}}",` +
			`"identifiers":{"id":"42","email":"{{recipient}}","cio_id":"d9c106000001"}}}`})
	}
	return out
}
