package azure

import "github.com/postrider/postrider/internal/provider"

// sample is the data of one example.
type sample struct{ name, typ, data string }

// samples returns one webhook or more for every status and engagement, in Event Grid's
// schema, and one of CloudEvents'.
func samples() []provider.Sample {
	const (
		report = `"sender":"{{sender}}","recipient":"{{recipient}}","messageId":"{{uuid2}}","internetMessageId":"<{{uuid2}}@example.com>","deliveryAttemptTimeStamp":"{{time}}"`
		user   = `"sender":"{{sender}}","messageId":"{{uuid2}}","userActionTimeStamp":"{{time}}","userAgent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)"`
		host   = `"recipientMailServerHostName":"mx1.example.com"`
	)
	all := []sample{
		{"delivered", deliveryReport, report + `,"status":"Delivered","deliveryStatusDetails":{"statusMessage":"",` + host + `}`},
		{"expanded", deliveryReport, report + `,"status":"Expanded"`},
		{"failed", deliveryReport, report + `,"status":"Failed","deliveryStatusDetails":{"statusMessage":"Message could not be delivered"}`},
		{"bounced_hard_invalid_recipient", deliveryReport, report + `,"status":"Bounced","deliveryStatusDetails":{"statusMessage":"550 5.1.1 User unknown",` + host + `}`},
		{"suppressed", deliveryReport, report + `,"status":"Suppressed","deliveryStatusDetails":{"statusMessage":"Recipient is on the suppression list"}`},
		{"filtered_spam", deliveryReport, report + `,"status":"FilteredSpam"`},
		{"quarantined", deliveryReport, report + `,"status":"Quarantined"`},
		{"viewed", engagementReport, user + `,"engagementContext":"","engagementType":"view"`},
		{"clicked", engagementReport, user + `,"engagementContext":"https://example.com/orders/1","engagementType":"click"`},
	}
	out := make([]provider.Sample, 0, len(all)+1)
	for _, s := range all {
		out = append(out, provider.Sample{
			Name: s.name, ProviderType: s.typ, Header: []string{"Aeg-Event-Type: Notification"},
			Body: `[{"id":"{{uuid}}","topic":"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mail/providers/microsoft.communication/communicationservices/mail",` +
				`"subject":"sender/{{sender}}/message/{{uuid2}}","data":{` + s.data + `},"eventType":"` + s.typ + `","dataVersion":"1.0","metadataVersion":"1","eventTime":"{{time}}"}]`,
		})
	}
	return append(out, provider.Sample{
		Name: "cloudevents_delivered", ProviderType: deliveryReport, ContentType: "application/cloudevents+json; charset=utf-8",
		Body: `{"id":"{{uuid}}","source":"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mail/providers/microsoft.communication/communicationservices/mail",` +
			`"specversion":"1.0","type":"` + deliveryReport + `","subject":"sender/{{sender}}/message/{{uuid2}}","time":"{{time}}","data":{` + all[0].data + `}}`,
	})
}
