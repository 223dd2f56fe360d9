package trace

import (
	"fmt"
	"strings"

	"github.com/postrider/postrider/pkg/event"
)

// headline tells a story's steps in one sentence: what became of the delivery, and
// what came after. "delivered after 2 deferrals, then opened twice (once by a
// machine) and clicked once".
func headline(steps []Step) string {
	n := count(steps)
	var parts []string
	delivery, then := n.delivery(), n.then()
	switch {
	case delivery != "" && then != "":
		parts = []string{delivery, "then " + then}
	case delivery+then != "":
		parts = []string{delivery + then}
	}
	for _, t := range []event.Type{event.Complained, event.Unsubscribed, event.Subscribed, event.Suppressed, event.Autoresponded, event.Unknown} {
		if n.of[t] > 0 {
			parts = append(parts, string(t)+also(n.of[t]))
		}
	}
	return strings.Join(parts, ", ")
}

// counts are what a story's steps come to.
type counts struct {
	of        map[event.Type]int
	machine   map[event.Type]int
	open      int          // bounces that are not the end
	last      *event.Event // that decides about the delivery
	delivered bool         // at some time
}

// count counts steps, which are in order.
func count(steps []Step) *counts {
	n := &counts{of: make(map[event.Type]int), machine: make(map[event.Type]int)}
	var delivery []Step
	for i := range steps {
		e := &steps[i].Event
		n.of[e.Type]++
		if e.Engagement != nil && e.Engagement.Bot != nil && *e.Engagement.Bot {
			n.machine[e.Type]++
		}
		if e.Type == event.Bounced && standingOf(e) == deferred {
			n.open++
		}
		n.delivered = n.delivered || e.Type == event.Delivered
		if f := e.Type.Family(); f == event.FamilyDelivery || e.Type == event.Received {
			delivery = append(delivery, steps[i])
		}
	}
	n.last = decide(delivery)
	return n
}

// delivery says what became of the delivery; "" if no event is about it.
func (n *counts) delivery() string {
	if n.last == nil {
		return ""
	}
	switch is := standingOf(n.last); {
	case is == delivered:
		return "delivered" + n.before()
	case is == deferred:
		return n.pending()
	case is == failed && n.delivered:
		return "delivered, then " + failure(n.last)
	case is == failed:
		return failure(n.last) + n.before()
	}
	return string(n.last.Type)
}

// before tells of the attempts that did not succeed.
func (n *counts) before() string {
	var tries []string
	if d := n.of[event.Deferred]; d > 0 {
		tries = append(tries, plural(d, "deferral"))
	}
	if n.open > 0 {
		tries = append(tries, plural(n.open, "soft bounce"))
	}
	if len(tries) == 0 {
		return ""
	}
	return " after " + strings.Join(tries, " and ")
}

// pending tells of a delivery that may still come.
func (n *counts) pending() string {
	if n.last.Type == event.Deferred {
		return "deferred" + also(n.of[event.Deferred]) + ", not delivered yet"
	}
	what := "bounced" + also(n.open) + because(n.last)
	if n.last.Bounce.WillRetry != nil {
		return what + ", the provider tries again"
	}
	return what + ", open whether it is tried again"
}

// failure names what ended a delivery.
func failure(e *event.Event) string { return string(e.Type) + because(e) }

// because is the reason of a failure in brackets.
func because(e *event.Event) string {
	var words []string
	if b := e.Bounce; b != nil {
		for _, w := range []string{string(b.Class), string(b.Category)} {
			if w != "" && (len(words) == 0 || w != words[0]) {
				words = append(words, w)
			}
		}
	}
	if e.Drop != nil && e.Drop.Reason != "" {
		words = append(words, string(e.Drop.Reason))
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// then tells of opens and clicks.
func (n *counts) then() string {
	var parts []string
	for _, t := range []event.Type{event.Opened, event.Clicked} {
		if n.of[t] == 0 {
			continue
		}
		part := string(t) + " " + times(n.of[t])
		if m := n.machine[t]; m > 0 {
			part += " (" + times(m) + " by a machine)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " and ")
}

// also is how often, where it is more than once.
func also(n int) string {
	if n < 2 {
		return ""
	}
	return " " + times(n)
}

// times is "once", "twice", "3 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// plural is "1 deferral", "2 deferrals".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
