package postmark

import "github.com/postrider/postrider/internal/provider"

// sample is what one example has beside what all of a type have.
type sample struct{ name, typ, fields string }

// Parts of samples.
const (
	sampleMessage    = `"MessageID":"{{uuid}}","ServerID":23,"MessageStream":"outbound","Tag":"welcome-email","Metadata":{"user_id":"4711"}`
	sampleBounce     = `"Email":"{{recipient}}","From":"{{sender}}","BouncedAt":"{{time}}","Subject":"Your invoice","DumpAvailable":true`
	sampleEngagement = `"Recipient":"{{recipient}}","ReceivedAt":"{{time}}","Platform":"Desktop","UserAgent":"Mozilla/5.0 (X11; Linux x86_64)",` +
		`"OS":{"Name":"Ubuntu","Family":"Linux","Company":"Canonical Ltd."},"Client":{"Name":"Thunderbird 140.0","Family":"Thunderbird","Company":"Mozilla"},` +
		`"Geo":{"IP":"192.0.2.40","City":"Graz","Country":"Austria","CountryISOCode":"AT","Zip":"8010","Coords":"47.07,15.44"}`
	sampleChange = `"Recipient":"{{recipient}}","ChangedAt":"{{time}}"`
)

// samples returns one webhook or more for every type, and one for every bounce type.
func samples() []provider.Sample {
	all := []sample{
		{"delivered", "Delivery", `"Recipient":"{{recipient}}","DeliveredAt":"{{time}}","Details":"smtp;250 2.0.0 OK queued as {{hex}}"`},
		{"complaint", "SpamComplaint", `"ID":{{number}},"Type":"SpamComplaint","TypeCode":100001,"Name":"Spam complaint",` + sampleBounce},
		{"opened", "Open", sampleEngagement + `,"FirstOpen":true,"ReadSeconds":5`},
		{"clicked", "Click", sampleEngagement + `,"ClickLocation":"HTML","OriginalLink":"https://example.com/welcome"`},
		{"unsubscribed", "SubscriptionChange", sampleChange + `,"Origin":"Recipient","SuppressSending":true,"SuppressionReason":"ManualSuppression"`},
		{"suppressed_hard_bounce", "SubscriptionChange", sampleChange + `,"Origin":"Recipient","SuppressSending":true,"SuppressionReason":"HardBounce"`},
		{"resubscribed", "SubscriptionChange", sampleChange + `,"Origin":"Customer","SuppressSending":false,"SuppressionReason":null`},
	}
	details := map[string]string{
		"HardBounce": "smtp;550 5.1.1 The account does not exist", "SoftBounce": "smtp;452 4.2.2 Mailbox full",
		"Transient": "smtp;421 4.4.1 Connection timed out", "Blocked": "smtp;554 5.7.1 Listed by example.org",
		"SMTPApiError": "You tried to send to a recipient that has been marked as inactive.",
	}
	for _, b := range bounceTable() {
		all = append(all, sample{"bounce_" + b.name, "Bounce", `"Type":"` + b.name + `","Name":"` + b.name + `","Details":"` + details[b.name] + `",` + sampleBounce})
	}
	out := make([]provider.Sample, 0, len(all)+1)
	for _, s := range all {
		out = append(out, provider.Sample{
			Name: s.name, ProviderType: s.typ,
			Body: `{"RecordType":"` + s.typ + `",` + sampleMessage + `,` + s.fields + `}`,
		})
	}
	return append(out, provider.Sample{Name: "inbound", ProviderType: recordInbound, Body: `{"FromName":"A. Customer","MessageStream":"inbound",` +
		`"From":"{{sender}}","FromFull":{"Email":"{{sender}}","Name":"A. Customer","MailboxHash":""},` +
		`"To":"{{recipient}}","ToFull":[{"Email":"{{recipient}}","Name":"","MailboxHash":""}],"OriginalRecipient":"{{recipient}}",` +
		`"Subject":"Re: your invoice","MessageID":"{{uuid}}","Date":"Fri, 2 Jan 2026 03:04:05 +0000","TextBody":"Thanks!","Attachments":[]}`})
}
