// Command suppression keeps a list of the addresses that must not be written to:
// those of hard bounces that are about the address, of complaints, and of recipients
// who unsubscribed.
//
//	go run ./examples/suppression -demo
//
// runs it on sample events and a broker of its own. Without -demo it reads the topics
// of a running postrider until it is interrupted.
package main

import (
	"context"
	"io"

	"github.com/postrider/postrider/examples/internal/cluster"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

func main() { cluster.Main(run, samples()) }

// run keeps the list until ctx ends, and then writes it.
func run(ctx context.Context, cfg consumer.Config, out io.Writer) error {
	l := &list{out: out, reasons: map[string][]string{}}
	cfg.Topics = consumer.EventTopics("email", event.Bounced, event.Complained, event.Unsubscribed)
	cfg.Concurrency = 4
	c, err := consumer.New(cfg, consumer.Events(l.handle))
	if err != nil {
		return err
	}
	if err := c.Run(ctx); err != nil {
		return err
	}
	return l.write(out)
}

// samples are the events of the demo.
func samples() []event.Event {
	bounced := func(who string, class event.BounceClass, category event.BounceCategory) event.Event {
		return event.Event{Type: event.Bounced, MessageID: "m-" + who, Recipient: who, Bounce: &event.Bounce{Class: class, Category: category}}
	}
	simulated := bounced("sink@example.com", event.Hard, event.InvalidRecipient)
	simulated.Test = true
	return []event.Event{
		bounced("Nobody@Example.com", event.Hard, event.InvalidRecipient),
		bounced("Nobody@Example.com", event.Hard, event.InvalidRecipient), // the provider sent it twice
		bounced("full@example.com", event.Soft, event.MailboxFull),
		bounced("fine@example.com", event.Hard, event.SpamContent), // that message was refused, not the address
		simulated,
		{Type: event.Complained, MessageID: "m-2", Recipient: "angry@example.com"},
		{Type: event.Unsubscribed, MessageID: "m-2", Recipient: "angry@example.com"},
	}
}
