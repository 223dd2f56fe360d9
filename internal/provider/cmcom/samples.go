package cmcom

import (
	"strings"

	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/pkg/event"
)

// samples returns one webhook or more for every type, and one for each
// sub-type of a bounce.
func samples() []provider.Sample {
	all := []provider.Sample{
		sample("sent", "sent", ""),
		sample("delivered", "delivered", ""),
		sample("opened", "opened", ""),
		sample("clicked", "clicked", ""),
		sample("bounced_integration_mode", "bounced",
			bounce("Bounce", "Integration Mode", "Integration Mode: bounced webhook simulation.")),
	}
	for _, s := range subTypeTable() {
		name := "bounced_" + string(s.class) + "_" + strings.ToLower(strings.ReplaceAll(s.name, " ", "_"))
		all = append(all, sample(name, "bounced", bounce(typeWord(s.class), s.name, "Delivery failed: "+s.name+".")))
	}
	return append(all,
		sample("suppressed", "suppressed", `,"suppressed":{"message":"The address was put on the suppression list."}`),
		sample("unsubscribed", "unsubscribed",
			`,"unsubscribe":{"unsubscribeType":"Link","unsubscribeReason":"Too many messages"}`),
		sample("complained", "complained", ""),
		sample("failed", "failed", `,"failed":{"messages":["The template is not valid.","The sender domain is not verified."]}`),
	)
}

// typeWord is what CM.com calls a class.
func typeWord(class event.BounceClass) string {
	if class == event.Soft {
		return "Soft Bounce"
	}
	return "Hard Bounce"
}

// sample wraps the part of data that belongs to the type.
func sample(name, typ, part string) provider.Sample {
	return provider.Sample{Name: name, ProviderType: typ, Body: `{"type":"` + typ +
		`","createdAt":"{{time}}","messageId":"{{uuid2}}","data":{"to":"{{recipient}}","from":"{{sender}}",` +
		`"id":"{{uuid}}","customerReference":"order-4711"` + part + `}}`}
}

func bounce(typ, sub, message string) string {
	return `,"bounce":{"type":"` + typ + `","subType":"` + sub + `","message":"` + message + `"}`
}
