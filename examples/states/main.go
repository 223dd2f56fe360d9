// Command states keeps the state of every message: queued, sent, delivered, opened,
// bounced and so on, whatever order its events arrive in.
//
//	go run ./examples/states -demo
//
// runs it on sample events and a broker of its own. Without -demo it reads the topics
// of a running postrider until it is interrupted.
package main

import (
	"context"
	"io"
	"time"

	"github.com/postrider/postrider/examples/internal/cluster"
	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

func main() { cluster.Main(run, samples()) }

// run keeps the states until ctx ends, and then writes them.
func run(ctx context.Context, cfg consumer.Config, out io.Writer) error {
	m := &machine{out: out, states: map[string]state{}}
	cfg.Topics = consumer.EventTopics("email",
		event.Queued, event.Sent, event.Deferred, event.Delivered, event.Opened, event.Clicked,
		event.Dropped, event.Failed, event.Bounced, event.Unsubscribed, event.Complained)
	cfg.Concurrency = 4
	c, err := consumer.New(cfg, consumer.Events(m.handle))
	if err != nil {
		return err
	}
	if err := c.Run(ctx); err != nil {
		return err
	}
	return m.write(out)
}

// samples are the events of the demo, in the order in which they arrive.
func samples() []event.Event {
	begin := time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)
	at := func(message string, typ event.Type, after time.Duration) event.Event {
		return event.Event{Type: typ, MessageID: message, OccurredAt: event.NewTime(begin.Add(after), 0)}
	}
	bounced := at("m-2", event.Bounced, time.Hour)
	bounced.Bounce = &event.Bounce{Class: event.Hard, Category: event.MailboxInactive}
	return []event.Event{
		at("m-1", event.Opened, 9*time.Second), // before delivered: nothing unusual
		at("m-1", event.Delivered, 2*time.Second),
		at("m-1", event.Queued, 0),
		at("m-2", event.Delivered, 3*time.Second),
		bounced, // an hour later the server of the recipient thought better of it
		at("m-3", event.Complained, time.Minute),
		at("m-3", event.Clicked, time.Hour), // changes nothing any more
		at("m-4", event.Delivered, time.Second),
		at("m-4", event.Sent, time.Second), // in the same second
	}
}
