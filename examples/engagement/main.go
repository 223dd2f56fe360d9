// Command engagement counts opens and clicks of each message and of each campaign's
// tag, those of machines apart, and every event once, however often it comes.
//
//	go run ./examples/engagement -demo
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

// run counts until ctx ends, and then writes the numbers.
func run(ctx context.Context, cfg consumer.Config, out io.Writer) error {
	b := newBoard()
	cfg.Topics = consumer.EventTopics("email", event.Opened, event.Clicked)
	cfg.Concurrency = 4
	c, err := consumer.New(cfg, consumer.Chain(
		consumer.Events(b.handle),
		consumer.Once(consumer.NewMemory(consumer.MemoryOptions{})),
	))
	if err != nil {
		return err
	}
	if err := c.Run(ctx); err != nil {
		return err
	}
	return b.write(out)
}

// samples are the events of the demo.
func samples() []event.Event {
	engaged := func(typ event.Type, message, client string, bot bool) event.Event {
		e := event.Event{Type: typ, MessageID: message, Tags: []string{"spring"}, Engagement: &event.Engagement{Client: client}}
		if bot {
			e.Engagement.Bot = &bot
		}
		return e
	}
	another := engaged(event.Opened, "m-3", "Gmail", false)
	another.Tags = []string{"receipts"}
	return []event.Event{
		engaged(event.Opened, "m-1", "Gmail", false),
		engaged(event.Opened, "m-1", "Gmail", false), // the same event again, as a provider's retry brings it
		engaged(event.Opened, "m-1", "Apple Mail", false),
		engaged(event.Clicked, "m-1", "Gmail", false),
		engaged(event.Opened, "m-2", "a scanner", true),
		engaged(event.Clicked, "m-2", "a scanner", true),
		another,
	}
}
