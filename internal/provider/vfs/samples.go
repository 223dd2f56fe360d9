package vfs

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook or more for every type, in the spellings of the
// page's example.
func samples() []provider.Sample {
	const browser = `"userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10_3) AppleWebKit/537.36","ipAddr":"203.0.113.50"`
	all := []struct{ name, typ, attr string }{
		{"dropped_suppressed", "Dropped", `,"attr":{"reason":"Global Suppression","code":"100.0.0"}`},
		{"dropped_unsubscribed", "Dropped", `,"attr":{"reason":"Previously Unsubscribed","code":"100.0.0"}`},
		{"failed", "Failed", `,"attr":{"reason":"Missing Token.","code":"100.0.0"}`},
		{"sent", "Sent", `,"attr":null`},
		{"deferred", "Deferred", `,"attr":{"attempts":2,"reason":"Network not available."}`},
		{"bounced_hard", "HardBounce", `,"attr":{"reason":"Bad destination mailbox address.","statusCode":"5.1.1"}`},
		{"bounced_soft", "SoftBounce", `,"attr":{"reason":"Mailbox disabled, not accepting messages.","statusCode":"5.2.1"}`},
		{"delivered", "Delivered", `,"attr":{"response":"250 Requested mail action okay, completed."}`},
		{"opened", "Opened", `,"attr":{` + browser + `}`},
		{"opened_trailing_comma", "Opened", `,"attr":{` + browser + `,}`},
		{"clicked", "Clicked", `,"attr":{` + browser + `,"url":"https://example.com/rates?id=7"}`},
		{"complaint", "Complaint", `,"attr":{}`},
		{"unsubscribe", "Unsubscribe", ``},
	}
	bodies := make([]provider.Sample, 0, len(all))
	for _, s := range all {
		body := `{"jobid":"VE{{hex}}","itemId":"{{uuid2}}","eventId":"{{uuid}}","type":"` + s.typ +
			`","timestamp":"{{unix}}"` + s.attr + `}`
		bodies = append(bodies, provider.Sample{Name: s.name, ProviderType: s.typ, Body: body})
	}
	return bodies
}
