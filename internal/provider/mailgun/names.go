package mailgun

import "github.com/postrider/postrider/pkg/event"

// reason is what one of Mailgun's reasons for a failure means.
type reason struct {
	category event.BounceCategory // where the codes and words of the reply say none
	drop     event.DropReason     // not handed over at all: no bounce
	expired  bool                 // tried in vain: it says nothing of the address
}

// reasons maps the reasons of failed and of the legacy dropped.
func reasons() map[string]reason {
	return map[string]reason{
		"generic":              {},
		"bounce":               {},
		"espblock":             {category: event.SpamBlock},
		"greylisted":           {category: event.Transient},
		"blacklisted":          {category: event.SpamBlock},
		"old":                  {category: event.Timeout, expired: true},
		"hardfail":             {drop: event.DropSuppressed},
		"suppress-bounce":      {drop: event.DropPreviousBounce},
		"suppress-complaint":   {drop: event.DropComplained},
		"suppress-unsubscribe": {drop: event.DropUnsubscribed},
	}
}

// drops maps Mailgun's own codes for an address on one of its lists, which say more
// than the reason hardfail.
func drops() map[int]event.DropReason {
	return map[int]event.DropReason{
		605: event.DropPreviousBounce,
		606: event.DropUnsubscribed,
		607: event.DropComplained,
	}
}

// robot is the client-type of a machine.
const robot = "robot"
