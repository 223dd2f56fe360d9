package smtp2go

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// samples returns one webhook or more for every event: JSON, and the first of them
// as a form, too.
func samples() []provider.Sample {
	const (
		mail   = `"time":"{{time}}","sendtime":"{{time}}","sender":"{{sender}}","from":"Shop <{{sender}}>","from_address":"{{sender}}","from_name":"Shop","auth":"shop","email_id":"{{uuid}}","id":"{{hex}}","message-id":"<{{uuid2}}@example.com>","subject":"Your invoice"`
		one    = mail + `,"rcpt":"{{recipient}}"`
		server = one + `,"host":"mx1.example.com [192.0.2.25]"`
		client = one + `,"srchost":"203.0.113.7","user-agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","client":"Firefox","client-device":"Desktop","client-os":"Windows","geoip-continent":"EU","geoip-country":"DE","geoip-city":"Berlin"`
	)
	all := []struct{ name, event, data string }{
		{"processed", "processed", mail + `,"recipients":["{{recipient}}"],"srchost":"198.51.100.4"`},
		{"delivered", "delivered", server + `,"message":"250 2.0.0 OK queued as {{hex}}","context":"Unavailable"`},
		{"open", "open", client + `,"read-secs":15`},
		{"click", "click", client + `,"click_url":"https://example.com/invoices/4711","link":"https://link.example.com/{{hex}}"`},
		{"bounce_hard", "bounce", server + `,"bounce":"hard","message":"550 5.1.1 User unknown","context":"RCPT TO:<{{recipient}}>"`},
		{"bounce_soft", "bounce", server + `,"bounce":"soft","message":"452 4.2.2 Mailbox full","context":"RCPT TO:<{{recipient}}>"`},
		{"spam", "spam", one},
		{"unsubscribe", "unsubscribe", one},
		{"resubscribe", "resubscribe", one},
		{"reject", "reject", one + `,"message":"The recipient has previously hard-bounced"`},
	}
	for _, name := range []string{"sms_sending", "sms_submitted", "sms_delivered", "sms_failed", "sms_rejected", "opt-out"} {
		all = append(all, struct{ name, event, data string }{
			strings.ReplaceAll(name, "-", "_"), name,
			`"destination_number":"+64210000000","id":"{{hex}}","message_id":"{{uuid}}","received_timestamp":"{{time}}","region":"NZ","retry_count":1`,
		})
	}
	bodies := make([]provider.Sample, 0, len(all)+1)
	for _, s := range all {
		bodies = append(bodies, provider.Sample{Name: s.name, ProviderType: s.event, Body: `{"event":"` + s.event + `",` + s.data + `}`})
	}
	return append(bodies, provider.Sample{
		Name: "delivered_form", ProviderType: "delivered", ContentType: provider.ContentForm,
		Body: "event=delivered&time={{time}}&sendtime={{time}}&sender={{sender}}&rcpt={{recipient}}&email_id={{uuid}}" +
			"&host=mx1.example.com+%5B192.0.2.25%5D&message=250+2.0.0+OK+{{hex}}&context=Unavailable&subject=Your+invoice",
	})
}
