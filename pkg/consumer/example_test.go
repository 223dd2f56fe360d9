package consumer_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/consumer/consumertest"
	"github.com/postrider/postrider/pkg/event"
)

// A Handler of events, fed without any Kafka.
func ExampleEvents() {
	handler := consumer.Events(func(_ context.Context, e *event.Event) error {
		fmt.Println(e.Type, e.Recipient)
		return nil
	})
	errs := consumertest.Feed(context.Background(), handler,
		consumertest.Message(event.Event{Type: event.Bounced, Recipient: "a@example.com"}),
		&consumer.Message{Topic: "email.raw", Value: []byte("a request, no event")},
	)
	fmt.Println(errs[0] == nil, errs[1] == nil)
	// Output:
	// bounced a@example.com
	// true false
}

// Each record goes to the first route that takes it.
func ExampleRouter() {
	say := func(what string) consumer.Handler {
		return consumer.Events(func(_ context.Context, e *event.Event) error {
			fmt.Println(what, e.Recipient)
			return nil
		})
	}
	r := consumer.NewRouter()
	err := errors.Join(
		r.On(consumer.Match{Types: []string{"bounced"}, Where: `bounce.class == "hard"`}, say("suppress")),
		r.On(consumer.Match{Types: []string{"complained", "unsubscribed"}}, say("ask no more")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Otherwise(say("nothing to do for"))
	consumertest.Feed(context.Background(), r.Handle,
		consumertest.Message(event.Event{Type: event.Bounced, Recipient: "a@example.com", Bounce: &event.Bounce{Class: event.Hard}}),
		consumertest.Message(event.Event{Type: event.Bounced, Recipient: "b@example.com", Bounce: &event.Bounce{Class: event.Soft}}),
		consumertest.Message(event.Event{Type: event.Complained, Recipient: "c@example.com"}),
	)
	// Output:
	// suppress a@example.com
	// nothing to do for b@example.com
	// ask no more c@example.com
}

// What is wrong with a Match is said at once, and where.
func ExampleRouter_On() {
	err := consumer.NewRouter().On(consumer.Match{Types: []string{"bounce"}, Where: `bounce.klass == "hard"`}, func(context.Context, *consumer.Message) error { return nil })
	fmt.Println(err)
	// Output:
	// consumer: route 1: there is no type "bounce"; did you mean bounced?; where: type bounce has no field klass; did you mean class?
	//   bounce.klass == "hard"
	//          ^
}

// A second record of an event is left out, whatever brought it: a crash before the
// commit, a provider that repeats itself, a replay.
func ExampleOnce() {
	count := consumer.Events(func(_ context.Context, e *event.Event) error {
		fmt.Println("counted", e.Type)
		return nil
	})
	handler := consumer.Chain(count, consumer.Once(consumer.NewMemory(consumer.MemoryOptions{})))
	opened := event.Event{Type: event.Opened, MessageID: "m-1"}
	consumertest.Feed(context.Background(), handler,
		consumertest.Message(opened),
		consumertest.Message(opened, consumertest.Duplicate()),
		consumertest.Message(opened, consumertest.Replayed(consumer.Replay{ID: "run-1"})),
	)
	// Output: counted opened
}
