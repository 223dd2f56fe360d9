package main

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/segmentio/kafka-go" //nolint:depguard // a yardstick
)

// producedBytes is the size of the record whose round trip is measured: that of an event
// as the receiver publishes it.
const producedBytes = 830

// roundTrips measures how long one record takes to one partition and back, one after the
// other, on a connection that is there already.
func roundTrips(brokers []string, topic string) func(context.Context, time.Duration, time.Duration) (*observed, error) {
	return func(ctx context.Context, warmup, duration time.Duration) (*observed, error) {
		transport := &kafka.Transport{}
		defer transport.CloseIdleConnections()
		l := newLanes(transport, brokers, topic, 1)[0]
		o := &observed{}
		value := bytes.Repeat([]byte("x"), producedBytes)
		from := time.Now().Add(warmup)
		to := from.Add(duration)
		for begin := time.Now(); begin.Before(to); begin = time.Now() {
			if err := l.commit(ctx, []*waiting{{key: []byte("key"), value: value}}); err != nil {
				return nil, err
			}
			o.answered(begin, time.Now(), window{from: from, to: to})
		}
		o.seconds = duration.Seconds()
		o.after = sampleUsage(os.Getpid())
		o.before = o.after
		return o, nil
	}
}
