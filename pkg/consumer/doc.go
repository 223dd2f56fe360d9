// Package consumer reads postrider's topics and hands their records to your code:
// at least once, in the order of each key, and with the help of Once effectively
// once.
//
//	c, err := consumer.New(consumer.Config{
//		Group:  "suppression",
//		Topics: []string{"email.bounced", "email.complained"},
//		Kafka:  consumer.Kafka{Brokers: []string{"127.0.0.1:9092"}},
//	}, consumer.Events(func(ctx context.Context, e *event.Event) error {
//		return suppress(ctx, e.Recipient)
//	}))
//	if err == nil {
//		err = c.Run(ctx)
//	}
//
// What Run does with a record, from start to end:
//
//   - It is read as a member of the consumer group, and handed to the Handler. Records
//     with one key come one after the other, also over topics whose partitions have
//     the same number; others at once, up to Concurrency.
//   - An error is tried again in place, after a random wait; then the record is put
//     into a delayed retry topic, in the end into the dead-letter topic, with the
//     reason, the attempts and where it came from. Permanent, Later, RetryAfter,
//     Unavailable and Stop say more about an error.
//   - While many different records fail one after the other, or the Handler says
//     Unavailable, nothing is burnt: the consumer pauses and tries one record from time
//     to time.
//   - Its offset is committed when it and all before it in its partition are finished:
//     handled, or safe in one of those topics. A crash repeats what was not committed,
//     about a second's worth. Where the group's coordinator is lost, nothing can be
//     committed until members have joined anew, and what was handled since is repeated.
//     Once leaves those out.
//   - Records that were deleted before they were read are never passed over in
//     silence: Run ends with a *GapError that names them, unless Config.OnGap says
//     otherwise.
//
// When ctx ends, Run lets the handlers that run finish, commits, leaves the group
// and returns.
//
// Compatibility: what this package exports stays source compatible within a major
// version of the module; fields may be added to structs, so write them with names.
// The names of headers and topics that it writes stay, too.
package consumer
