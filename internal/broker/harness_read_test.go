package broker

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// values reads every record of a topic's partition with kafka-go's own decoder.
func values(t testing.TB, c *Client, topic string, partition int) []string {
	t.Helper()
	var got []string
	for _, rec := range readAll(t, c, topic, partition) {
		got = append(got, string(rec.Value))
	}
	return got
}

func readAll(t testing.TB, c *Client, topic string, partition int) []Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	end := endOffset(ctx, t, c, topic, partition)
	var got []Record
	for offset := int64(0); offset < end; {
		res, err := c.api.Fetch(ctx, &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Error != nil {
			t.Fatal(res.Error)
		}
		for {
			rec, err := res.Records.ReadRecord()
			if err != nil {
				break
			}
			if rec.Offset < offset {
				continue
			}
			got = append(got, decoded(t, topic, rec))
			offset = rec.Offset + 1
		}
	}
	return got
}

func endOffset(ctx context.Context, t testing.TB, c *Client, topic string, partition int) int64 {
	t.Helper()
	res, err := c.api.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(partition)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := res.Topics[topic][0]
	if p.Error != nil {
		t.Fatal(p.Error)
	}
	return p.LastOffset
}

func decoded(t testing.TB, topic string, rec *kafka.Record) Record {
	t.Helper()
	out := Record{Topic: topic, Time: rec.Time}
	var err error
	if rec.Key != nil {
		if out.Key, err = kafka.ReadAll(rec.Key); err != nil {
			t.Fatal(err)
		}
	}
	if rec.Value != nil {
		if out.Value, err = kafka.ReadAll(rec.Value); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range rec.Headers {
		out.Headers = append(out.Headers, Header{Key: h.Key, Value: h.Value})
	}
	return out
}
