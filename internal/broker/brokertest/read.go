package brokertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/postrider/postrider/internal/broker"
)

// numbered publishes n records with the values 0 to n-1.
func (s *suite) numbered(topic string, from, n int) {
	s.Helper()
	for i := range n {
		s.publish(broker.Record{Topic: topic, Key: []byte("k"), Value: fmt.Append(nil, from+i)})
	}
}

func join(ms []broker.Message) string {
	var vs []string
	for _, m := range ms {
		vs = append(vs, string(m.Value))
	}
	return strings.Join(vs, " ")
}

func offsetsByTime(s *suite) {
	topic, at := s.topic("time", 1, nil), published()
	for i := range 5 {
		s.publish(broker.Record{Topic: topic, Key: []byte("k"), Value: fmt.Append(nil, i), Time: at.Add(time.Duration(i) * time.Second)})
	}
	for _, tc := range []struct {
		after time.Duration
		want  int64
	}{{-time.Second, 0}, {0, 0}, {time.Millisecond, 1}, {3 * time.Second, 3}, {time.Hour, 5}} {
		got, err := s.client.OffsetsAt(s.ctx, topic, at.Add(tc.after))
		if err != nil || got[0] != tc.want {
			s.Errorf("offset at %s = %d, %v; want %d", tc.after, got[0], err, tc.want)
		}
	}
}

func readIsBounded(s *suite) {
	topic := s.topic("bounded", 1, nil)
	s.numbered(topic, 0, 10)
	var got []broker.Message
	keep := func(m broker.Message) error { got = append(got, m); return nil }
	if err := s.client.Read(s.ctx, topic, 0, 3, 7, keep); err != nil || join(got) != "3 4 5 6" {
		s.Errorf("Read [3,7) = %q, %v", join(got), err)
	}
	got = nil
	if err := s.client.Read(s.ctx, topic, 0, 4, 4, keep); err != nil || len(got) != 0 {
		s.Errorf("Read [4,4) = %q, %v", join(got), err)
	}
	first := func(m broker.Message) error { got = append(got, m); return broker.ErrStop }
	if err := s.client.Read(s.ctx, topic, 0, 0, -1, first); err != nil || join(got) != "0" {
		s.Errorf("stopped Read = %q, %v", join(got), err)
	}
	trouble := errors.New("trouble")
	if err := s.client.Read(s.ctx, topic, 0, 0, 5, func(broker.Message) error { return trouble }); !errors.Is(err, trouble) {
		s.Errorf("Read = %v, want the callback's error", err)
	}
	err := s.client.Read(s.ctx, topic, 0, 25, -1, keep)
	var gap *broker.OffsetGapError
	if !errors.As(err, &gap) || gap.Offset != 25 || gap.Log != (broker.OffsetRange{First: 0, Next: 10}) {
		s.Errorf("Read past the end = %v, want an *OffsetGapError", err)
	}
}

func readWaits(s *suite) {
	topic := s.topic("live", 1, nil)
	s.numbered(topic, 0, 1)
	seen, done := make(chan string, 10), make(chan error, 1)
	ctx, cancel := context.WithCancel(s.ctx)
	go func() {
		done <- s.client.Read(ctx, topic, 0, 0, -1, func(m broker.Message) error { seen <- string(m.Value); return nil })
	}()
	for i := range 3 {
		if got := <-seen; got != strconv.Itoa(i) {
			s.Errorf("record %d is %q", i, got)
		}
		s.numbered(topic, i+1, 1)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		s.Errorf("Read = %v, want that it was cancelled", err)
	}
}

// Others may publish to our topics, compressed as they like.
func readDecodesCompression(s *suite) {
	topic := s.topic("compressed", 1, nil)
	codecs := []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd}
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	var want []string
	for _, codec := range codecs {
		w := &kafka.Writer{
			Addr: kafka.TCP(s.Options.Brokers...), Topic: topic, Compression: codec, BatchTimeout: time.Millisecond,
			RequiredAcks: kafka.RequireAll, Transport: transport,
		}
		var msgs []kafka.Message
		for i := range 10 {
			v := fmt.Sprintf("%s-%d-%s", codec, i, strings.Repeat("x", 1000))
			want, msgs = append(want, v), append(msgs, kafka.Message{Value: []byte(v), Headers: []kafka.Header{{Key: "h", Value: []byte(v)}}})
		}
		if err := w.WriteMessages(s.ctx, msgs...); err != nil {
			s.Fatal(err)
		}
		if err := w.Close(); err != nil {
			s.Error(err)
		}
	}
	got := s.read(topic, 0)
	if join(got) != strings.Join(want, " ") {
		s.Errorf("read %d records, want %d, or they differ", len(got), len(want))
	}
	for _, m := range got {
		if len(m.Headers) != 1 || string(m.Headers[0].Value) != string(m.Value) {
			s.Errorf("offset %d has headers %v", m.Offset, m.Headers)
		}
	}
}

func followSeesMany(s *suite) {
	a, b, later := s.topic("a", 3, nil), s.topic("b", 1, nil), s.prefix+".later"
	s.publish(broker.Record{Topic: b, Key: []byte("k"), Value: []byte("old")})
	for _, tc := range []struct {
		name  string
		start broker.Start
		want  []string
	}{
		{"first", broker.Start{First: true}, []string{"old", "a-0", "a-1", "a-2", "b-0", "later"}},
		{"time", broker.Start{Time: published().Add(-time.Hour)}, []string{"old", "a-0", "a-1", "a-2", "b-0", "later"}},
	} {
		want := slices.Sorted(slices.Values(tc.want))
		done, got := make(chan error, 1), make(chan string, 100)
		go func() {
			seen := 0
			done <- s.client.Follow(s.ctx, []string{a, b, later}, tc.start, func(m broker.Message) error {
				got <- string(m.Value)
				if seen++; seen == len(want) {
					return broker.ErrStop
				}
				return nil
			})
		}()
		if tc.name == "first" {
			if v := <-got; v != "old" {
				s.Errorf("first record is %q", v)
			}
			got <- "old"
			for i := range 3 {
				s.publish(broker.Record{Topic: a, Key: fmt.Append(nil, "key", i), Value: fmt.Append(nil, "a-", i)})
			}
			s.publish(broker.Record{Topic: b, Key: []byte("k"), Value: []byte("b-0")})
			s.topic("later", 1, nil)
			s.publish(broker.Record{Topic: later, Key: []byte("k"), Value: []byte("later")})
		}
		if err := <-done; err != nil {
			s.Fatalf("%s: Follow = %v", tc.name, err)
		}
		close(got)
		if all := slices.Sorted(valuesOf(got)); !slices.Equal(all, want) {
			s.Errorf("%s: followed %q, want %q", tc.name, all, want)
		}
	}
}

func valuesOf(ch <-chan string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for v := range ch {
			if !yield(v) {
				return
			}
		}
	}
}

func consumerGroups(s *suite) {
	topic := s.topic("group", 2, nil)
	for i := range 10 {
		s.publish(broker.Record{Topic: topic, Key: fmt.Append(nil, "key", i), Value: fmt.Append(nil, i)})
	}
	seen := map[string]bool{}
	for _, n := range []int{4, 6} {
		for _, v := range s.consume(topic, n) {
			if seen[v] {
				s.Errorf("record %s came twice although it was committed", v)
			}
			seen[v] = true
		}
	}
	if len(seen) != 10 {
		s.Errorf("the group saw %d of 10 records", len(seen))
	}
}

// consume reads and commits n records with a member of its own.
func (s *suite) consume(topic string, n int) []string {
	s.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: s.Options.Brokers, GroupID: s.prefix, Topic: topic, StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond,
	})
	defer r.Close()
	var got []string
	for range n {
		m, err := r.FetchMessage(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		if err := r.CommitMessages(s.ctx, m); err != nil {
			s.Fatal(err)
		}
		got = append(got, string(m.Value))
	}
	return got
}
