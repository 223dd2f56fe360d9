// Package consumertest is the kit for tests of code that consumes postrider's topics.
//
// Message makes the record of an event, as the receiver would write it, and Feed hands
// records to a Handler without any Kafka:
//
//	bounced := consumertest.Message(event.Event{Type: event.Bounced, Recipient: "a@example.com"})
//	errs := consumertest.Feed(ctx, handler, bounced, bounced)
//
// New starts a broker inside the test for the real loop, with groups, retry topics
// and dead letters:
//
//	broker := consumertest.New(t)
//	err := broker.Publish(ctx, event.Event{Type: event.Bounced, Recipient: "a@example.com"})
//	c, err := consumer.New(consumer.Config{Kafka: broker.Kafka(), Group: "g", Topics: []string{"email.bounced"}}, handler)
//
// The broker serves the Kafka protocol on a loopback address; any Kafka client may use
// it. It is one process with one copy of the data, and no load is to be measured with it.
//
// Compatibility is that of package consumer.
package consumertest
