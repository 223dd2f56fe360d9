package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider/internal/broker"
	"github.com/postrider/postrider/pkg/event"
)

// partitions stands in for a topic: each partition's records, in order.
type partitions [][]broker.Message

func (p partitions) Offsets(_ context.Context, topic string) (map[int]broker.OffsetRange, error) {
	if topic != "t" {
		return nil, &broker.UnknownTopicError{Topic: topic, Partition: -1}
	}
	ranges := map[int]broker.OffsetRange{}
	for i, records := range p {
		ranges[i] = broker.OffsetRange{Next: int64(len(records))}
	}
	return ranges, nil
}

func (p partitions) OffsetsAt(_ context.Context, _ string, at time.Time) (map[int]int64, error) {
	offsets := map[int]int64{}
	for i, records := range p {
		for _, m := range records {
			if m.Time.Before(at) {
				offsets[i]++
			}
		}
	}
	return offsets, nil
}

func (p partitions) Read(_ context.Context, _ string, partition int, from, to int64, fn func(broker.Message) error) error {
	for offset := from; offset < to; offset++ {
		m := p[partition][offset]
		m.Partition, m.Offset = partition, offset
		if err := fn(m); err != nil {
			if errors.Is(err, broker.ErrStop) {
				return nil
			}
			return err
		}
	}
	return nil
}

// at is a record made so many milliseconds after the beginning.
func at(ms int) broker.Message { return broker.Message{Topic: "t", Time: time.UnixMilli(int64(ms))} }

// runHistory returns the places that a history shows, and its notes.
func runHistory(t *testing.T, s store, start broker.Start, limit int, topics ...string) (places []string, notes string) {
	t.Helper()
	var noted strings.Builder
	show := shower(limit, func(m *broker.Message) error {
		places = append(places, fmt.Sprintf("%d@%d", m.Partition, m.Offset))
		return nil
	})
	h := &history{
		store: s, takes: func(m *broker.Message) bool { return m.Key == nil }, show: show, limit: limit,
		note: func(format string, args ...any) { fmt.Fprintf(&noted, format, args...) },
	}
	if err := h.run(t.Context(), topics, start); err != nil {
		t.Fatal(err)
	}
	return places, noted.String()
}

func TestHistoryIsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	hidden := at(3)
	hidden.Key = []byte("x")
	topic := partitions{{at(1), at(4), at(9)}, {at(2), hidden, at(4), at(8)}, {}}
	for name, c := range map[string]struct {
		start broker.Start
		limit int
		want  []string
	}{
		"all":     {broker.Start{First: true}, 0, []string{"0@0", "1@0", "0@1", "1@2", "1@3", "0@2"}},
		"limited": {broker.Start{First: true}, 3, []string{"0@0", "1@0", "0@1"}},
		"since":   {broker.Start{Time: time.UnixMilli(5)}, 0, []string{"1@3", "0@2"}},
		"now":     {broker.Start{}, 0, nil},
	} {
		if got, notes := runHistory(t, topic, c.start, c.limit, "t"); cmp.Diff(c.want, got) != "" || notes != "" {
			t.Errorf("%s: got %v, want %v (%s)", name, got, c.want, notes)
		}
	}
}

func TestHistoryOfAMissingTopic(t *testing.T) {
	t.Parallel()
	got, notes := runHistory(t, partitions{{at(1)}}, broker.Start{First: true}, 0, "none", "t")
	if len(got) != 1 || notes != "topic none does not exist" {
		t.Errorf("got %v, %q", got, notes)
	}
}

// TestHistoryIsBounded: too many records are not kept to be sorted, unless only
// the earliest are wanted.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	many := make([]broker.Message, mostSorted+10)
	for i := range many {
		many[i] = at(i + 1)
	}
	topic := partitions{many, {at(0)}}
	got, notes := runHistory(t, topic, broker.Start{First: true}, 0, "t")
	if len(got) != mostSorted+11 || got[len(got)-1] != "1@0" || !strings.Contains(notes, "not in the order of time") {
		t.Errorf("got %d records, the last %s, notes %q", len(got), got[len(got)-1], notes)
	}
	got, notes = runHistory(t, topic, broker.Start{First: true}, 2, "t")
	if diff := cmp.Diff([]string{"1@0", "0@0"}, got); diff != "" || notes != "" {
		t.Error(diff, notes)
	}
	big := at(1)
	big.Value = make([]byte, mostSortedBytes/2+1)
	got, notes = runHistory(t, partitions{{big}, {big}, {at(0)}}, broker.Start{First: true}, 0, "t")
	if len(got) != 3 || !strings.Contains(notes, "64 MiB") {
		t.Errorf("got %v, %q", got, notes)
	}
}

func TestShowerEndsWhenNobodyReads(t *testing.T) {
	t.Parallel()
	broken := &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	if err := shower(0, func(*broker.Message) error { return broken })(nil); !errors.Is(err, broker.ErrStop) {
		t.Errorf("got %v", err)
	}
	full := errors.New("disk full")
	if err := shower(1, func(*broker.Message) error { return full })(nil); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

// TestUntilUnread: the context ends with the reader of standard output, without
// anything being written.
func TestUntilUnread(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	ctx, stop := (&cli{out: write}).untilUnread(t.Context())
	defer stop()
	if ctx.Err() != nil {
		t.Fatal("ended though there is a reader")
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(startTimeout):
		t.Error("the reader has gone, and the context has not ended")
	}
}

func TestFilterByID(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) (h []broker.Header) {
		for i := 0; i < len(pairs); i += 2 {
			h = append(h, broker.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return h
	}
	typed := broker.Message{Key: []byte("jetemail/shop/m1"), Headers: header("ce_id", "e1", "ce_subject", "m1")}
	keyed := broker.Message{Key: []byte("jetemail/shop/a/b"), Headers: header("ce_id", "e2", "provider", "jetemail", "source", "shop")}
	raw := broker.Message{Key: []byte("shop/r1"), Headers: header("id", "r1")}
	for _, c := range []struct {
		flags tailFlags
		m     *broker.Message
		want  bool
	}{
		{tailFlags{message: "m1"}, &typed, true},
		{tailFlags{message: "m"}, &typed, false},
		{tailFlags{message: "a/b"}, &keyed, true},
		{tailFlags{message: "b"}, &keyed, false},
		{tailFlags{id: "e1"}, &typed, true},
		{tailFlags{id: "e1", message: "m2"}, &typed, false},
		{tailFlags{id: "e1"}, &keyed, false},
		{tailFlags{id: "r1"}, &raw, true},
	} {
		if got := newFilter(c.flags).takes(c.m); got != c.want { // the value is no event: only headers can decide
			t.Errorf("%+v of %s: got %v", c.flags, c.m.Key, got)
		}
	}
}

func TestRecordJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value string
		dead  bool
		want  string
	}{
		"dead letter":      {`{"reason":"x"}`, true, `"value":{"reason":"x"}`},
		"dead, no JSON":    {`oops`, true, `"value":"oops"`},
		"request":          {`{ "a": 1 }`, false, `"value":"{ \"a\": 1 }"`},
		"request, no text": {"\xff", false, `"value_base64":"/w=="`},
	} {
		m := broker.Message{Topic: "t", Value: []byte(c.value), Headers: []broker.Header{
			{Key: "once", Value: []byte("1")}, {Key: "more", Value: []byte("1")}, {Key: "more", Value: []byte("2")}, {Key: "more", Value: []byte("3")},
		}}
		b, err := json.Marshal(recordJSON(&m, c.dead))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{c.want, `"headers":{"more":["1","2","3"],"once":"1"}`} {
			if !bytes.Contains(b, []byte(want)) {
				t.Errorf("%s: %s is not in %s", name, want, b)
			}
		}
	}
}

func TestDetailSaysNothingTwice(t *testing.T) {
	t.Parallel()
	const answer = "550 5.7.1 Sender blocked by policy"
	for name, c := range map[string]struct {
		e    event.Event
		want string
	}{
		"the reason is the answer":    {event.Event{Drop: &event.Drop{Reason: "policy"}, SMTP: &event.SMTP{Response: answer}, Reason: answer}, "policy: " + answer},
		"the reason holds the answer": {event.Event{SMTP: &event.SMTP{Response: answer}, Reason: "mx1: " + answer}, "mx1: " + answer},
		"the answer holds the reason": {event.Event{SMTP: &event.SMTP{Response: answer}, Reason: "Sender blocked"}, answer},
		"both":                        {event.Event{SMTP: &event.SMTP{Response: answer}, Reason: "Quarantined"}, answer + ": Quarantined"},
		"only a reason":               {event.Event{Reason: "Missing Token."}, "Missing Token."},
		"the drop's word":             {event.Event{Drop: &event.Drop{Reason: "spam"}, Reason: "spam"}, "spam"},
		"nothing":                     {event.Event{}, ""},
	} {
		if got := detail(&c.e); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestNoteOnTypes(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	c := &cli{out: io.Discard, errOut: &b}
	if err := c.checkFilters(nil, &tailFlags{types: []string{"bouncedd", "bounced", "HardBounce", "quite.another.thing"}}); err != nil {
		t.Fatal(err)
	}
	want := "note: no provider has a type \"bouncedd\"; did you mean bounced?\nnote: no provider has a type \"quite.another.thing\"\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	for _, f := range []tailFlags{{limit: -1}, {providers: []string{"jet"}}} {
		if err := c.checkFilters(nil, &f); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
}
