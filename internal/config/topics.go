package config

import "strings"

// Outbound returns the topic of outbound events of a type. Typ and family are
// canonical enumerations, never a provider's text.
func (t Topics) Outbound(typ, family string) string {
	return t.name(t.Templates.Outbound, "outbound", family, typ)
}

// Inbound returns the topic of inbound events of a type.
func (t Topics) Inbound(typ, family string) string {
	return t.name(t.Templates.Inbound, "inbound", family, typ)
}

// Raw returns the topic of authenticated requests as received.
func (t Topics) Raw() string { return t.name(t.Templates.Raw, "", "", "") }

// Deadletter returns the topic of what could not be made into an event.
func (t Topics) Deadletter() string { return t.name(t.Templates.Deadletter, "", "", "") }

// AllEvents returns the topic that every event is also published to while
// t.All is set.
func (t Topics) AllEvents() string { return t.name(t.Templates.All, "", "", "") }

// Seen returns the topic of the ids that receivers have seen.
func (t Topics) Seen() string { return t.name(t.Templates.Seen, "", "", "") }

// Replays returns the topic that remembers the runs of replays.
func (t Topics) Replays() string { return t.name(t.Templates.Replays, "", "", "") }

func (t Topics) name(template, direction, family, typ string) string {
	return strings.NewReplacer(
		"{prefix}", t.Prefix,
		"{direction}", direction,
		"{family}", family,
		"{type}", typ,
	).Replace(template)
}
