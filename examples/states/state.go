package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/postrider/postrider/pkg/event"
)

// state is what is known of a message. Webhooks come late, twice and in any order, so
// that the order of arrival must not decide.
//
// That the later event wins is not enough: a failure is final to what came before an
// arrival, yet an arrival may follow it, and so bounced beats deferred, deferred may
// beat delivered by its time, and delivered bounced: a circle, in which the last to
// come would win. So of each kind of event the greatest is kept, which is the same
// however they are sorted and repeated, and now says which kind counts.
type state struct {
	progress mark // queued, sent, deferred, delivered, opened, clicked
	arrival  mark // of these, delivered, opened, clicked
	failure  mark // dropped, failed, bounced
	decision mark // of the recipient: unsubscribed, complained
}

// mark is an event that a state rests on; typ is "" for none.
type mark struct {
	typ event.Type
	at  time.Time
	id  string
}

// now is the event that decides. What the recipient decided stays for ever; a failure
// is final, but for an arrival at the same time or later.
func (s state) now() mark {
	switch {
	case s.decision.typ != "":
		return s.decision
	case s.failure.typ != "" && (s.arrival.typ == "" || s.failure.at.After(s.arrival.at)):
		return s.failure
	}
	return s.progress
}

// next is the state after an event.
func (s state) next(e *event.Event) state {
	if e.Direction != event.Outbound {
		return s
	}
	m := mark{typ: fate(e), at: when(e), id: e.ID}
	switch m.typ {
	case event.Delivered, event.Opened, event.Clicked:
		s.arrival = later(s.arrival, m)
		s.progress = later(s.progress, m)
	case event.Queued, event.Sent, event.Deferred:
		s.progress = later(s.progress, m)
	case event.Dropped, event.Failed, event.Bounced:
		s.failure = later(s.failure, m)
	case event.Unsubscribed, event.Complained:
		s.decision = earlier(s.decision, m)
	case event.Subscribed, event.Suppressed, event.Autoresponded, event.Received, event.Unknown:
		// They are about an address, or nobody knows: no state of a message.
	}
	return s
}

// fate is an event's type; a bounce that the provider follows up is a delay.
func fate(e *event.Event) event.Type {
	if e.Type == event.Bounced && e.Bounce != nil && e.Bounce.WillRetry != nil && *e.Bounce.WillRetry {
		return event.Deferred
	}
	return e.Type
}

// when is the time of an event: the provider's, where it says one, since the webhook
// may be hours late.
func when(e *event.Event) time.Time {
	if e.OccurredAt.IsZero() {
		return e.ReceivedAt.Time()
	}
	return e.OccurredAt.Time()
}

// later is the greater of two marks of one kind, earlier the smaller.
func later(a, b mark) mark {
	if a.typ == "" || a.compare(b) < 0 {
		return b
	}
	return a
}

func earlier(a, b mark) mark {
	if a.typ == "" || a.compare(b) > 0 {
		return b
	}
	return a
}

// compare orders marks by time, then by type, since many providers send whole seconds,
// and in the end by the id, which only makes it certain.
func (m mark) compare(o mark) int {
	return cmp.Or(m.at.Compare(o.at), cmp.Compare(severity(m.typ), severity(o.typ)), cmp.Compare(m.id, o.id))
}

// severity is how far a type has a message come.
func severity(t event.Type) int {
	return slices.Index([]event.Type{
		event.Queued, event.Sent, event.Deferred, event.Delivered, event.Opened, event.Clicked,
		event.Dropped, event.Failed, event.Bounced, event.Complained, event.Unsubscribed,
	}, t)
}
