package event

// Type is the canonical event type: what became of a message, in one word
// that means the same for every provider.
type Type string

// The canonical types. Outbound events of a type share one Kafka topic;
// inbound ones share another (see Route).
const (
	Queued        Type = "queued"        // the provider accepted the message
	Sent          Type = "sent"          // handed to the SMTP network
	Deferred      Type = "deferred"      // temporary failure, the provider will try again
	Delivered     Type = "delivered"     // accepted by the recipient's server
	Bounced       Type = "bounced"       // refused by the recipient side; Bounce.Class says for how long
	Dropped       Type = "dropped"       // the provider did not hand it over: suppression, policy, spam, virus
	Failed        Type = "failed"        // could not be built or sent: template, content, system
	Opened        Type = "opened"        // tracking pixel fetched
	Clicked       Type = "clicked"       // tracked link followed
	Complained    Type = "complained"    // feedback loop report
	Unsubscribed  Type = "unsubscribed"  // the recipient opted out
	Subscribed    Type = "subscribed"    // the recipient opted in (again)
	Suppressed    Type = "suppressed"    // the address was put on a list
	Autoresponded Type = "autoresponded" // a machine answered
	Received      Type = "received"      // inbound mail arrived
	Unknown       Type = "unknown"       // anything else; never refused
)

// Family groups types by who causes them.
type Family string

// The families, as consumers subscribe to them.
const (
	FamilyDelivery   Family = "delivery"
	FamilyEngagement Family = "engagement"
	FamilyFeedback   Family = "feedback"
	FamilyOther      Family = "other"
)

// Direction says which way the message travelled. It is part of the routing
// key: inbound and outbound events never share a topic.
type Direction string

// The directions.
const (
	Outbound Direction = "outbound"
	Inbound  Direction = "inbound"
)

// Types lists every canonical type in the order of a message's life.
func Types() []Type {
	return []Type{
		Queued, Sent, Deferred, Delivered, Bounced, Dropped, Failed,
		Opened, Clicked, Complained, Unsubscribed, Subscribed, Suppressed,
		Autoresponded, Received, Unknown,
	}
}

// Family returns the family of t, FamilyOther for a type this package does not know.
func (t Type) Family() Family {
	switch t {
	case Queued, Sent, Deferred, Delivered, Bounced, Dropped, Failed:
		return FamilyDelivery
	case Opened, Clicked:
		return FamilyEngagement
	case Complained, Unsubscribed, Subscribed, Suppressed, Autoresponded:
		return FamilyFeedback
	case Received, Unknown:
		return FamilyOther
	}
	return FamilyOther
}

// Valid reports whether t is one of Types.
func (t Type) Valid() bool {
	return t == Received || t == Unknown || t.Family() != FamilyOther
}

// Allowed reports whether events of this type exist in this direction.
// Nothing is received outbound; nobody opens, clicks, complains about or
// unsubscribes from a message that came in.
func (t Type) Allowed(d Direction) bool {
	switch d {
	case Outbound:
		return t.Valid() && t != Received
	case Inbound:
		return t == Received || t == Unknown || (t.Family() == FamilyDelivery && t != Sent)
	}
	return false
}
