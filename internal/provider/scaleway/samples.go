package scaleway

import (
	"github.com/postrider/postrider/internal/provider"
)

// sample is one example without what all have.
type sample struct{ name, typ, data string }

// samples returns one notification or more for every type.
func samples() []provider.Sample {
	const (
		mail = `"email_id":"{{uuid2}}","email_from":"{{sender}}","email_to":"{{recipient}}","email_headers":[{"key":"Subject","value":"Your order"},{"key":"Message-ID","value":"<{{uuid2}}@example.com>"}]`
		sent = mail + `,"email_sent_at":"{{time}}"`
		list = `"blocklist_id":"{{uuid2}}","blocklist_type":"mailbox_not_found","blocklist_reason":"550 5.1.1 user unknown"`
	)
	all := []sample{
		{"queued", "email_queued", mail + `,"email_queued_at":"{{time}}"`},
		{"delivered", "email_delivered", sent + `,"email_response_code":250,"email_response_message":"2.0.0 OK"`},
		{"deferred", "email_deferred", sent + `,"email_error":"greylisted","email_next_try":"{{time}}","email_try_count":2,"email_response_code":451,"email_response_message":"4.7.1 Greylisted, try again later"`},
		{"dropped", "email_dropped", sent + `,"email_error":"mailbox disabled","email_response_code":550,"email_response_message":"5.2.1 mailbox disabled"`},
		{"mailbox_not_found", "email_mailbox_not_found", sent + `,"email_response_code":550,"email_response_message":"5.1.1 user unknown"`},
		{"spam_refused", "email_spam", sent + `,"email_response_code":554,"email_response_message":"5.7.1 message looks like spam"`},
		{"spam_held", "email_spam", mail},
		{"blocklisted", "email_blocklisted", mail + `,"email_blocklisted_at":"{{time}}",` + list},
		{"blocklist_created", "blocklist_created", `"email_to":"{{recipient}}",` + list},
		{"unknown_type", "unknown_type", mail},
	}
	out := make([]provider.Sample, len(all))
	for i, s := range all {
		out[i] = s.notification()
	}
	return out
}

// notification puts the record into an SNS envelope.
func (s *sample) notification() provider.Sample {
	record := `{"id":"{{uuid}}","type":"` + s.typ + `","organization_id":"00000000-0000-4000-8000-000000000001","project_id":"00000000-0000-4000-8000-000000000002",` +
		`"domain_id":"00000000-0000-4000-8000-000000000003","domain_name":"example.com","created_at":"{{time}}",` + s.data + `}`
	body := append([]byte(`{"Type":"Notification","MessageId":"{{uuid2}}","TopicArn":"arn:scw:sns:fr-par:project-00000000-0000-4000-8000-000000000002:tem","Message":`),
		provider.Embed(record)...)
	body = append(body, `,"Timestamp":"{{time}}","SignatureVersion":"1"}`...)
	return provider.Sample{Name: s.name, ProviderType: s.typ, Body: string(body), ContentType: "text/plain; charset=UTF-8"}
}
