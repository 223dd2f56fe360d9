package loops

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook for every type.
func samples() []provider.Sample {
	const (
		who      = `"contactIdentity":{"id":"{{hex}}","email":"{{recipient}}","userId":null}`
		mail     = who + `,"email":{"id":"{{uuid}}","emailMessageId":"{{uuid2}}","subject":"Your invoice"}`
		list     = who + `,"mailingList":{"id":"{{uuid}}","name":"News","description":null,"isPublic":true}`
		campaign = `,"sourceType":"campaign","campaignId":"{{hex}}"`
	)
	var out []provider.Sample
	for _, s := range []struct{ name, typ, data string }{
		{"contact_created", "contact.created", who + `,"contact":{"id":"{{hex}}","email":"{{recipient}}","firstName":null,"source":"API","subscribed":true,"mailingLists":{}}`},
		{"contact_unsubscribed", "contact.unsubscribed", who},
		{"contact_deleted", "contact.deleted", who},
		{"list_subscribed", "contact.mailingList.subscribed", list},
		{"list_unsubscribed", "contact.mailingList.unsubscribed", list},
		{"campaign_sent", "campaign.email.sent", mail + `,"campaignId":"{{hex}}","campaignName":"Spring"`},
		{"loop_sent", "loop.email.sent", mail + `,"loopId":"{{hex}}","loopName":"Welcome"`},
		{"transactional_sent", "transactional.email.sent", mail + `,"transactionalId":"{{hex}}","transactionalName":"Invoice"`},
		{"delivered", "email.delivered", mail + campaign},
		{"soft_bounced", "email.softBounced", mail + campaign},
		{"hard_bounced", "email.hardBounced", mail + campaign},
		{"opened", "email.opened", mail + campaign},
		{"clicked", "email.clicked", mail + campaign},
		{"unsubscribed", "email.unsubscribed", mail + campaign},
		{"resubscribed", "email.resubscribed", mail + campaign},
		{"spam_reported", "email.spamReported", mail + campaign},
	} {
		out = append(out, provider.Sample{Name: s.name, ProviderType: s.typ, Body: `{"eventName":"` + s.typ + `","eventTime":{{unix}},"webhookSchemaVersion":"1.0.0",` + s.data + `}`})
	}
	return out
}
