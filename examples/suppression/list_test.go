package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postrider/postrider/examples/internal/cluster"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

func TestReason(t *testing.T) {
	bounce := func(class event.BounceClass, category event.BounceCategory) event.Event {
		return event.Event{Type: event.Bounced, Direction: event.Outbound, Bounce: &event.Bounce{Class: class, Category: category}}
	}
	for name, tt := range map[string]struct {
		e    event.Event
		want string
	}{
		"hard, no such mailbox":   {bounce(event.Hard, event.InvalidRecipient), "bounced: invalid_recipient"},
		"hard, no such domain":    {bounce(event.Hard, event.BadDomain), "bounced: bad_domain"},
		"hard, mailbox given up":  {bounce(event.Hard, event.MailboxInactive), "bounced: mailbox_inactive"},
		"hard, about the message": {bounce(event.Hard, event.SpamContent), ""},
		"hard, nothing more":      {bounce(event.Hard, event.UndeterminedCategory), ""},
		"soft":                    {bounce(event.Soft, event.InvalidRecipient), ""},
		"nobody says":             {bounce(event.UndeterminedClass, event.InvalidRecipient), ""},
		"no bounce at all":        {event.Event{Type: event.Bounced, Direction: event.Outbound}, ""},
		"complaint":               {event.Event{Type: event.Complained, Direction: event.Outbound}, "complained"},
		"unsubscribed":            {event.Event{Type: event.Unsubscribed, Direction: event.Outbound}, "unsubscribed"},
		"simulated":               {event.Event{Type: event.Complained, Direction: event.Outbound, Test: true}, ""},
		"delivered":               {event.Event{Type: event.Delivered, Direction: event.Outbound}, ""},
		"inbound":                 {event.Event{Type: event.Complained, Direction: event.Inbound}, ""},
	} {
		if got := reason(&tt.e); got != tt.want {
			t.Errorf("%s: reason() = %q, want %q", name, got, tt.want)
		}
	}
}

func TestAddress(t *testing.T) {
	for name, tt := range map[string]struct {
		e    event.Event
		want string
	}{
		"as sent":           {event.Event{Recipient: "Jo <JO@Example.com>"}, "jo@example.com"},
		"only a hash":       {event.Event{RecipientHash: "ab12", MessageID: "m"}, "ab12"},
		"one of several":    {event.Event{Recipients: []string{"a@example.com", "b@example.com"}, MessageID: "m"}, ""},
		"only a message id": {event.Event{MessageID: "m"}, ""},
	} {
		if got := address(&tt.e); got != tt.want {
			t.Errorf("%s: address() = %q, want %q", name, got, tt.want)
		}
	}
}

func TestListTakesRepeats(t *testing.T) {
	var told, written bytes.Buffer
	l := &list{out: &told, reasons: map[string][]string{}}
	complained := consumertest.Message(event.Event{Type: event.Complained, Recipient: "a@example.com"})
	nobody := consumertest.Message(event.Event{Type: event.Complained, MessageID: "m"})
	for i, err := range consumertest.Feed(t.Context(), consumer.Events(l.handle), complained, nobody, complained) {
		if err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if err := l.write(&written); err != nil {
		t.Fatal(err)
	}
	if told.String() != "a@example.com: complained\n" || written.String() != "a@example.com [\"complained\"]\n" {
		t.Errorf("told %q, written %q", told.String(), written.String())
	}
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := cluster.Demo(t.Context(), run, samples(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `angry@example.com ["complained" "unsubscribed"]
nobody@example.com ["bounced: invalid_recipient"]
`
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("wrote\n%s\nwant at the end\n%s", &out, want)
	}
}
