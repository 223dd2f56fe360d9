package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

// BenchmarkRead reads records like a webhook's events. One iteration is one record.
// stream is this package's; fetch is a bare loop over kafka-go's Client.Fetch and
// reader its Reader, both on a topic of one partition. With POSTRIDER_TEST_BROKERS it
// runs against those brokers.
func BenchmarkRead(b *testing.B) {
	const records = 50_000
	c, topic := benchTopic(b, 1, records)
	many, manyTopic := benchTopic(b, 12, records)
	for name, read := range map[string]func(ctx context.Context, fn func([]byte) error) error{
		"stream": func(ctx context.Context, fn func([]byte) error) error { return benchStream(ctx, c, topic, 1, fn) },
		"stream-12": func(ctx context.Context, fn func([]byte) error) error {
			return benchStream(ctx, many, manyTopic, 12, fn)
		},
		"fetch":  func(ctx context.Context, fn func([]byte) error) error { return benchFetch(ctx, c, topic, fn) },
		"reader": func(ctx context.Context, fn func([]byte) error) error { return benchReader(ctx, c, topic, fn) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for left := b.N; left > 0; left -= records {
				n := min(left, records)
				err := read(b.Context(), func([]byte) error {
					if n--; n == 0 {
						return ErrStop
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// benchTopic makes a topic with so many records in it.
func benchTopic(b *testing.B, partitions, records int) (*Client, string) {
	b.Helper()
	var r *rig
	if os.Getenv("POSTRIDER_TEST_BROKERS") != "" {
		r = realRig(b, PublisherOptions{Budget: time.Minute})
	} else {
		r = newRig(b, PublisherOptions{Budget: time.Minute}, kfake.NumBrokers(1))
	}
	topic := r.newTopic(partitions)
	value := bytes.Repeat([]byte("t"), 700)
	headers := []Header{
		{Key: "ce_id", Value: []byte("0123456789abcdef0123456789abcdef")},
		{Key: "ce_type", Value: []byte("email.delivered")},
		{Key: "ce_source", Value: []byte("/sources/test")},
		{Key: "ce_time", Value: []byte("2026-01-02T03:04:05Z")},
		{Key: "provider", Value: []byte("ses")},
	}
	const together = 200
	for i := 0; i < records; i += together {
		recs := make([]Record, together)
		for k := range recs {
			recs[k] = Record{Topic: topic, Key: fmt.Appendf(nil, "ses/test/message-%d", i+k), Value: value, Headers: headers, Time: time.UnixMilli(int64(i))}
		}
		r.mustPublish(recs...)
	}
	return r.client, topic
}

func benchStream(ctx context.Context, c *Client, topic string, partitions int, fn func([]byte) error) error {
	return c.Stream(ctx, from(topic, partitions), StreamOptions{
		Room: func(string, int) int { return 4 << 20 },
		Deliver: func(batch Batch) error {
			for i := range batch.Messages {
				if err := fn(batch.Messages[i].Value); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

func benchFetch(ctx context.Context, c *Client, topic string, fn func([]byte) error) error {
	for offset := int64(0); ; {
		res, err := c.api.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: fetchWait})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return err
		}
		for {
			rec, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if rec.Offset < offset {
				continue
			}
			offset = rec.Offset + 1
			_, value, err := takeBoth(rec.Key, rec.Value)
			if err == nil {
				err = fn(value)
			}
			if err != nil {
				return (&callbackError{err}).result()
			}
		}
	}
}

func benchReader(ctx context.Context, c *Client, topic string, fn func([]byte) error) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: c.brokers(), Topic: topic, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: fetchWait})
	defer r.Close()
	for {
		m, err := r.FetchMessage(ctx)
		if err == nil {
			err = fn(m.Value)
		}
		if err != nil {
			return (&callbackError{err}).result()
		}
	}
}
