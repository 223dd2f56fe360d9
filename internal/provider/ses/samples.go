package ses

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// sample is the record of one example without its mail.
type sample struct{ name, typ, data string }

// samples returns one notification or more for every type; what is about the account
// comes by EventBridge alone.
func samples() []provider.Sample {
	const (
		about   = `"timestamp":"{{time}}","feedbackId":"{{hex}}-000000"`
		refused = `"emailAddress":"{{recipient}}","action":"failed"`
		client  = `"timestamp":"{{time}}","ipAddress":"198.51.100.7","userAgent":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)"`
	)
	all := []sample{
		{"send", "Send", `"send":{}`},
		{"delivery", "Delivery", `"delivery":{"timestamp":"{{time}}","processingTimeMillis":812,"recipients":["{{recipient}}"],"smtpResponse":"250 2.0.0 OK queued as {{hex}}","reportingMTA":"a8-50.smtp-out.amazonses.com"}`},
		{"delivery_delay", "DeliveryDelay", `"deliveryDelay":{"timestamp":"{{time}}","delayType":"TransientCommunicationFailure","expirationTime":"{{time}}","delayedRecipients":[{"emailAddress":"{{recipient}}","status":"4.4.1","diagnosticCode":"smtp; 421 4.4.1 Unable to connect to remote host"}]}`},
		{"bounce_hard_no_email", "Bounce", `"bounce":{` + about + `,"bounceType":"Permanent","bounceSubType":"NoEmail","bouncedRecipients":[{` + refused + `,"status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}],"reportingMTA":"dsn; mta.example.com"}`},
		{"bounce_soft_mailbox_full", "Bounce", `"bounce":{` + about + `,"bounceType":"Transient","bounceSubType":"MailboxFull","bouncedRecipients":[{` + refused + `,"status":"4.2.2","diagnosticCode":"smtp; 452 4.2.2 mailbox full"}]}`},
		{"complaint", "Complaint", `"complaint":{` + about + `,"complainedRecipients":[{"emailAddress":"{{recipient}}"}],"complaintFeedbackType":"abuse","userAgent":"ExampleFeedback/1.0"}`},
		{"bounce_suppressed", "Bounce", `"bounce":{` + about + `,"bounceType":"Permanent","bounceSubType":"OnAccountSuppressionList","bouncedRecipients":[{` + refused + `,"status":"5.1.1"}]}`},
		{"complaint_suppressed", "Complaint", `"complaint":{` + about + `,"complaintSubType":"OnAccountSuppressionList","complainedRecipients":[{"emailAddress":"{{recipient}}"}]}`},
		{"reject", "Reject", `"reject":{"reason":"Bad content"}`},
		{"open", "Open", `"open":{` + client + `}`},
		{"click", "Click", `"click":{` + client + `,"link":"https://example.com/orders/1","linkTags":{"placement":["footer"]}}`},
		{"rendering_failure", "Rendering Failure", `"failure":{"errorMessage":"Attribute 'name' is not present in the rendering data.","templateName":"Order"}`},
		{"subscription", "Subscription", `"subscription":{"contactList":"Customers","timestamp":"{{time}}","source":"UnsubscribeHeader",` +
			`"newTopicPreferences":{"unsubscribeAll":true,"topicSubscriptionStatus":[{"topicName":"Offers","subscriptionStatus":"OptOut"}]},` +
			`"oldTopicPreferences":{"unsubscribeAll":false,"topicSubscriptionStatus":[{"topicName":"Offers","subscriptionStatus":"OptIn"}]}}`},
		{"subscription_again", "Subscription", `"subscription":{"contactList":"Customers","timestamp":"{{time}}","source":"SubscriptionPage",` +
			`"newTopicPreferences":{"unsubscribeAll":false},"oldTopicPreferences":{"unsubscribeAll":true}}`},
	}
	var out []provider.Sample
	for _, s := range all {
		out = append(out, s.notification())
	}
	for _, r := range table() {
		if r.typ == event.Unknown {
			out = append(out, account(r.name))
		}
	}
	return out
}

// notification puts the record into an SNS envelope.
func (s *sample) notification() provider.Sample {
	const mail = `"mail":{"timestamp":"{{time}}","messageId":"{{hex}}-000000","source":"{{sender}}","sendingAccountId":"123456789012",` +
		`"sourceArn":"arn:aws:ses:eu-west-1:123456789012:identity/example.com","destination":["{{recipient}}"],"headersTruncated":false,` +
		`"commonHeaders":{"from":["{{sender}}"],"to":["{{recipient}}"],"messageId":"<{{uuid2}}@example.com>","subject":"Your order"},` +
		`"tags":{"ses:configuration-set":["orders"],"campaign":["orders"]}}`
	record := `{"eventType":"` + s.typ + `",` + mail + `,` + s.data + `}`
	return envelope(s.name, s.typ, record)
}

// envelope puts a record into an SNS envelope, ready to be signed.
func envelope(name, typ, record string) provider.Sample {
	body := append([]byte(`{"Type":"Notification","MessageId":"{{uuid}}","TopicArn":"arn:aws:sns:eu-west-1:123456789012:ses-events",`+
		`"Subject":"Amazon SES Email Event Notification","Message":`), provider.Embed(record)...)
	body = append(body, `,"Timestamp":"{{time}}","SignatureVersion":"2"}`...)
	return provider.Sample{
		Name: name, ProviderType: typ, Body: string(body), ContentType: "text/plain; charset=UTF-8",
		Header: []string{"X-Amz-Sns-Message-Type: Notification", "X-Amz-Sns-Topic-Arn: arn:aws:sns:eu-west-1:123456789012:ses-events"},
	}
}

// account is an EventBridge event about the account, through an SNS topic.
func account(name string) provider.Sample {
	record := `{"version":"0","id":"{{uuid2}}","detail-type":"` + name + `","source":"aws.ses","account":"123456789012","time":"{{time}}",` +
		`"region":"eu-west-1","resources":["arn:aws:ses:eu-west-1:123456789012:identity/example.com"],"detail":{"version":"1.0.0"}}`
	return envelope(strings.ToLower(strings.ReplaceAll(name, " ", "_")), name, record)
}
