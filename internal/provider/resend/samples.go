package resend

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
)

// sample is the data of one example; the rest is the same for all.
type sample struct{ name, typ, data string }

// samples returns one webhook or more for every type.
func samples() []provider.Sample {
	const (
		mail = `"created_at":"{{time}}","email_id":"{{uuid}}","message_id":"<{{hex}}@example.com>","from":"Acme <{{sender}}>","to":["{{recipient}}"],"subject":"Your invoice","tags":{"category":"invoice"}`
		on   = `"id":"{{uuid}}","email":"{{recipient}}","source_id":"{{uuid2}}","created_at":"{{time}}"`
		who  = `"id":"{{uuid}}","audience_id":"{{uuid2}}","segment_ids":[],"created_at":"{{time}}","updated_at":"{{time}}","email":"{{recipient}}","first_name":"Ada","last_name":"Lovelace","unsubscribed":false`
		dom  = `"id":"{{uuid}}","name":"example.com","status":"verified","created_at":"{{time}}","region":"eu-west-1","records":[]`
		box  = `"source":"api","inbox_id":"{{uuid}}"`
	)
	all := []sample{
		{"sent", "email.sent", mail},
		{"scheduled", "email.scheduled", mail},
		{"delivered", "email.delivered", mail},
		{"delayed", "email.delivery_delayed", mail},
		{"bounced_permanent", "email.bounced", mail + `,"bounce":{"type":"Permanent","subType":"General","message":"The recipient's email provider sent a hard bounce message.","diagnosticCode":["smtp; 550 5.1.1 User unknown"]}`},
		{"bounced_mailbox_full", "email.bounced", mail + `,"bounce":{"type":"Transient","subType":"MailboxFull","message":"The recipient's inbox was full."}`},
		{"bounced_suppressed", "email.bounced", mail + `,"bounce":{"type":"Permanent","subType":"OnAccountSuppressionList","message":"Resend has suppressed sending to this address."}`},
		{"complained", "email.complained", mail},
		{"opened", "email.opened", mail},
		{"clicked", "email.clicked", mail + `,"click":{"ipAddress":"203.0.113.42","link":"https://example.com/invoice","timestamp":"{{time}}","userAgent":"Mozilla/5.0 (X11; Linux x86_64)"}`},
		{"failed", "email.failed", mail + `,"failed":{"reason":"reached_daily_quota"}`},
		{"suppressed", "email.suppressed", mail + `,"suppressed":{"type":"OnAccountSuppressionList","message":"The address is on the account suppression list."}`},
		{"received", "email.received", `"email_id":"{{uuid}}","created_at":"{{time}}","from":"{{sender}}","to":["{{recipient}}"],"cc":[],"bcc":[],"received_for":["{{recipient}}"],"message_id":"<{{hex}}@example.net>","subject":"Re: your invoice","attachments":[]`},
		{"suppression_added", "suppression.added", on + `,"origin":"bounce"`},
		{"suppression_removed", "suppression.removed", on + `,"origin":"manual"`},
	}
	for _, rest := range []struct{ types, data string }{
		{"contact.created contact.updated contact.deleted", who},
		{"domain.created domain.updated domain.deleted", dom},
		{"inbox.created inbox.updated inbox.deleted inbox.thread.created inbox.thread.folder.updated inbox.thread.assigned " +
			"inbox.thread.unassigned inbox.thread.labels.updated inbox.email.received inbox.email.sent inbox.draft.created " +
			"inbox.draft.updated inbox.draft.sent inbox.draft.deleted", box},
	} {
		for typ := range strings.FieldsSeq(rest.types) {
			all = append(all, sample{strings.ReplaceAll(typ, ".", "_"), typ, rest.data})
		}
	}
	bodies := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		bodies = append(bodies, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"type":"` + s.typ + `","created_at":"{{time}}","data":{` + s.data + `}}`})
	}
	return bodies
}
