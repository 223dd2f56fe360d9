package webhook

import "crypto"

// buildSendGrid makes SendGrid's signed event webhook as its page and its own
// libraries say (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features,
// https://github.com/sendgrid/sendgrid-go, helpers/eventwebhook):
// X-Twilio-Email-Event-Webhook-Signature is the base64 of an ECDSA signature
// (ASN.1, curve P-256) of the SHA-256 of the unix seconds in
// X-Twilio-Email-Event-Webhook-Timestamp and the body, which ends in CR LF. The
// secret is the webhook's verification key, base64 or PEM. Every subuser has a key
// of its own: give all of them.
//
// Whether a retry is signed anew is not documented, so that the tolerance should
// exceed the day for which there are any.
func buildSendGrid(cfg Config, rep *report) Verifier {
	return &signedVerifier{
		scheme: "sendgrid",
		layouts: []signedLayout{{
			signature: "X-Twilio-Email-Event-Webhook-Signature",
			timestamp: "X-Twilio-Email-Event-Webhook-Timestamp",
			hash:      crypto.SHA256,
		}},
		tolerance: checkTolerance(cfg.Tolerance, rep),
		keys:      rep.checkKeys(cfg, kindECDSA),
	}
}
