package standardwebhooks

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// samples returns one event of every type.
func samples() []provider.Sample {
	const people = `"message_id":"{{uuid2}}","sender":"{{sender}}","recipient":"{{recipient}}"`
	more := map[string]string{
		"deferred":   `,"smtp_response":"451 4.7.1 Greylisted, try again later","attempt":1`,
		"bounced":    `,"bounce":{"type":"hard"},"smtp_response":"550 5.1.1 User unknown"`,
		"dropped":    `,"drop_reason":"suppressed","reason":"The address is on the suppression list"`,
		"failed":     `,"reason":"The template does not exist"`,
		"opened":     `,"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","ip":"192.0.2.7"`,
		"clicked":    `,"url":"https://example.com/promo?utm_source=mail","ip":"192.0.2.7"`,
		"complained": `,"complaint_type":"abuse"`,
	}
	var out []provider.Sample
	for _, row := range types() {
		name := string(row.Type)
		if row.Direction == event.Inbound {
			name = "inbound_" + name
		}
		out = append(out, provider.Sample{
			Name: name, ProviderType: row.ProviderType,
			Body: `{"type":"` + row.ProviderType + `","timestamp":"{{time}}","data":{` + people + more[string(row.Type)] + `,"batch_id":"{{uuid}}"}}`,
		})
	}
	return out
}
