package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/postrider/postrider/pkg/event"
)

// reason says why an event puts its recipient on the list; "" if it does not.
//
// The class of a bounce is not enough: a hard bounce for spam content or policy is
// about that message, and the same address takes the next one.
func reason(e *event.Event) string {
	if e.Test || e.Direction != event.Outbound {
		return ""
	}
	switch {
	case e.Type == event.Complained:
		return "complained"
	case e.Type == event.Unsubscribed:
		return "unsubscribed"
	case e.Type == event.Bounced && e.Bounce != nil && e.Bounce.Class == event.Hard && aboutTheAddress(e.Bounce.Category):
		return "bounced: " + string(e.Bounce.Category)
	}
	return ""
}

// aboutTheAddress reports whether a bounce of that category would come for any
// message.
func aboutTheAddress(c event.BounceCategory) bool {
	return c == event.InvalidRecipient || c == event.BadDomain || c == event.MailboxInactive
}

// address is what the list knows a recipient by: the address in lower case or, where
// only hashes are published, its hash. Some providers name no recipient, and some
// only all of a message's: then nobody is put on the list.
func address(e *event.Event) string {
	if e.Recipient == "" && e.RecipientHash == "" {
		return ""
	}
	return e.RecipientKey()
}

// list is who must not be written to, and why. It is safe for concurrent use. In
// earnest it is a table of a database; see examples/postgres.
type list struct {
	out io.Writer // is told of each entry

	mu      sync.Mutex
	reasons map[string][]string
}

// handle puts an event's recipient on the list. Doing so twice is as good as once,
// and the order does not matter: this Handler needs nothing else for its safety.
func (l *list) handle(_ context.Context, e *event.Event) error {
	who, why := address(e), reason(e)
	if who == "" || why == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.reasons[who], why) {
		return nil
	}
	l.reasons[who] = append(l.reasons[who], why)
	slices.Sort(l.reasons[who])
	_, err := fmt.Fprintf(l.out, "%s: %s\n", who, why)
	return err
}

// write writes the whole list, by address.
func (l *list) write(w io.Writer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, who := range slices.Sorted(maps.Keys(l.reasons)) {
		if _, err := fmt.Fprintf(w, "%s %q\n", who, l.reasons[who]); err != nil {
			return err
		}
	}
	return nil
}
