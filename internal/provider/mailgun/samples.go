package mailgun

import (
	"net/url"
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// signature is that of a request; the sender puts its own in its place.
const signature = `"signature":{"timestamp":"{{unix}}","token":"{{hex}}","signature":"{{hex}}{{hex}}"}`

// sample is the part of an event that is its own.
type sample struct{ name, typ, more string }

// current returns the webhooks of the current form.
func current() []sample {
	const (
		recipient = `,"recipient":"{{recipient}}","recipient-domain":"example.com"`
		message   = `,"message":{"headers":{"to":"{{recipient}}","message-id":"{{uuid2}}@mg.example.com","from":"{{sender}}","subject":"Your invoice"},"attachments":[],"size":868}`
		sent      = recipient + message + `,"envelope":{"transport":"smtp","sender":"{{sender}}","sending-ip":"192.0.2.10","targets":"{{recipient}}"},"flags":{"is-routed":false,"is-authenticated":true,"is-system-test":false,"is-test-mode":false}`
		client    = recipient + message + `,"ip":"203.0.113.7","geolocation":{"country":"NL","region":"NH","city":"Amsterdam"},"client-info":{"client-os":"Linux","device-type":"desktop","client-name":"Chrome","client-type":"browser","user-agent":"Mozilla/5.0 (X11; Linux x86_64)","bot":""}`
		list      = `,"mailing-list":{"address":"news@example.com","list-id":"news.example.com","sid":"1"},"task-id":"{{uuid2}}"`
	)
	return []sample{
		{"accepted", "accepted", sent + `,"method":"HTTP","storage":{"key":"{{hex}}","url":"https://storage.example.com/{{hex}}"}`},
		{"rejected", "rejected", message + `,"reject":{"reason":"Sandbox subdomains are for test purposes only","description":""}`},
		{"delivered", "delivered", sent + `,"delivery-status":{"tls":true,"mx-host":"mx.example.com","attempt-no":1,"description":"","session-seconds":0.4331989288330078,"utf8":true,"code":250,"message":"OK","certificate-verified":true}`},
		{"failed_permanent", "failed", sent + `,"severity":"permanent","reason":"bounce","delivery-status":{"tls":true,"mx-host":"mx.example.com","attempt-no":1,"description":"","session-seconds":0.02,"bounce-type":"hard","code":550,"enhanced-code":"5.1.1","message":"5.1.1 The account does not exist"}`},
		{"failed_temporary", "failed", sent + `,"severity":"temporary","reason":"generic","delivery-status":{"attempt-no":1,"retry-seconds":600,"code":452,"message":"4.2.2 Mailbox full","description":""}`},
		{"failed_suppressed", "failed", sent + `,"severity":"permanent","reason":"suppress-bounce","delivery-status":{"attempt-no":1,"message":"","code":605,"description":"Not delivering to previously bounced address","session-seconds":0}`},
		{"opened", "opened", client},
		{"clicked", "clicked", client + `,"url":"https://example.com/offer"`},
		{"unsubscribed", "unsubscribed", client},
		{"complained", "complained", recipient + message},
		{"stored", "stored", message + `,"storage":{"key":"{{hex}}","url":"https://storage.example.com/{{hex}}"}`},
		{"list_member_uploaded", "list_member_uploaded", list + `,"member":{"address":"{{recipient}}","subscribed":true}`},
		{"list_member_upload_error", "list_member_upload_error", list + `,"format":"csv","error":{"message":"no address"}`},
		{"list_uploaded", "list_uploaded", list + `,"format":"csv","upserted-count":2,"failed-count":0`},
	}
}

// legacy returns the fields of webhooks of the legacy form.
func legacy() []sample {
	return []sample{
		{"legacy_bounced", "bounced", `&code=5.1.1&error=550 5.1.1 no such user`},
		{"legacy_dropped", "dropped", `&reason=hardfail&code=605&description=Not delivering to previously bounced address`},
		{"legacy_dropped_old", "dropped", `&reason=old&code=452&description=Too old`},
		{"legacy_clicked", "clicked", `&ip=203.0.113.7&country=NL&region=NH&city=Amsterdam&client-name=Chrome&client-type=browser&client-os=Linux&device-type=desktop&user-agent=Mozilla/5.0&url=https://example.com/offer&tag=invoice`},
	}
}

// samples returns one webhook or more for every event.
func samples() []provider.Sample {
	var out []provider.Sample
	for _, s := range current() {
		body := `{` + signature + `,"event-data":{"id":"{{uuid}}","timestamp":{{unix}}.371841,"log-level":"info","event":"` + s.typ +
			`","tags":["invoice"],"user-variables":{"order":"4711"}` + s.more + `}}`
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: body})
	}
	for _, s := range legacy() {
		body := "event=" + s.typ + "&recipient={{recipient}}&domain=mg.example.com&Message-Id=<{{uuid2}}@mg.example.com>" + s.more +
			"&order=4711&timestamp={{unix}}&token={{hex}}&signature={{hex}}{{hex}}"
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: encoded(body), ContentType: provider.ContentForm})
	}
	return out
}

// encoded escapes what a form may not hold, and leaves the placeholders.
func encoded(form string) string {
	var b strings.Builder
	for i, part := range strings.Split(form, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		name, value, _ := strings.Cut(part, "=")
		b.WriteString(name + "=")
		b.WriteString(strings.NewReplacer("%7B", "{", "%7D", "}").Replace(url.QueryEscape(value)))
	}
	return b.String()
}
