package brokertest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
)

// published is a fixed time of receipt, in the past but within any retention.
func published() time.Time {
	return time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
}

func recordsComeBack(s *suite) {
	topic, at := s.topic("delivered", 1, nil), published()
	want := []broker.Record{
		{
			Topic: topic, Key: []byte("jetemail/jet/8814"), Value: []byte(`{"type":"delivered"}`), Time: at,
			Headers: []broker.Header{{Key: "ce_id", Value: []byte("1")}, {Key: "twice", Value: []byte("a")}, {Key: "twice", Value: []byte("b")}},
		},
		{Topic: topic, Key: []byte{}, Value: []byte{}, Time: at.Add(time.Millisecond), Headers: []broker.Header{{Key: "empty", Value: []byte{}}}},
		{Topic: topic, Key: []byte("\x00\xff ✉"), Value: bytes.Repeat([]byte("payload "), 20_000), Time: at.Add(2 * time.Millisecond)},
	}
	s.publish(want...)
	var got []broker.Record
	for i, m := range s.read(topic, 0) {
		if m.Offset != int64(i) || m.Partition != 0 || m.HighWater != int64(len(want)) {
			s.Errorf("record %d is at %d@%d, high water %d", i, m.Partition, m.Offset, m.HighWater)
		}
		rec := broker.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time}
		if len(rec.Headers) == 0 {
			rec.Headers = nil
		}
		got = append(got, rec)
	}
	if d := cmp.Diff(want, got); d != "" {
		s.Errorf("records (-want +got):\n%s", d)
	}
}

// The numbers are what org.apache.kafka.common.utils.Utils.murmur2 of Apache
// Kafka's Java client gives, as its own unit test lists them, with the sign bit
// dropped.
func keysGoWhereJavaPutsThem(s *suite) {
	const partitions = 7
	java := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	topic := s.topic("keys", partitions, nil)
	var recs []broker.Record
	for key := range java {
		recs = append(recs, broker.Record{Topic: topic, Key: []byte(key), Value: []byte(key)})
	}
	s.publish(recs...)
	found := 0
	for p := range partitions {
		for _, m := range s.read(topic, p) {
			found++
			want := int(java[string(m.Key)]&0x7fffffff) % partitions
			if p != want || broker.PartitionFor(m.Key, partitions) != want {
				s.Errorf("key %q is in partition %d, PartitionFor says %d, Java %d", m.Key, p, broker.PartitionFor(m.Key, partitions), want)
			}
		}
	}
	if found != len(java) {
		s.Errorf("found %d of %d records", found, len(java))
	}
}

func concurrentWritersKeepOrder(s *suite) {
	const writers, each, partitions = 16, 40, 3
	topic := s.topic("order", partitions, nil)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				rec := broker.Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", w), Value: fmt.Appendf(nil, "%d", n)}
				if err := s.pub.Publish(s.ctx, []broker.Record{rec}); err != nil {
					s.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for p := range partitions {
		for _, m := range s.read(topic, p) {
			if want := strconv.Itoa(next[string(m.Key)]); string(m.Value) != want {
				s.Errorf("%s: record %s where %s should be", m.Key, m.Value, want)
			}
			next[string(m.Key)]++
		}
	}
	for w := range writers {
		if n := next[fmt.Sprintf("key-%d", w)]; n != each {
			s.Errorf("key-%d has %d records, want %d", w, n, each)
		}
	}
}

func tooLargeIsRefusedAlone(s *suite) {
	topic := s.topic("small", 1, map[string]string{"max.message.bytes": "20000"})
	recs := []broker.Record{
		{Topic: topic, Key: []byte("k"), Value: []byte("before")},
		{Topic: topic, Key: []byte("k"), Value: make([]byte, 50_000)},
		{Topic: topic, Key: []byte("k"), Value: []byte("after")},
	}
	err := s.pub.Publish(s.ctx, recs)
	var outcome *broker.PublishError
	if !errors.As(err, &outcome) {
		s.Fatalf("Publish = %v, want a *PublishError", err)
	}
	if outcome.Errs[0] != nil || !errors.Is(outcome.Errs[1], broker.ErrTooLarge) || outcome.Errs[2] != nil {
		s.Errorf("outcomes = %v, want only the second too large", outcome.Errs)
	}
	if got := s.read(topic, 0); len(got) != 2 || string(got[0].Value) != "before" || string(got[1].Value) != "after" {
		s.Errorf("%d records are in the topic, want the two small ones", len(got))
	}
}

func unknownTopic(s *suite) {
	name := s.prefix + ".nothing"
	var unknown *broker.UnknownTopicError
	if _, err := s.client.Offsets(s.ctx, name); !errors.As(err, &unknown) || unknown.Topic != name {
		s.Errorf("Offsets = %v, want an *UnknownTopicError", err)
	}
	nobody := func(m broker.Message) error { s.Errorf("got %+v", m); return nil }
	if err := s.client.Read(s.ctx, name, 0, 0, 1, nobody); !errors.As(err, &unknown) {
		s.Errorf("Read = %v, want an *UnknownTopicError", err)
	}
	topic := s.topic("one", 1, nil)
	if err := s.client.Read(s.ctx, topic, 1, 0, 1, nobody); !errors.As(err, &unknown) || unknown.Partition != 1 {
		s.Errorf("Read of a partition that is not there = %v, want an *UnknownTopicError", err)
	}
	if found, err := s.client.Topics(s.ctx, name); err != nil || len(found) != 0 {
		s.Errorf("asking created the topic: %+v, %v", found, err)
	}
}

// What is published compressed comes back as it was, in its order.
func publishesCompression(s *suite) {
	all := []broker.Compression{broker.Uncompressed, broker.Gzip, broker.Snappy, broker.LZ4, broker.Zstd}
	var topics []string // made at once: a client hears of new topics every now and then
	for _, c := range all {
		topics = append(topics, s.topic("as-"+string(c), 1, nil))
	}
	for i, c := range all {
		topic := topics[i]
		pub := broker.NewPublisher(s.client, broker.PublisherOptions{
			Now: time.Now, Budget: 20 * time.Second, AttemptTimeout: 10 * time.Second, Compression: c,
		})
		var want []broker.Record
		at := published()
		for i := range 60 {
			want = append(want, broker.Record{
				Topic: topic, Key: []byte("k"), Value: bytes.Repeat([]byte(strconv.Itoa(i)+" "), 1+i*i), Time: at,
				Headers: []broker.Header{{Key: "n", Value: []byte(strconv.Itoa(i))}},
			})
		}
		for _, part := range [][]broker.Record{want[:1], want[1:2], want[2:30], want[30:]} {
			if err := pub.Publish(s.ctx, part); err != nil {
				s.Fatalf("%s: %v", c, err)
			}
		}
		if err := pub.Close(s.ctx); err != nil {
			s.Errorf("%s: close publisher: %v", c, err)
		}
		var got []broker.Record
		for _, m := range s.read(topic, 0) {
			got = append(got, broker.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time})
		}
		if d := cmp.Diff(want, got); d != "" {
			s.Errorf("%s: records (-want +got):\n%s", c, d)
		}
	}
}
