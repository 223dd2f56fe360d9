package trace

import (
	"slices"

	"github.com/postrider/postrider/pkg/event"
)

// decide returns the event that decides where a message stands; nil if none does.
// The steps are in their order, so that it does not matter in which order they
// arrived. The rules are those of docs/events.md, "Order of states":
//
//   - complained and unsubscribed are never overwritten.
//   - bounced, dropped and failed are final: only a later delivery or another final
//     failure replaces them; an open or a click does not. A bounce that the provider
//     tries again is a deferral, and a soft one of which it does not say so is open.
//   - a final failure replaces delivered, opened and clicked only if it is later.
//   - else the later one counts, and of one moment, or where a side does not know
//     its own, the one that is further on the way.
func decide(steps []Step) *event.Event {
	var state *event.Event
	for i := range steps {
		if e := &steps[i].Event; standingOf(e) != standsForNothing && replaces(e, state) {
			state = e
		}
	}
	return state
}

// standing is what an event means for where its message stands.
type standing int

// The standings, in the order of the way.
const (
	standsForNothing standing = iota // about the address, or nobody knows
	received
	queued
	sent
	deferred // also a bounce that leaves it open
	delivered
	opened
	clicked
	failed   // for good
	feedback // complained, unsubscribed
)

// standingOf is that of an event.
func standingOf(e *event.Event) standing {
	switch t := e.Type; {
	case t == event.Bounced && open(e.Bounce):
		return deferred
	case t == event.Bounced, t == event.Dropped, t == event.Failed:
		return failed
	case t == event.Complained, t == event.Unsubscribed:
		return feedback
	}
	way := []event.Type{event.Received, event.Queued, event.Sent, event.Deferred, event.Delivered, event.Opened, event.Clicked}
	return received + standing(slices.Index(way, e.Type)) // one that is not on the way stands for nothing
}

// open reports whether a bounce is not the end.
func open(b *event.Bounce) bool {
	switch {
	case b == nil:
		return false
	case b.WillRetry != nil:
		return *b.WillRetry
	}
	return b.Class == event.Soft
}

// replaces reports whether e, which is not before the state, replaces it.
func replaces(e, state *event.Event) bool {
	if state == nil {
		return true
	}
	is, was := standingOf(e), standingOf(state)
	later := !e.OccurredAt.IsZero() && !state.OccurredAt.IsZero() && e.OccurredAt.Time().After(state.OccurredAt.Time())
	switch {
	case was == feedback:
		return false
	case is == feedback:
		return true
	case is == failed && slices.Contains([]standing{failed, delivered, opened, clicked}, was):
		return later
	case was == failed:
		return is == delivered && later
	case is == failed:
		return true
	}
	return later || is > was
}
