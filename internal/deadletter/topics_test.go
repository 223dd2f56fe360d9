package deadletter_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/internal/deadletter"
)

// topics are topics in memory, as a Reader and a Publisher see them.
type topics struct {
	logs    map[string][]log
	expire  func() // called once before the next read
	refuse  error  // what Publish says
	reading int    // records handed out
}

// log is one partition.
type log struct {
	first   int64
	records []broker.Message
}

// newTopics makes topics with so many partitions each.
func newTopics(partitions map[string]int) *topics {
	t := &topics{logs: make(map[string][]log)}
	for name, n := range partitions {
		t.logs[name] = make([]log, n)
	}
	return t
}

// put appends a record.
func (t *topics) put(topic string, partition int, at time.Time, key, value string, headers ...string) broker.Message {
	l := &t.logs[topic][partition]
	m := broker.Message{
		Topic: topic, Partition: partition, Offset: l.first + int64(len(l.records)), Time: at.UTC().Truncate(time.Millisecond), Key: []byte(key),
	}
	if value != "" {
		m.Value = []byte(value)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		m.Headers = append(m.Headers, broker.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	l.records = append(l.records, m)
	return m
}

// letter appends a dead letter.
func (t *topics) letter(partition int, at time.Time, reason string, mapper int) *deadletter.Letter {
	m := t.put("dead", partition, at, "s/raw-"+at.Format("150405"), "{}",
		"provider", "p", "source", "s", "id", "raw-"+at.Format("150405"), "reason", reason, "stage", "parse", "mapper-version", strconv.Itoa(mapper))
	return deadletter.Of(&m)
}

// forget lets retention take a partition's records below an offset.
func (t *topics) forget(topic string, partition int, below int64) {
	l := &t.logs[topic][partition]
	l.records = slices.Clone(l.records[below-l.first:])
	l.first = below
}

func (t *topics) Offsets(_ context.Context, topic string) (map[int]broker.OffsetRange, error) {
	logs, ok := t.logs[topic]
	if !ok {
		return nil, &broker.UnknownTopicError{Topic: topic, Partition: -1}
	}
	out := make(map[int]broker.OffsetRange)
	for p, l := range logs {
		out[p] = broker.OffsetRange{First: l.first, Next: l.first + int64(len(l.records))}
	}
	return out, nil
}

func (t *topics) OffsetsAt(_ context.Context, topic string, at time.Time) (map[int]int64, error) {
	out := make(map[int]int64)
	for p, l := range t.logs[topic] {
		out[p] = l.first + int64(len(l.records))
		if i := slices.IndexFunc(l.records, func(m broker.Message) bool { return !m.Time.Before(at) }); i >= 0 {
			out[p] = l.first + int64(i)
		}
	}
	return out, nil
}

func (t *topics) Read(ctx context.Context, topic string, partition int, from, to int64, fn func(broker.Message) error) error {
	if t.expire != nil {
		expire := t.expire
		t.expire = nil
		expire()
	}
	l := t.logs[topic][partition]
	if from < l.first {
		return &broker.OffsetGapError{Topic: topic, Partition: partition, Offset: from, Log: broker.OffsetRange{First: l.first, Next: l.first + int64(len(l.records))}}
	}
	for _, m := range l.records {
		if m.Offset < from || m.Offset >= to {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		t.reading++
		if err := fn(m); err == broker.ErrStop { //nolint:errorlint // as it is given
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Publish implements deadletter.Publisher, on partition 0.
func (t *topics) Publish(_ context.Context, recs []broker.Record) error {
	if t.refuse != nil {
		return t.refuse
	}
	for _, r := range recs {
		t.put(r.Topic, 0, r.Time, string(r.Key), string(r.Value))
	}
	return nil
}
