package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go" //nolint:depguard // what the consumer is measured against
	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider/pkg/consumer"
	"github.com/postrider/postrider/pkg/event"
)

// markConsume is the least share of a bare fetch loop that a consumer whose handler
// does nothing should reach.
const markConsume = 0.8

// The ways to read a topic.
const (
	wayReader   = "reader"
	wayFetch    = "fetch"
	wayConsumer = "consumer"
	wayEvents   = "events"
)

// bareFetch is how much a bare loop asks for at once, in bytes: kafka-go's default.
const bareFetch = 1 << 20

// consumeBenchmark is a whole run of -consume.
func consumeBenchmark(ctx context.Context, o options, args []string, out, progress io.Writer) error {
	return withRecords(ctx, o, progress, func(c *copying) error {
		ways := []way{
			{wayReader, "kafka-go's Reader.FetchMessage without a group, a Reader a partition", c.bareReader},
			{wayFetch, "kafka-go's Client.Fetch, a loop a partition, keys and values read", c.bareFetch},
			{wayConsumer, "pkg/consumer in a group, with a handler that does nothing, defaults, commits included", c.consume(empty)},
			{wayEvents, "the same with every event decoded (consumer.Events)", c.consume(consumer.Events(func(context.Context, *event.Event) error { return nil }))},
		}
		ts, err := turns(ctx, c, ways)
		if err != nil {
			return err
		}
		return consumeReport(ctx, o, args, ways, ts).write(out, o.output)
	})
}

// consumeReport holds the consumer against the faster of the bare loops.
func consumeReport(ctx context.Context, o options, args []string, ways []way, ts []turn) *wayReport {
	r := newWayReport(ctx, o, args, ways, ts)
	ratio := r.ratios(wayConsumer, wayReader, wayFetch)
	r.Marks = []mark{{wayConsumer, fmt.Sprintf("at least %g of the records a second of the faster bare loop of the same round", markConsume), ratio.Median, ratio.Median >= markConsume}}
	for _, bare := range []string{wayReader, wayFetch} {
		r.Notes = append(r.Notes, fmt.Sprintf("consumer to %s: %s; events to %s: %s", bare, r.ratios(wayConsumer, bare).show("%.2f"), bare, r.ratios(wayEvents, bare).show("%.2f")))
	}
	return r
}

// empty is a handler that does nothing.
func empty(context.Context, *consumer.Message) error { return nil }

// bareReader reads each partition by a Reader of its own.
func (c *copying) bareReader(ctx context.Context, m *meter) error {
	all, ctx := errgroup.WithContext(ctx)
	for p, held := range c.held {
		all.Go(func() (err error) {
			r := kafka.NewReader(kafka.ReaderConfig{Brokers: c.brokers, Topic: c.source, Partition: p, MinBytes: 1, MaxBytes: bareFetch, MaxWait: time.Second})
			defer func() { err = errors.Join(err, r.Close()) }()
			if err := r.SetOffset(held.First); err != nil {
				return err
			}
			for next := held.First; next < held.Next; {
				msg, err := r.FetchMessage(ctx)
				if err != nil {
					return err
				}
				next = msg.Offset + 1
				m.tick()
			}
			return nil
		})
	}
	return all.Wait()
}

// bareFetch reads each partition by requests of its own.
func (c *copying) bareFetch(ctx context.Context, m *meter) error {
	api, end := c.api()
	defer end()
	return c.each(ctx, func(ctx context.Context, p int, next int64) (int64, error) {
		return c.fetchOnce(ctx, api, m, p, next)
	})
}

// fetchOnce reads what one request brings and returns what is next.
func (c *copying) fetchOnce(ctx context.Context, api *kafka.Client, m *meter, partition int, next int64) (int64, error) {
	got, err := api.Fetch(ctx, &kafka.FetchRequest{
		Topic: c.source, Partition: partition, Offset: next, MinBytes: 1, MaxBytes: bareFetch, MaxWait: time.Second,
	})
	if err == nil {
		err = got.Error
	}
	if err != nil {
		return 0, err
	}
	recs := &counted{from: got.Records, next: next}
	for {
		rec, err := recs.ReadRecord()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return recs.next, nil // the answer ends, maybe within a batch
		}
		if err != nil {
			return 0, err
		}
		for _, b := range []kafka.Bytes{rec.Key, rec.Value} {
			if _, err := kafka.ReadAll(b); err != nil {
				return 0, err
			}
			_ = b.Close() // it is in memory
		}
		m.tick()
	}
}

// consume reads all by a member of a new group.
func (c *copying) consume(h consumer.Handler) func(context.Context, *meter) error {
	return func(ctx context.Context, m *meter) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		member, err := consumer.New(consumer.Config{
			Kafka: consumer.Kafka{Brokers: c.brokers}, Group: c.prefix + "." + randomHex()[:8], Topics: []string{c.source},
		}, func(ctx context.Context, msg *consumer.Message) error {
			err := h(ctx, msg)
			m.tick()
			return err
		})
		if err != nil {
			return err
		}
		go func() {
			select {
			case <-m.all:
				cancel()
			case <-ctx.Done():
			}
		}()
		return member.Run(ctx)
	}
}
