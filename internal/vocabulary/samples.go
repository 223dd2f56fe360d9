package vocabulary

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// Types are the usual events, one row for each route of the canonical event, called
// what word says.
func Types(word func(event.Route) string) []provider.TypeInfo {
	var out []provider.TypeInfo
	for _, r := range event.Routes() {
		if r.Type != event.Unknown {
			out = append(out, provider.TypeInfo{ProviderType: word(r), Type: r.Type, Direction: r.Direction})
		}
	}
	return out
}

// Samples returns one event of every type. envelope makes the sample of a type around
// the members of its data.
func Samples(types []provider.TypeInfo, envelope func(word, data string) provider.Sample) []provider.Sample {
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
	for _, row := range types {
		s := envelope(row.ProviderType, people+more[string(row.Type)])
		s.Name, s.ProviderType = string(row.Type), row.ProviderType
		if row.Direction == event.Inbound {
			s.Name = "inbound_" + s.Name
		}
		out = append(out, s)
	}
	return out
}
