package postal

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every event.
func samples() []provider.Sample {
	const (
		about = `{"id":48211,"token":"Kq3vXw81ZbNd","direction":"outgoing","message_id":"{{uuid2}}@mail.example.com",` +
			`"to":"{{recipient}}","from":"{{sender}}","subject":"Your invoice","timestamp":{{unix}}.25,"spam_status":"NotSpam","tag":"invoice"}`
		message = `"message":` + about
		arrived = `"message":{"id":48244,"token":"Wd91xTn4EoRy","direction":"incoming","message_id":"{{uuid2}}@mail.example.org",` +
			`"to":"{{recipient}}","from":"{{sender}}","subject":"Re: Your invoice","timestamp":{{unix}}.25,"spam_status":"NotSpam","tag":null}`
		server = `"server":{"uuid":"{{uuid2}}","name":"Billing","permalink":"billing","organization":"example"}`
		client = `"ip_address":"203.0.113.7","user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)",`
		timed  = `"timestamp":{{unix}}.5,"time":0.31,"sent_with_ssl":true,`
	)
	all := []struct{ name, event, payload string }{
		{"sent", "MessageSent", `"status":"Sent","details":"Message for {{recipient}} accepted by 192.0.2.25:25 (mx1.example.com)","output":"250 2.0.0 OK {{hex}}",` + timed + message},
		{"sent_inbound", "MessageSent", `"status":"Sent","details":"Received a 200 from https://app.example.com/mail","output":"",` + timed + arrived},
		{"delayed", "MessageDelayed", `"status":"SoftFail","details":"Temporary SMTP delivery error when sending to 192.0.2.25:25 (mx1.example.com)","output":"451 4.7.1 Greylisted, try again later",` + timed + message},
		{"delayed_inbound", "MessageDelayed", `"status":"SoftFail","details":"Received a 503 from https://app.example.com/mail","output":"",` + timed + arrived},
		{"failed_unknown_user", "MessageDeliveryFailed", `"status":"HardFail","details":"Permanent SMTP delivery error when sending to 192.0.2.25:25 (mx1.example.com)","output":"550 5.1.1 User unknown",` + timed + message},
		{"failed_after_all_attempts", "MessageDeliveryFailed", `"status":"HardFail","details":"Maximum number of delivery attempts (18) has been reached.","output":"",` + timed + message},
		{"failed_spam", "MessageDeliveryFailed", `"status":"HardFail","details":"Message is likely spam. Threshold is 5.0 and the message scored 7.4.","output":"",` + timed + message},
		{"failed_domain_gone", "MessageDeliveryFailed", `"status":"HardFail","details":"Message's domain no longer exist","output":"",` + timed + message},
		{"failed_inbound", "MessageDeliveryFailed", `"status":"HardFail","details":"Received a 404 from https://app.example.com/mail","output":"",` + timed + arrived},
		{"failed_inbound_spam", "MessageDeliveryFailed", `"status":"HardFail","details":"Message is spam and the route specifies it should be failed.","output":"",` + timed + arrived},
		{"failed_inbound_no_route", "MessageDeliveryFailed", `"status":"HardFail","details":"Message does not have a route and/or endpoint available for delivery.","output":"",` + timed + arrived},
		{"held_suppressed", "MessageHeld", `"status":"Held","details":"Recipient ({{recipient}}) is on the suppression list (reason: too many hard fails)","output":"",` + timed + message},
		{"held_send_limit", "MessageHeld", `"status":"Held","details":"Message held because send limit (1000) has been reached.","output":"",` + timed + message},
		{"held_inbound_quarantine", "MessageHeld", `"status":"Held","details":"Message placed into quarantine.","output":"",` + timed + arrived},
		{"bounced", "MessageBounced", `"original_message":` + about + `,"bounce":{"id":48230,"token":"Zr5mYt02QcLf","direction":"incoming","message_id":"{{hex}}@mx1.example.com","to":"kq3vxw@psrp.example.com","from":"","subject":"Undelivered Mail Returned to Sender","timestamp":{{unix}}.75,"spam_status":"NotSpam","tag":null}`},
		{"clicked", "MessageLinkClicked", `"url":"https://example.com/invoices/4711","token":"VQzsF70S",` + client + message},
		{"loaded", "MessageLoaded", client + message},
		{"dns_error", "DomainDNSError", `"domain":"example.com","uuid":"{{uuid2}}","dns_checked_at":{{unix}}.5,"spf_status":"OK","spf_error":null,"dkim_status":"Invalid","dkim_error":"The record does not match.","mx_status":"Missing","mx_error":null,"return_path_status":"OK","return_path_error":null,` + server},
		{"send_limit_approaching", "SendLimitApproaching", server + `,"volume":920,"limit":1000`},
		{"send_limit_exceeded", "SendLimitExceeded", server + `,"volume":1000,"limit":1000`},
	}
	bodies := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		body := `{"event":"` + s.event + `","timestamp":{{unix}}.5,"payload":{` + s.payload + `},"uuid":"{{uuid}}"}`
		bodies = append(bodies, provider.Sample{Name: s.name, ProviderType: s.event, Body: body})
	}
	return bodies
}
