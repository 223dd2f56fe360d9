package mailomat

import "github.com/postrider/postrider/internal/provider"

// samples returns one webhook for every type.
func samples() []provider.Sample {
	const (
		message = `"message-uuid":"{{uuid2}}","message":{"headers":{"from":"{{sender}}","to":"{{recipient}}","message-id":"<{{hex}}@example.com>","subject":"Your invoice"},"size":1234}`
		remote  = `"remote":{"ip":"192.0.2.25","mx":"mx.example.com"}`
		client  = message + `,"client":{"ip":"203.0.113.42","user-agent":"Mozilla/5.0 (X11; Linux x86_64)"}`
	)
	var out []provider.Sample
	for _, s := range []struct{ typ, payload string }{
		{"accepted", message},
		{"not_accepted", message + `,"reason":"Not enough remaining emails available to send 1 emails (limit 100000, sent 100000, remaining 0)"`},
		{"delivered", message + `,"delivery-status":{"attempt-nr":1,"code":250,"enhanced-code":"2.0.0","message":"2.0.0 OK",` + remote + `}`},
		{"failure_tmp", message + `,"delivery-status":{"attempt-nr":1,"code":451,"enhanced-code":"4.7.1","message":"4.7.1 Greylisted, try again later",` + remote + `}`},
		{"failure_perm", message + `,"delivery-status":{"attempt-nr":1,"code":550,"enhanced-code":"5.1.1","message":"5.1.1 address unknown",` + remote + `}`},
		{"opened", client},
		{"clicked", client + `,"url":"https://example.com/invoice"`},
	} {
		out = append(out, provider.Sample{
			Name: s.typ, ProviderType: s.typ,
			Body: `{"id":"{{uuid}}","eventType":"` + s.typ + `","occurredAt":"{{time}}","messageUuid":"{{uuid2}}","messageId":"{{hex}}@example.com","recipient":"{{recipient}}","payload":{"event":"` + s.typ + `","timestamp":{{unix}},` + s.payload + `}}`,
		})
	}
	return out
}
